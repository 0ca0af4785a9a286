"""What the validation sets say of each arm: the material of the table and of the sentences."""

from collections.abc import Sequence
from typing import NamedTuple

from groupwise.report.arms import Arm
from groupwise.report.comparison import (
    Compared,
    Level,
    compare,
    level_of,
    main_set,
    pick_baseline,
    validation_sets,
)
from groupwise.report.findings import Findings, find
from groupwise.report.validation_names import MAIN, interval_of


class SetResult(NamedTuple):
    """A validation set.

    Attributes:
        source: The data source, or the mean of all.
        metric: The figure, mean@k for the largest k.
        levels: For each arm; None where it was not validated on the set.
        compared: For each arm against the baseline; None for the baseline itself, and where there is no common step.
        over_prompts: For each arm of one seed the interval over prompts at its last validation, as it was logged.
    """

    source: str
    metric: str
    levels: list[Level | None]
    compared: list[Compared | None]
    over_prompts: list[tuple[float, float] | None]


class Results(NamedTuple):
    """What the runs show.

    Attributes:
        arms: All arms, the baseline first.
        baseline: Place of the arm that the others are compared with; None where there is only one.
        findings: What each arm did.
        sets: The validation sets, the mean of all last.
        main: Place of the set that sentences are about; None where nothing was validated.
    """

    arms: list[Arm]
    baseline: int | None
    findings: list[Findings]
    sets: list[SetResult]
    main: int | None


def find_results(arms: Sequence[Arm], *, baseline: str | None) -> Results:
    """Computes what the runs show.

    Args:
        arms: All arms.
        baseline: Label of the arm to compare with; None leaves the choice to the estimators.

    Returns:
        The results.
    """
    against = pick_baseline(arms, baseline)
    arms = sorted(arms, key=lambda arm: arm is not against)
    named = validation_sets(arms)
    sets = [_set(source, figures[MAIN], arms, against) for source, figures in named.items() if MAIN in figures]
    chosen = main_set(named)
    return Results(
        arms=arms,
        baseline=None if against is None else arms.index(against),
        findings=[find(arm) for arm in arms],
        sets=sets,
        main=None if chosen is None else [result.source for result in sets].index(chosen[0]),
    )


def _set(source: str, metric: str, arms: Sequence[Arm], baseline: Arm | None) -> SetResult:
    levels = [level_of(arm, metric) for arm in arms]
    return SetResult(
        source,
        metric,
        levels,
        [None if baseline is None or arm is baseline else compare(arm, baseline, metric) for arm in arms],
        [_over_prompts(arm, metric, level) for arm, level in zip(arms, levels, strict=True)],
    )


def _over_prompts(arm: Arm, metric: str, level: Level | None) -> tuple[float, float] | None:
    if len(arm.runs) > 1 or level is None:
        return None
    low, high = (arm.runs[0].metrics.at(name) for name in interval_of(metric))
    at = level.last_step
    return (low[at], high[at]) if at in low and at in high else None
