"""Intervals over seeds: Student's t, for that is what a handful of seeds supports.

An interval needs two seeds; one seed has none, whatever its prompts say. Chosen here: 95% throughout, not adjusted for
the number of comparisons; seeds are paired where two variants have the same ones, which takes out what a seed does to
both (the order of the data), and Welch's interval is taken where they have not.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class Difference(NamedTuple):
    """How far one variant is above another."""

    value: float  # difference of the means
    low: float | None  # lower end of its interval; None without one
    high: float | None  # upper end; None likewise
    method: str  # `paired`, `welch`, or `one seed` where there is no interval
    seeds: tuple[int, int]  # runs of the one variant and of the other that took part


def mean_and_band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives mean and interval over seeds at each of P points, from (R, P) values, a row a seed, NaN where it has none.

    Returns:
        (P,) mean over the seeds that have a value, NaN where none has, and (P,) lower and upper ends, NaN unless all of
        at least two seeds have one.
    """
    count = (~np.isnan(values)).sum(axis=0)
    mean = np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
    half = np.full(values.shape[1], np.nan)
    if len(values) > 1:
        # A second to import, which a report on single seeds need not pay.
        from scipy import stats

        half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values, axis=0)
    return mean, mean - half, mean + half


def difference(a: Sequence[float], b: Sequence[float], *, is_paired: bool) -> Difference:
    """Compares the means of two variants, `mean(a) - mean(b)`: by Welch, or paired where a place is one seed in both.

    Raises:
        ValueError: One of them is empty, or paired ones have different numbers of seeds.
    """
    if not a or not b or (is_paired and len(a) != len(b)):
        raise ValueError(f"Variants must have values, and paired ones as many, but got {len(a)} and {len(b)}.")
    value = float(np.mean(np.subtract(a, b)) if is_paired else np.mean(a) - np.mean(b))
    seeds, method = (len(a), len(b)), "paired" if is_paired else "welch"
    if min(seeds) < 2:
        return Difference(value, None, None, "one seed", seeds)
    spread = np.ptp(np.subtract(a, b)) if is_paired else max(np.ptp(a), np.ptp(b))
    # Nothing but rounding: scipy would divide it by itself.
    if spread <= 1e-12 * max(1.0, np.abs([*a, *b]).max()):
        return Difference(value, value, value, method, seeds)
    from scipy import stats

    with warnings.catch_warnings():
        # Of one variant whose seeds are all alike, beside another whose are not.
        warnings.simplefilter("ignore", RuntimeWarning)
        test = stats.ttest_rel(a, b) if is_paired else stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval(CONFIDENCE)
    return Difference(value, float(low), float(high), method, seeds)


def mean_level(steps: Sequence[float], values: Sequence[float]) -> float:
    """Gives the area under a curve over the length of its axis: its mean level, by the trapezoid rule."""
    return float(np.trapezoid(values, steps) / (steps[-1] - steps[0])) if len(steps) > 1 else float(values[0])
