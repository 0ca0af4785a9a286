"""Imports verl, vLLM and every registration, and says in a sentence what is missing: check_install.py [cpu|gpu].

verl and vLLM go on without a plug-in that failed to load, so each is loaded here by itself.
"""

import argparse
import importlib
import importlib.metadata
import sys
from collections.abc import Iterator

VERL = "0.9.1"
PLUGINS = {"verl.plugins": ("verl_cpu", "groupwise"), "vllm.general_plugins": ("verl_cpu",)}
AGAIN = "run scripts/setup.sh again"


def find_problems(kind: str) -> Iterator[str]:
    """Looks for what would stop a run.

    Args:
        kind: "cpu" or "gpu".

    Yields:
        One sentence for each thing that is missing; those after a failed import would only repeat it.
    """
    imports = [problem for name in ("torch", "ray", "verl", "vllm.v1.engine.async_llm") for problem in _import(name)]
    if imports:
        yield from imports
        return
    version = importlib.metadata.version("verl")
    if version != VERL:
        yield f"verl {VERL} is needed, but {version} is installed; {AGAIN}."
    plugins = [problem for group, names in PLUGINS.items() for name in names for problem in _load(group, name)]
    yield from plugins or _registrations(kind)


def _import(name: str) -> Iterator[str]:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 -- a broken extension may raise anything, and it becomes the sentence
        yield f"`import {name}` fails ({_words(error)}); {AGAIN}."


def _load(group: str, name: str) -> Iterator[str]:
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


def _registrations(kind: str) -> Iterator[str]:
    from verl.experimental.reward_loop.reward_manager.registry import REWARD_MANAGER
    from verl.plugin.platform import PlatformRegistry
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY

    if "dipo" not in ADV_ESTIMATOR_REGISTRY:
        yield "verl does not know the advantage estimator `dipo`, though groupwise.hook.register was imported."
    if "groupwise" not in REWARD_MANAGER:
        yield "verl does not know the reward manager `groupwise`, though groupwise.hook.register was imported."
    if kind == "cpu" and PlatformRegistry.get("cpu") is None:
        yield (
            "verl does not know the platform `cpu`, though verl_cpu was imported: it leaves verl alone where a GPU is "
            "present; set VERL_PLATFORM=cpu, or set up with `bash scripts/setup.sh gpu`."
        )


def _words(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def main() -> None:
    """Prints the problems, one a line, and leaves with 1 when there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", nargs="?", choices=["cpu", "gpu"], default="cpu")
    problems = list(find_problems(parser.parse_args().kind))
    for problem in problems:
        print(f"check: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
