"""Bootstrap intervals over prompts, and the difference of two evaluations of the same prompts.

Chosen here:
- The unit of resampling is the prompt, for the responses to one prompt are not independent.
- The mean of a resample depends only on how often each distinct value was drawn. Those counts are multinomial and are
  drawn directly: the same distribution as drawing P prompts, at a cost that grows with the distinct values alone.
- A single prompt says nothing about the spread between prompts, so its interval is NaN, not a point.
- A percentile interval has no width where all prompts have the same value. A set with nothing right has [0, 0], which
  says that nothing was seen, not that nothing is possible: up to 3/P is, by the rule of three.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

CHUNK_COUNTS: Final = 2**22
"""Counts that are held at a time: 32 MiB."""

SHOWN_IDS: Final = 3


class Interval(NamedTuple):
    """An estimate and its interval.

    Attributes:
        value: The estimate itself.
        low: Lower bound; NaN where there is no interval.
        high: Upper bound; NaN likewise.
    """

    value: float
    low: float
    high: float


def resampled_means(values: Sequence[float] | np.ndarray, *, resamples: int, seed: int | Sequence[int]) -> np.ndarray:
    """Draws the means of bootstrap resamples of the prompts, with replacement.

    Args:
        values: (P,) one finite value for each prompt, in any order.
        resamples: How many resamples, at least 1.
        seed: The same seed gives the same means; sets that are combined need different ones.

    Returns:
        (resamples,) means; all NaN for a single prompt.

    Raises:
        ValueError: There is no value, one is not finite, or `resamples` is below 1.
    """
    distinct, share = _distribution(values)
    if resamples < 1:
        raise ValueError(f"A bootstrap must have at least 1 resample, but got resamples={resamples}.")
    prompts = len(values)
    if prompts == 1:
        return np.full(resamples, np.nan)
    generator = np.random.default_rng(seed)
    rows = max(1, CHUNK_COUNTS // len(distinct))
    drawn = [
        generator.multinomial(prompts, share, size=min(rows, resamples - start)) @ distinct
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(drawn) / prompts


def percentile_interval(value: float, means: np.ndarray, *, confidence: float) -> Interval:
    """Puts the percentile interval around an estimate.

    Args:
        value: The estimate.
        means: (resamples,) the estimate of each resample.
        confidence: Share of the resamples inside the interval, in (0, 1).

    Returns:
        The estimate with the two quantiles; these are NaN where `means` are.

    Raises:
        ValueError: `confidence` is outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be between 0 and 1, such as 0.95, but got {confidence}.")
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def bootstrap(
    values_per_prompt: Sequence[float] | np.ndarray,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int | Sequence[int],
) -> Interval:
    """Estimates the mean over prompts, with its percentile bootstrap interval; the module's head says what to expect.

    Args:
        values_per_prompt: (P,) one finite value for each prompt, in any order.
        confidence: Level of the interval, in (0, 1).
        resamples: How many resamples.
        seed: The same seed gives the same interval.

    Returns:
        Mean and interval; bounds of NaN for a single prompt, no width where all values are equal.

    Raises:
        ValueError: See `resampled_means` and `percentile_interval`.
    """
    distinct, share = _distribution(values_per_prompt)
    prompts = len(values_per_prompt)
    # Whole counts, as of a resample: where all values are equal, the bounds then equal the mean to the last bit.
    value = float(np.rint(share * prompts) @ distinct / prompts)
    means = resampled_means(values_per_prompt, resamples=resamples, seed=seed)
    return percentile_interval(value, means, confidence=confidence)


def paired_difference(
    values_a: Mapping[str, float],
    values_b: Mapping[str, float],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int | Sequence[int],
) -> Interval:
    """Estimates how much two evaluations of the same prompts differ.

    Args:
        values_a: A finite value of the one for each prompt, by the prompt's id.
        values_b: The same of the other.
        confidence: Level of the interval, in (0, 1).
        resamples: How many resamples of the prompts.
        seed: The same seed gives the same interval.

    Returns:
        The mean over prompts of `a - b`, with its bootstrap interval.

    Raises:
        ValueError: The prompts are not the same; or see `bootstrap`.
    """
    only = [sorted(map(str, a.keys() - b.keys())) for a, b in ((values_a, values_b), (values_b, values_a))]
    if any(only):
        found = " and ".join(
            f"{len(ids)} only in the {which} ({', '.join(ids[:SHOWN_IDS])}{', ...' * (len(ids) > SHOWN_IDS)})"
            for which, ids in zip(("first", "second"), only, strict=True)
            if ids
        )
        raise ValueError(
            f"Both evaluations must have the same prompts, but of {len(values_a)} and {len(values_b)} prompts {found}; "
            "evaluate both on the same file, or compare the prompts that they share."
        )
    differences = [value - values_b[key] for key, value in values_a.items()]
    return bootstrap(differences, confidence=confidence, resamples=resamples, seed=seed)


def _distribution(values: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise ValueError(
            f"A bootstrap must have one finite value for each prompt, but got an array of shape {array.shape} with "
            f"{int((~np.isfinite(array)).sum())} values that are not finite; leave out prompts without a verdict."
        )
    distinct, counts = np.unique(array, return_counts=True)
    return distinct, counts / len(array)
