"""Intervals over seeds: Student's t, for that is what a handful of seeds supports.

An interval needs two seeds; one seed has none, whatever its prompts say. Chosen here: 95% throughout, not adjusted for
the number of comparisons; seeds are paired where two arms have the same ones, which takes out what a seed does to both
(the order of the data), and Welch's interval is taken where they have not.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class Difference(NamedTuple):
    """How much one arm is above another.

    Attributes:
        value: Difference of the means.
        low: Lower end of its interval; None without one.
        high: Upper end; None likewise.
        method: `paired`, `welch`, or `one seed` where there is no interval.
        seeds: Runs of the one arm and of the other that took part.
    """

    value: float
    low: float | None
    high: float | None
    method: str
    seeds: tuple[int, int]


def t_quantile(freedom: np.ndarray | float, *, confidence: float = CONFIDENCE) -> np.ndarray | float:
    """Gives the two-sided quantile of Student's t.

    Args:
        freedom: Degrees of freedom, above 0.
        confidence: Level, in (0, 1).

    Returns:
        The quantile, of the same shape.
    """
    # A sixth of a second to import, which a report on single seeds need not pay.
    from scipy.special import stdtrit

    return stdtrit(freedom, (1 + confidence) / 2)


def mean_and_band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives mean and interval over seeds at each of P points.

    Args:
        values: (R, P) a row a seed, NaN where it has no value.

    Returns:
        (P,) mean over the seeds that have a value, NaN where none has, and (P,) lower and upper ends, NaN unless all of
        at least two seeds have one.
    """
    seeds = len(values)
    has = ~np.isnan(values)
    count = has.sum(axis=0)
    mean = np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
    if seeds < 2:
        none = np.full(values.shape[1], np.nan)
        return mean, none, none
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(((values - mean) ** 2).sum(axis=0) / (seeds - 1) / seeds)
    half = np.where(count == seeds, t_quantile(seeds - 1) * spread, np.nan)
    return mean, mean - half, mean + half


def difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Compares the means of two arms whose seeds have nothing to do with each other (Welch).

    Args:
        a: A value of each seed of the one.
        b: A value of each seed of the other.

    Returns:
        `mean(a) - mean(b)`, with its interval where both have two seeds.

    Raises:
        ValueError: One of them is empty.
    """
    if not a or not b:
        raise ValueError(f"Both arms must have a value, but got {len(a)} and {len(b)}.")
    value, seeds = float(np.mean(a) - np.mean(b)), (len(a), len(b))
    if min(seeds) < 2:
        return Difference(value, None, None, "one seed", seeds)
    parts = [float(np.var(x, ddof=1)) / len(x) for x in (a, b)]
    if sum(parts) == 0:
        return Difference(value, value, value, "welch", seeds)
    # As shares of the sum, whose squares do not underflow.
    freedom = 1 / sum((part / sum(parts)) ** 2 / (len(x) - 1) for part, x in zip(parts, (a, b), strict=True))
    half = float(t_quantile(freedom)) * math.sqrt(sum(parts))
    return Difference(value, value - half, value + half, "welch", seeds)


def paired_difference(a: Mapping[str, float], b: Mapping[str, float]) -> Difference:
    """Compares two arms by the differences of the runs with the same seed.

    Args:
        a: A value by seed of the one.
        b: The same of the other.

    Returns:
        The mean of `a - b`, with its interval where there are two seeds.

    Raises:
        ValueError: They do not have the same seeds, or have none.
    """
    if not a or a.keys() != b.keys():
        raise ValueError(f"Paired arms must have the same seeds, but got {sorted(a)} and {sorted(b)}.")
    differences = np.array([a[seed] - b[seed] for seed in a])
    value, seeds = float(differences.mean()), (len(a), len(b))
    if len(a) < 2:
        return Difference(value, None, None, "one seed", seeds)
    half = float(t_quantile(len(a) - 1)) * float(differences.std(ddof=1)) / math.sqrt(len(a))
    return Difference(value, value - half, value + half, "paired", seeds)


def mean_level(steps: Sequence[float], values: Sequence[float]) -> float:
    """Gives the area under a curve over the length of its axis: its mean level, by the trapezoid rule.

    Args:
        steps: Ascending, at least one.
        values: The curve at these steps.

    Returns:
        The mean level; the value itself where there is one step.

    Raises:
        ValueError: There is no step.
    """
    if not steps:
        raise ValueError("A curve must have a point, but got none.")
    if len(steps) == 1:
        return float(values[0])
    x, y = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum() / (x[-1] - x[0]))
