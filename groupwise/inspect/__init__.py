"""Shows what a method did to which group: `python -m groupwise.inspect DUMP`, in the terminal or as a page."""

if __name__ == "inspect":
    # Python started in the folder above puts that folder before the standard library, whose module `inspect` almost
    # everything imports: give them that one.
    import importlib.util
    import sys
    import sysconfig

    _spec = importlib.util.spec_from_file_location("inspect", f"{sysconfig.get_path('stdlib')}/inspect.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["inspect"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["inspect"])
