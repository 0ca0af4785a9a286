"""How far arms are apart in validation: at the last validation that all have, in the best one, and over all of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from groupwise.report.arms import Arm
from groupwise.report.derived import MEAN_OF_SETS
from groupwise.report.statistics import Difference, difference, mean_level, paired_difference
from groupwise.report.validation_names import MAIN, find_figures

MEAN_OF_ALL = "mean of the sets"


class Level(NamedTuple):
    """A validation figure of an arm, mean over its seeds, in the unit of the figure (accuracy: fraction in [0, 1]).

    Attributes:
        first_step: First step at which all seeds were validated.
        first: Value there.
        last_step: Last such step.
        last: Value there.
        best_step: Step of the highest value of the mean.
        best: That value.
    """

    first_step: int
    first: float
    last_step: int
    last: float
    best_step: int
    best: float


class Compared(NamedTuple):
    """An arm against the baseline, in one validation figure.

    Attributes:
        step: Last step at which all runs of both were validated.
        last: Difference there.
        best: Difference of each run's best value, over the validations that both have.
        level: Difference of the mean level over these validations, by the trapezoid rule.
    """

    step: int
    last: Difference
    best: Difference
    level: Difference


def validation_sets(arms: Sequence[Arm]) -> dict[str, dict[str, str]]:
    """Lists validation sets and their figures.

    Args:
        arms: All arms.

    Returns:
        For each source, by the name of the figure its metric, over all runs; last, where there are several sets, their
        mean.
    """
    names = dict.fromkeys(name for arm in arms for run in arm.runs for name in run.metrics.values)
    prefix = f"{MEAN_OF_SETS}/"
    mean = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    return {**find_figures(names), **({MEAN_OF_ALL: mean} if mean else {})}


def main_set(sets: dict[str, dict[str, str]]) -> tuple[str, str] | None:
    """Picks the set that sentences are about, the mean of the sets where there are several.

    Args:
        sets: What `validation_sets` gave.

    Returns:
        Its name and its metric; None where nothing was validated.
    """
    having = [(source, named[MAIN]) for source, named in sets.items() if MAIN in named]
    return having[-1] if having else None


def level_of(arm: Arm, metric: str) -> Level | None:
    """Reads a validation figure of an arm.

    Args:
        arm: The arm.
        metric: The figure's metric.

    Returns:
        Its level; None where no step was validated by all of the arm's seeds.
    """
    runs = [run.metrics.at(metric) for run in arm.runs]
    steps = sorted(set.intersection(*map(set, runs)))
    if not steps:
        return None
    means = [sum(run[step] for run in runs) / len(runs) for step in steps]
    best = max(range(len(steps)), key=lambda place: means[place])
    return Level(steps[0], means[0], steps[-1], means[-1], steps[best], means[best])


def compare(arm: Arm, baseline: Arm, metric: str) -> Compared | None:
    """Compares two arms.

    Args:
        arm: The one.
        baseline: The other; positive differences are in favour of the first.
        metric: A validation figure.

    Returns:
        The differences; None where no step was validated by all runs of both.
    """
    ours, theirs = ([run.metrics.at(metric) for run in side.runs] for side in (arm, baseline))
    steps = sorted(set.intersection(*map(set, [*ours, *theirs])))
    if not steps:
        return None

    def differ(figure: Callable[[dict[int, float]], float]) -> Difference:
        a, b = ([figure(run) for run in side] for side in (ours, theirs))
        if arm.seeds and baseline.seeds and set(arm.seeds) == set(baseline.seeds):
            return paired_difference(dict(zip(arm.seeds, a, strict=True)), dict(zip(baseline.seeds, b, strict=True)))
        return difference(a, b)

    return Compared(
        steps[-1],
        last=differ(lambda run: run[steps[-1]]),
        best=differ(lambda run: max(run[step] for step in steps)),
        level=differ(lambda run: mean_level(steps, [run[step] for step in steps])),
    )


def pick_baseline(arms: Sequence[Arm], label: str | None) -> Arm | None:
    """Picks the arm that the others are compared with.

    Args:
        arms: All arms.
        label: What the user named; None leaves the choice to the estimators.

    Returns:
        The named arm, else the first one trained with GRPO, else DAPO, else the first; None where there is only one.
    """
    if len(arms) < 2:
        return None
    named = [arm for arm in arms if arm.label == label]
    grpo = sorted((arm for arm in arms if arm.estimator == "grpo"), key=lambda arm: arm.label.startswith("dapo"))
    return next(iter([*named, *grpo, *arms]))
