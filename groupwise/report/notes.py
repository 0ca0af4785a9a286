"""How the page was made, in sentences: what a point is, what a band is, what was left out."""

from collections.abc import Iterator, Sequence

from groupwise.report.arms import Arm, differing_keys
from groupwise.report.results import Results
from groupwise.report.store import ArmCurves
from groupwise.report.wording import seeds


def notes(results: Results, curves: Sequence[ArmCurves]) -> list[str]:
    """Says how the page was made.

    Args:
        results: What the runs show.
        curves: The curves of each arm.

    Returns:
        The sentences.
    """
    return [
        *_points(curves),
        *_seeds(results.arms, curves),
        *_arms(results.arms),
        *(f"{run.path}: {note}" for arm in results.arms for run in arm.runs for note in run.notes),
    ]


def _points(curves: Sequence[ArmCurves]) -> Iterator[str]:
    width = max((grid.width for arm in curves for grid in arm.grids), default=1)
    if width > 1:
        yield (
            f"Long runs are drawn in buckets: a point is the mean of up to {width} steps, of those that logged the "
            "metric; counts are therefore counts a step. The table and the sentences are of all steps."
        )
    yield (
        "Smoothing is an exponential mean, corrected at its beginning as tensorboard's; ends of bands are smoothed "
        "alike, and the unsmoothed curve stays behind, faint."
    )
    yield (
        "First and last values of entropy and length are means of the first and the last 5% of the steps. Hours add up "
        "the logged time of steps and validations; the time of restarts is not in them."
    )


def _seeds(arms: Sequence[Arm], curves: Sequence[ArmCurves]) -> Iterator[str]:
    if all(len(arm.runs) == 1 for arm in arms):
        yield "Every arm has one seed: nothing on this page says how much seeds differ."
        return
    yield (
        "Intervals over seeds are 95% intervals of Student's t, at steps that all seeds of the arm have; differences "
        "are paired where both arms have the same seeds, else Welch's. They are not adjusted for their number."
    )
    yield (
        "What exists only under a condition, such as τ* or the perplexity of right responses, is the mean over the "
        "seeds that have it in a step, with a band where all have it."
    )
    for arm, drawn in zip(arms, curves, strict=True):
        if drawn.shared < drawn.most:
            count = seeds(len(arm.runs))
            yield f"{arm.label}: all {count} have {drawn.shared:,} of up to {drawn.most:,} training steps."


def _arms(arms: Sequence[Arm]) -> Iterator[str]:
    differing = differing_keys(arms)
    if differing:
        yield f"Arms differ in more than the estimator and its settings: {'; '.join(differing)}."
    for arm in arms:
        yield f"{arm.label}: {', '.join(str(run.path) for run in arm.runs)}."
