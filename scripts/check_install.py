"""Imports verl, vLLM and every registration, and says in a sentence what is missing: check_install.py [cpu|gpu].

verl and vLLM go on without a plug-in that failed to load, so each is loaded here by itself.
"""

import importlib
import importlib.metadata
import sys
from collections.abc import Iterator

PLUGINS = {"verl.plugins": ("verl_cpu", "groupwise"), "vllm.general_plugins": ("verl_cpu",)}
AGAIN = "run scripts/setup.sh again"


def find_problems(kind: str) -> list[str]:
    """One sentence for each thing that would stop a run; those after a failed import would only repeat it."""
    imports = [problem for name in ("torch", "ray", "verl", "vllm.v1.engine.async_llm") for problem in failed(name)]
    plugins = [(group, name) for group, names in PLUGINS.items() for name in names]
    return imports or [problem for plugin in plugins for problem in unloaded(*plugin)] or list(_unregistered(kind))


def failed(name: str) -> Iterator[str]:
    """A sentence where a module does not import."""
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 -- a broken extension may raise anything, and it becomes the sentence
        yield f"`import {name}` fails ({_words(error)}); {AGAIN}."


def unloaded(group: str, name: str) -> Iterator[str]:
    """A sentence where a plug-in is not installed or does not load."""
    found = [entry for entry in importlib.metadata.entry_points(group=group) if entry.name == name]
    if not found:
        yield f"The entry point {name} of the group {group} is not installed; {AGAIN}."
        return
    try:
        loaded = found[0].load()
        if group == "vllm.general_plugins":
            loaded()
    except Exception as error:  # noqa: BLE001 -- the plug-in's own failure, which verl would hide, is what is reported
        yield f"The plug-in {name} ({found[0].value}) of the group {group} does not load: {_words(error)}."


def _unregistered(kind: str) -> Iterator[str]:
    from verl.plugin.platform import PlatformRegistry

    from groupwise.preflight import versions

    yield from versions.find_faults(kind)
    yield from versions.find_registration_faults()
    if kind == "cpu" and PlatformRegistry.get("cpu") is None:
        yield (
            "verl does not know the platform `cpu`, though verl_cpu was imported: it leaves verl alone where a GPU is "
            "present; set VERL_PLATFORM=cpu, or set up with `bash scripts/setup.sh gpu`."
        )


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"


if __name__ == "__main__":
    sys.exit(
        "\n".join(f"check: {problem}" for problem in find_problems("gpu" if "gpu" in sys.argv[1:] else "cpu")) or 0
    )
