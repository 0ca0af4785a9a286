"""What the runs show, in numbers. Everything that a variant's runs did not log is None."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from groupwise.display import Display, Found
from groupwise.method import display_of
from groupwise.report.columns import CUT_OFF, STEP, UNJUDGED, Columns
from groupwise.report.comparison import SetResult, compare_sets, pick_baseline
from groupwise.report.variants import Variant

ENDS = 0.05
"""Share of a run's steps that its beginning and its end are the mean of; single steps are noise."""


class Ends(NamedTuple):
    """A metric at both ends of a run: its mean over the first and over the last twentieth of the steps that have it."""

    first: float
    last: float


class Findings(NamedTuple):
    """A variant in numbers, each the mean over its seeds of a figure of the run. Shares are in [0, 1]."""

    label: str
    estimator: str | None  # `algorithm.adv_estimator`; None where nothing says it
    seeds: int
    steps: int  # last training step of the shortest run
    without_gradient: float | None  # share of responses without an advantage under the base estimator, mean over steps
    methods: dict[str, Found]  # what each method did that was computed, by its name
    entropy: Ends | None  # of the policy, nats a token
    length: Ends | None  # mean length of responses, tokens
    cut_off: Ends | None  # share of responses at the length limit
    seconds: float | None  # median time of a step
    unjudged: float | None  # share of responses that could not be judged, mean over steps
    peak_memory: float | None  # bytes of all processes of a run together


class Results(NamedTuple):
    """What the runs show."""

    variants: list[Variant]  # all variants, the baseline first
    baseline: int | None  # place of the variant that the others are compared with; None where there is only one
    findings: list[Findings]  # what each variant did
    displays: list[Display]  # what people see of each method that any of them computed
    sets: list[SetResult]  # the validation sets, the mean of all last

    @property
    def main(self) -> SetResult | None:
        """The set that sentences are about, the mean where there are several; None where nothing was validated."""
        return self.sets[-1] if self.sets else None


def find_results(variants: Sequence[Variant], *, baseline: str | None) -> Results:
    """Computes what the runs show; `baseline` is the label of the variant to compare with, None leaves the choice."""
    against = pick_baseline(variants, baseline)
    variants = sorted(variants, key=lambda variant: variant is not against)
    return Results(
        variants=variants,
        baseline=None if against is None else variants.index(against),
        findings=[find(variant) for variant in variants],
        displays=[display_of(name) for name in dict.fromkeys(name for one in variants for name in one.methods)],
        sets=compare_sets(variants, against),
    )


class RunsLog:
    """The metrics of some runs, as displays read them: see `groupwise.display.Log`."""

    def __init__(self, runs: Sequence[Columns]) -> None:
        self.runs = runs

    def over(self, metric: str, figure: Callable[[np.ndarray], Any]) -> float | None:
        """The mean over runs of a figure of the metric's values."""
        values = [run.logged(metric) for run in self.runs]
        return float(np.mean([figure(x) for x in values])) if all(map(len, values)) else None

    def mean(self, metric: str) -> float | None:
        return self.over(metric, np.mean)

    def total(self, metric: str) -> float | None:
        return self.over(metric, np.sum)

    def steps(self, metric: str) -> float:
        return float(np.mean([len(run.logged(metric)) for run in self.runs]))

    def active(self, *metrics: str) -> float | None:
        sums = [np.sum([run.of(metric) for metric in metrics], axis=0) for run in self.runs]
        known = [values[~np.isnan(values)] for values in sums]
        return float(np.mean([(values > 0).mean() for values in known])) if all(map(len, known)) else None

    def ends(self, metric: str) -> Ends | None:
        """Both ends of the metric's curve."""

        def part(values: np.ndarray) -> int:
            return max(1, round(ENDS * len(values)))

        first = self.over(metric, lambda values: values[: part(values)].mean())
        last = self.over(metric, lambda values: values[-part(values) :].mean())
        return None if first is None or last is None else Ends(first, last)


def find(variant: Variant) -> Findings:
    """Puts a variant into numbers."""
    log, seeds = RunsLog([run.metrics for run in variant.runs]), len(variant.runs)
    methods = {
        name: Found(
            variant.label,
            None if variant.estimator is None else variant.estimator == name,
            seeds,
            display_of(name).numbers(log),
        )
        for name in variant.methods
    }
    memory = [run.peak_memory for run in variant.runs if run.peak_memory is not None]
    return Findings(
        label=variant.label,
        estimator=variant.estimator,
        seeds=seeds,
        steps=min(int(run.steps[run.trained].max(initial=0)) for run in log.runs),
        without_gradient=next((found.numbers["without_gradient"] for found in methods.values()), None),
        methods=methods,
        entropy=log.ends("actor/entropy"),
        length=log.ends("response_length/mean"),
        cut_off=log.ends(CUT_OFF),
        seconds=log.over(STEP, np.median),
        unjudged=log.mean(UNJUDGED),
        peak_memory=float(np.mean(memory)) if len(memory) == seeds else None,
    )
