"""What an arm did, in numbers. Everything that its runs did not log is None."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from groupwise.report.arms import Arm
from groupwise.report.columns import Columns
from groupwise.report.derived import CUT_OFF, STEP, UNJUDGED

RULES = {"any": "any", "median": "median", "mean": "mean", "peak": "max"}
"""Names of the `group_perplexity` rules in metrics, and their own (recipe/dipo/metrics.py says why they differ)."""

ENDS = 0.05
"""Share of a run's steps that its beginning and its end are the mean of; single steps are noise."""


class Ends(NamedTuple):
    """A metric at both ends of a run.

    Attributes:
        first: Mean over the first steps that logged it, a twentieth of them.
        last: Mean over as many last ones.
    """

    first: float
    last: float


class Findings(NamedTuple):
    """An arm in numbers, each the mean over its seeds of a figure of the run. Shares are in [0, 1].

    Attributes:
        label: The arm.
        estimator: `algorithm.adv_estimator`; None where nothing says it.
        seeds: Runs.
        steps: Last training step of the shortest run.
        hard: Share of groups with all responses wrong, mean over steps.
        easy: Share of groups with all responses right.
        without_gradient: Share of responses without an advantage under the base estimator, mean over steps.
        with_reallocation: The same with DiPO's reallocation, whether it was applied or observed.
        admissible: Share of steps with an admissible threshold.
        something_right: Share of the steps that logged a threshold's admissibility in which a response was right.
        up: Hard groups that were, or in an observed run would have been, reallocated.
        down: Easy groups likewise.
        acted: Share of steps with any such group.
        would: Groups that each rule would have reallocated.
        entropy: Of the policy, nats a token.
        length: Mean length of responses, tokens.
        cut_off: Share of responses at the length limit.
        seconds: Median time of a step.
        unjudged: Share of responses that could not be judged, mean over steps.
    """

    label: str
    estimator: str | None
    seeds: int
    steps: int
    hard: float | None
    easy: float | None
    without_gradient: float | None
    with_reallocation: float | None
    admissible: float | None
    something_right: float | None
    up: float | None
    down: float | None
    acted: float | None
    would: dict[str, float] | None
    entropy: Ends | None
    length: Ends | None
    cut_off: Ends | None
    seconds: float | None
    unjudged: float | None

    @property
    def applied(self) -> bool | None:
        """Whether the arm trained with reallocated rewards; None where nothing says it."""
        return None if self.estimator is None else self.estimator == "dipo"

    @property
    def given_gradient(self) -> float | None:
        """Share of the responses without a gradient that reallocation gave one; None where all had one."""
        if self.without_gradient is None or self.with_reallocation is None or self.without_gradient <= 0:
            return None
        return (self.without_gradient - self.with_reallocation) / self.without_gradient


def find(arm: Arm) -> Findings:
    """Puts an arm into numbers.

    Args:
        arm: The arm.

    Returns:
        The numbers.
    """
    runs = [run.metrics for run in arm.runs]

    def over(metric: str, figure: Callable[[np.ndarray], float]) -> float | None:
        values = [run.logged(metric) for run in runs]
        return float(np.mean([figure(x) for x in values])) if all(map(len, values)) else None

    def mean(metric: str) -> float | None:
        return over(metric, np.mean)

    def silent(metric: str) -> float | None:
        return over(metric, lambda share: 1 - float(np.mean(share)))

    would = {rule: over(f"dipo/would_reallocate_total/{name}", np.sum) for name, rule in RULES.items()}
    return Findings(
        label=arm.label,
        estimator=arm.estimator,
        seeds=len(runs),
        steps=min(int(run.steps[run.trained].max(initial=0)) for run in runs),
        hard=mean("dipo/group_share/hard"),
        easy=mean("dipo/group_share/easy"),
        without_gradient=silent("dipo/gradient_share/grpo"),
        with_reallocation=silent("dipo/gradient_share/dipo"),
        admissible=mean("dipo/threshold/admissible"),
        something_right=_mean_of(runs, _something_right),
        up=over("dipo/reallocated_total/up", np.sum),
        down=over("dipo/reallocated_total/down", np.sum),
        acted=_mean_of(runs, _acted),
        would=None if None in would.values() else {rule: count for rule, count in would.items() if count is not None},
        entropy=_ends(runs, "actor/entropy"),
        length=_ends(runs, "response_length/mean"),
        cut_off=_ends(runs, CUT_OFF),
        seconds=over(STEP, np.median),
        unjudged=mean(UNJUDGED),
    )


def _mean_of(runs: list[Columns], figure: Callable[[Columns], float | None]) -> float | None:
    values = [figure(run) for run in runs]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _something_right(run: Columns) -> float | None:
    tried = len(run.logged("dipo/threshold/admissible"))
    return len(run.logged("dipo/perplexity/correct")) / tried if tried else None


def _acted(run: Columns) -> float | None:
    touched = run.of("dipo/reallocated_total/up") + run.of("dipo/reallocated_total/down")
    known = touched[~np.isnan(touched)]
    return float((known > 0).mean()) if len(known) else None


def _ends(runs: list[Columns], metric: str) -> Ends | None:
    values = [run.logged(metric) for run in runs]
    if not all(map(len, values)):
        return None
    counts = [max(1, round(ENDS * len(x))) for x in values]
    return Ends(
        float(np.mean([x[:count].mean() for x, count in zip(values, counts, strict=True)])),
        float(np.mean([x[-count:].mean() for x, count in zip(values, counts, strict=True)])),
    )
