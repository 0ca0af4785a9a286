"""The figures of a page: each metric of each variant as a curve of bounded length.

A run of 20,000 steps is drawn on some 900 pixels. Steps are put into buckets of equal width, and a bucket shows the
mean over its steps that have the metric; totals thereby become totals a step. Up to `points` steps nothing is averaged.

Over seeds, a step counts where all seeds of the variant have logged it. Metrics that exist only under a condition (a
threshold where one was found, a perplexity where something was right) are averaged over the seeds that have them there.
"""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd

from groupwise.method import display_of
from groupwise.report.columns import HOURS, Columns
from groupwise.report.statistics import mean_and_band
from groupwise.report.variants import Variant

MOST_POINTS = 500
FEWEST_POINTS = 60
BUDGET = 320_000
"""Numbers of a page, some 7 bytes each."""


class Curve(NamedTuple):
    """A metric of a variant, P points."""

    grid: int  # which of the variant's grids its points lie on
    mean: np.ndarray  # (P,) mean over seeds, NaN where there is none
    low: np.ndarray | None  # (P,) end of the 95% interval over seeds, NaN without one; None where there is one seed
    high: np.ndarray | None


class Grid(NamedTuple):
    """Where points lie."""

    steps: np.ndarray  # (P,) training steps; the mean of those in a bucket
    hours: np.ndarray | None  # (P,) hours since the run's first step, mean over seeds; None where steps were not timed
    width: int  # steps that a point is the mean of


class VariantCurves(NamedTuple):
    """All curves of a variant."""

    label: str
    grids: list[Grid]  # where its curves' points lie
    curves: dict[str, Curve]  # by metric
    shared: int  # training steps that all of its seeds have logged
    most: int  # training steps that any of them has logged


def points_for(variants: Sequence[Variant]) -> int:
    """Chooses how many points a curve may have, so that all curves of a page stay within its budget."""
    curves = sum(
        (3 if len(one.runs) > 1 else 1) * len({name for run in one.runs for name in run.metrics.values})
        for one in variants
    )
    return max(FEWEST_POINTS, min(MOST_POINTS, BUDGET // max(curves, 1)))


def draw_curves(variant: Variant, *, points: int) -> VariantCurves:
    """Puts a variant's metrics into curves of at most `points` points."""
    runs = [run.metrics for run in variant.runs]
    trained = [run.steps[run.trained] for run in runs]
    shared = _common(trained)
    shown = {name for run in variant.runs for name in run.methods}
    displays = [display_of(name) for name in shown]
    conditional = tuple(display.full(prefix) for display in displays for prefix in display.conditional)
    grids: list[Grid] = []
    known: dict[bytes, int] = {}
    curves: dict[str, Curve] = {}
    for name in dict.fromkeys(name for run in runs for name in run.values):
        logged = [run.steps[~np.isnan(run.of(name))] for run in runs]
        steps = shared if name.startswith(conditional) else _common(logged)
        if not len(steps):
            continue
        rows = np.stack([run.of(name)[np.searchsorted(run.steps, steps)] for run in runs])
        if np.isnan(rows).all():
            continue
        key = steps.tobytes()
        if key not in known:
            known[key] = len(grids)
            grids.append(_grid(runs, steps, points))
        mean, low, high = mean_and_band(_in_buckets(rows, steps, points))
        curves[name] = Curve(known[key], mean, *((low, high) if len(runs) > 1 else (None, None)))
    return VariantCurves(variant.label, grids, curves, len(shared), max(map(len, trained)))


def numbers(values: np.ndarray) -> list[float | None]:
    """Rounds to five significant digits, as the page and pictures show them; NaN becomes None."""
    return [float(f"{value:.5g}") if value == value else None for value in values.tolist()]


def _common(steps: Sequence[np.ndarray]) -> np.ndarray:
    return reduce(lambda one, other: np.intersect1d(one, other, assume_unique=True), steps)


def _in_buckets(rows: np.ndarray, steps: np.ndarray, points: int) -> np.ndarray:
    """(R, K) values of K steps as (R, P) means of buckets, NaN where a bucket has no value."""
    if len(steps) <= points:
        return rows
    width = (steps[-1] - steps[0] + 1) / points
    bucket = ((steps - steps[0]) / width).astype(np.int64)
    return pd.DataFrame(rows.T).groupby(bucket).mean().to_numpy().T


def _grid(runs: Sequence[Columns], steps: np.ndarray, points: int) -> Grid:
    hours = np.stack([run.of(HOURS)[np.searchsorted(run.steps, steps)] for run in runs])
    places = _in_buckets(steps[None].astype(np.float64), steps, points)[0]
    timed = not np.isnan(hours).any()
    width = -(-len(steps) // len(places))
    return Grid(places, _in_buckets(hours, steps, points).mean(axis=0) if timed else None, width)
