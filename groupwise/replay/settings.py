"""The settings of a replay: those given, completed by the run's own, or by the method's defaults."""

from typing import Any, Final, NamedTuple

from groupwise.dumps.reader import Dump
from groupwise.errors import GroupwiseError
from groupwise.method import METHODS, Method, build

METHOD: Final = "dipo"
"""The method that is replayed."""


class Chosen(NamedTuple):
    """Settings of a replay.

    Attributes:
        settings: Those of the method.
        normalize_by_std: Whether the base estimator divides by the group's standard deviation.
        updates_per_step: How many times advantages are computed in a step.
        source: Where what was not given on the command line comes from.
        is_the_runs: Whether all of it is what the run itself decided with.
    """

    settings: dict[str, Any]
    normalize_by_std: bool
    updates_per_step: int
    source: str
    is_the_runs: bool

    def as_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return {**self.settings, "normalize_by_std": self.normalize_by_std}

    def method(self) -> Method:
        """Builds the method, without a history."""
        return build(
            METHOD,
            self.settings,
            normalize_by_std=self.normalize_by_std,
            updates_per_step=self.updates_per_step,
        )


def settings_of_run(decided: dict[str, Any]) -> dict[str, Any] | None:
    """Takes from what a dump holds what `Chosen.as_dict` gives; None where the run did not compute the method."""
    settings = decided["methods"].get(METHOD)
    return None if settings is None else {**settings, "normalize_by_std": decided["normalize_by_std"]}


def choose(first: Dump, given: dict[str, Any]) -> Chosen:
    """Completes the settings that were given by those of the run, or by the method's defaults.

    Args:
        first: The first dump.
        given: Settings of the method that were given, and `normalize_by_std`.

    Returns:
        The settings.

    Raises:
        GroupwiseError: A value is out of its range.
    """
    known = None if first.decided is None else settings_of_run(first.decided)
    defaults = {**METHODS[METHOD].defaults(), "normalize_by_std": True}
    merged = (known or defaults) | given
    normalize_by_std = merged.pop("normalize_by_std")
    updates = 1 if first.decided is None else first.decided["updates_per_step"]
    source = "the run" if known else "this recipe's defaults"
    chosen = Chosen(merged, normalize_by_std, updates, source, is_the_runs=False)
    try:
        chosen.method()
    except ValueError as error:
        raise GroupwiseError(str(error)) from None
    return chosen._replace(is_the_runs=known is not None and chosen.as_dict() == known)
