"""The names that verl knows the framework by; cheap to import."""

from importlib.metadata import Distribution, entry_points
from typing import Final

PLUGIN: Final = "groupwise"
"""Our entry point of the group `verl.plugins`."""

REWARD_MANAGER: Final = "groupwise"
"""The value of reward.reward_manager.name."""


def distribution() -> Distribution | None:
    """What the framework was installed with; None where it only lies in a folder."""
    return next((point.dist for point in entry_points(group="verl.plugins", name=PLUGIN)), None)
