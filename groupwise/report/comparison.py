"""How far variants are apart in validation: at the last validation that all have, in the best one, and over all."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from groupwise.report.columns import MEAN_OF_SETS
from groupwise.report.statistics import Difference, difference, mean_level
from groupwise.report.validation_names import MAIN, find_figures, interval_of
from groupwise.report.variants import Variant

MEAN_OF_ALL = "mean of the sets"


class Level(NamedTuple):
    """A validation figure of a variant, mean over its seeds, in its unit (accuracy: fraction in [0, 1])."""

    first_step: int  # first step at which all seeds were validated
    first: float
    last_step: int  # last such step
    last: float  # value there
    best_step: int  # step of the highest value of the mean
    best: float


class Compared(NamedTuple):
    """A variant against the baseline, in one validation figure."""

    step: int  # last step at which all runs of both were validated
    last: Difference  # difference there
    best: Difference  # difference of each run's best value, over the validations that both have
    level: Difference  # difference of the mean level over these validations, by the trapezoid rule


class SetResult(NamedTuple):
    """A validation set, in the figure mean@k for the largest k."""

    source: str  # the data source, or the mean of all
    metric: str
    levels: list[Level | None]  # for each variant; None where it was not validated on the set
    compared: list[Compared | None]  # each against the baseline; None for that one, and without a common step
    over_prompts: list[tuple[float, float] | None]  # of one seed: the interval logged last


def validation_sets(variants: Sequence[Variant]) -> dict[str, dict[str, str]]:
    """Lists validation sets, and of each by the name of a figure its metric, over all runs; last, where there are
    several sets, their mean."""
    names = dict.fromkeys(name for variant in variants for run in variant.runs for name in run.metrics.values)
    prefix = f"{MEAN_OF_SETS}/"
    mean = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    return {**find_figures(names), **({MEAN_OF_ALL: mean} if mean else {})}


def level_of(variant: Variant, metric: str) -> Level | None:
    """Reads a validation figure of a variant; None where no step was validated by all of its seeds."""
    runs = [run.metrics.at(metric) for run in variant.runs]
    steps = sorted(set.intersection(*map(set, runs)))
    if not steps:
        return None
    means = {step: sum(run[step] for run in runs) / len(runs) for step in steps}
    best = max(steps, key=lambda step: means[step])
    return Level(steps[0], means[steps[0]], steps[-1], means[steps[-1]], best, means[best])


def compare(variant: Variant, baseline: Variant, metric: str) -> Compared | None:
    """Compares a validation figure of two variants; None where no step was validated by all runs of both."""
    ours, theirs = ([run.metrics.at(metric) for run in side.runs] for side in (variant, baseline))
    steps = sorted(set.intersection(*map(set, [*ours, *theirs])))
    if not steps:
        return None
    is_paired = bool(variant.seeds and baseline.seeds) and set(variant.seeds or ()) == set(baseline.seeds or ())
    if is_paired:
        by_seed = dict(zip(baseline.seeds or (), theirs, strict=True))
        theirs = [by_seed[seed] for seed in variant.seeds or ()]

    def differ(figure: Callable[[Mapping[int, float]], float]) -> Difference:
        return difference(list(map(figure, ours)), list(map(figure, theirs)), is_paired=is_paired)

    return Compared(
        steps[-1],
        last=differ(lambda run: run[steps[-1]]),
        best=differ(lambda run: max(run[step] for step in steps)),
        level=differ(lambda run: mean_level(steps, [run[step] for step in steps])),
    )


def pick_baseline(variants: Sequence[Variant], label: str | None) -> Variant | None:
    """Picks the variant that the others are compared with; None where there is only one.

    It is the one that the user named, else the first one trained with GRPO, else DAPO, else the first.
    """
    if len(variants) < 2:
        return None
    named = [variant for variant in variants if variant.label == label]
    grpo = [variant for variant in variants if variant.estimator == "grpo"]
    return next(iter([*named, *sorted(grpo, key=lambda one: one.label.startswith("dapo")), *variants]))


def compare_sets(variants: Sequence[Variant], baseline: Variant | None) -> list[SetResult]:
    """Compares variants on each validation set, the mean of all last."""
    sets = validation_sets(variants).items()
    return [_set(source, figures[MAIN], variants, baseline) for source, figures in sets if MAIN in figures]


def _set(source: str, metric: str, variants: Sequence[Variant], baseline: Variant | None) -> SetResult:
    levels = [level_of(variant, metric) for variant in variants]
    others = [None if variant is baseline else variant for variant in variants]
    return SetResult(
        source,
        metric,
        levels,
        [None if baseline is None or other is None else compare(other, baseline, metric) for other in others],
        [_over_prompts(variant, metric, level) for variant, level in zip(variants, levels, strict=True)],
    )


def _over_prompts(variant: Variant, metric: str, level: Level | None) -> tuple[float, float] | None:
    if len(variant.runs) > 1 or level is None:
        return None
    low, high = (variant.runs[0].metrics.at(name) for name in interval_of(metric))
    at = level.last_step
    return (low[at], high[at]) if at in low and at in high else None
