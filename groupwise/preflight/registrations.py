"""Whether verl has in this process what the recipe registers."""

from collections.abc import Iterator

from groupwise.launch.cluster import inspect_registrations
from groupwise.names import PLUGIN


def find_faults() -> Iterator[str]:
    """Looks for the estimator and the reward manager in verl's registries.

    Yields:
        A sentence where one is missing.
    """
    found = inspect_registrations()
    if found["installed"] is None:
        yield "The project must be installed, not only lie in the folder; run bash scripts/setup.sh."
    missing = [name for name in ("estimator", "reward manager") if not found[name]]
    if missing:
        yield (
            f"verl's plug-ins must include `{PLUGIN}`, but its {' and '.join(missing)} did not register; "
            "set VERL_LOGGING_LEVEL=DEBUG to see why, or run bash scripts/setup.sh again."
        )
