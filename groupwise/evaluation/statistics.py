"""mean@k, pass@k and maj@k of verdicts, bootstrap intervals over prompts, and the difference of two evaluations.

P prompts, each with its own number of judged responses; a response that could not be judged is left out by the caller.
`acc` is a response's verdict, 0 or 1; `pred` its answer in canonical form, "" for none. Chosen here:
- The unit of resampling is the prompt, for the responses to one prompt are not independent.
- The mean of a resample depends only on how often each distinct value was drawn. Those counts are multinomial and are
  drawn directly: the same distribution as drawing P prompts, at a cost that grows with the distinct values alone.
- A single prompt says nothing about the spread between prompts, so its interval is NaN, not a point.
- A percentile interval has no width where all prompts have the same value. A set with nothing right has [0, 0], which
  says that nothing was seen, not that nothing is possible: up to 3/P is, by the rule of three.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000
CHUNK_COUNTS: Final = 2**22
"""Counts of a bootstrap that are held at a time: 32 MiB."""
SHOWN_IDS: Final = 3


class Interval(NamedTuple):
    """An estimate and its 95% interval, whose ends are NaN where there is none."""

    value: float
    low: float
    high: float


def mean_per_prompt(acc: Sequence[Sequence[float]]) -> np.ndarray:
    """Gives the share of right responses of each prompt, (P,); mean@k (accuracy@k, avg@k) is their mean.

    Raises:
        ValueError: There is no prompt, a prompt has no response, or a verdict is neither 0 nor 1.
    """
    _check(acc)
    return np.array([sum(verdicts) / len(verdicts) for verdicts in acc])


def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimates without bias the probability that one of k responses is right, where c of n are.

    `1 - C(n-c, k) / C(n, k) = 1 - prod_{i=n-c+1}^{n} (1 - k/i)`; the product cannot overflow.

    Paper: arXiv:2107.03374, Eq. 1.

    Raises:
        ValueError: It is not so that 0 <= c <= n and 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@k must have 0 <= c <= n and 1 <= k <= n, but got n={n}, c={c}, k={k}.")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def tries(n: int) -> list[int]:
    """Gives the k for which pass@k is reported: 1, 2, 4, ... below n, and n."""
    return [2**power for power in range((n - 1).bit_length())] + [n]


def pass_per_prompt(acc: Sequence[Sequence[float]], *, k: int) -> np.ndarray:
    """Estimates pass@k of each prompt that has k responses, in order; the set's pass@k is their mean.

    Prompts with fewer have no unbiased estimate and are left out, so that the array is as long as the mean is over.

    Raises:
        ValueError: See `mean_per_prompt`; or no prompt has k responses.
    """
    _check(acc)
    counts = [(len(verdicts), int(sum(verdicts))) for verdicts in acc if len(verdicts) >= k]
    if not counts:
        raise ValueError(f"pass@{k} must have a prompt with {k} responses, but the most are {max(map(len, acc))}.")
    known = {(n, c): pass_at_k(n, c, k) for n, c in set(counts)}
    return np.array([known[pair] for pair in counts])


def maj_per_prompt(acc: Sequence[Sequence[float]], pred: Sequence[Sequence[str]]) -> np.ndarray:
    """Judges each prompt by the majority vote of all its responses, (P,); maj@k (cons@k) is their mean.

    Responses vote by `pred`; one without an answer does not vote, unless all are without. The vote's verdict is the
    mean verdict of the responses with that answer. Of several most frequent answers each is taken with the same
    probability, and the expected verdict is given, so that the order of the responses does not matter; verl's
    `calc_maj_val` takes the first of them.

    Raises:
        ValueError: See `mean_per_prompt`; or the two do not have the same responses.
    """
    _check(acc)
    if [len(verdicts) for verdicts in acc] != [len(answers) for answers in pred]:
        raise ValueError("`acc` and `pred` must hold the same responses of the same prompts, but their sizes differ.")
    return np.array([_vote(verdicts, answers) for verdicts, answers in zip(acc, pred, strict=True)])


def _vote(verdicts: Sequence[float], answers: Sequence[str]) -> float:
    votes: dict[str, list[float]] = {}
    for verdict, answer in zip(verdicts, answers, strict=True):
        votes.setdefault(answer, []).append(verdict)
    if len(votes) > 1:
        votes.pop("", None)
    most = max(map(len, votes.values()))
    tied = [sum(group) / most for group in votes.values() if len(group) == most]
    return math.fsum(tied) / len(tied)


def _check(acc: Sequence[Sequence[float]]) -> None:
    if not acc:
        raise ValueError("There must be at least one prompt, but got none.")
    if not all(map(len, acc)):
        raise ValueError(
            f"Each prompt must have a judged response, but {sum(not len(verdicts) for verdicts in acc)} of {len(acc)} "
            "have none; leave these prompts out, and say how many there are."
        )
    found = {verdict for verdicts in acc for verdict in verdicts} - {0, 1}
    if found:
        raise ValueError(f"A verdict `acc` must be 0 or 1, but got {sorted(map(repr, found))[0]}.")


def resampled_means(
    values: Sequence[float] | np.ndarray, *, resamples: int = RESAMPLES, seed: int | Sequence[int]
) -> np.ndarray:
    """Draws the means of bootstrap resamples of P prompts' values, with replacement; all NaN for a single prompt.

    The same seed gives the same means, whatever the order of the values; sets that are combined need different ones.

    Raises:
        ValueError: There is no value, or one is not finite.
    """
    distinct, share = _distribution(values)
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


def percentile_interval(value: float, means: np.ndarray) -> Interval:
    """Puts the percentile interval around an estimate, from the estimates of resamples."""
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))


def bootstrap(
    values: Sequence[float] | np.ndarray, *, resamples: int = RESAMPLES, seed: int | Sequence[int]
) -> Interval:
    """Estimates the mean over P prompts with its percentile bootstrap interval, see `resampled_means`."""
    distinct, share = _distribution(values)
    # Whole counts, as of a resample: where all values are equal, the bounds then equal the mean to the last bit.
    value = float(np.rint(share * len(values)) @ distinct / len(values))
    return percentile_interval(value, resampled_means(values, resamples=resamples, seed=seed))


def paired_difference(values_a: Mapping[str, float], values_b: Mapping[str, float], *, seed: int) -> Interval:
    """Estimates how much two evaluations of the same prompts differ: the mean over prompts, by their ids, of `a - b`.

    Raises:
        ValueError: The prompts are not the same; or see `resampled_means`.
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
    return bootstrap([value - values_b[key] for key, value in values_a.items()], seed=seed)


def _distribution(values: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise ValueError(
            f"A bootstrap must have one finite value for each prompt, but got an array of shape {array.shape} with "
            f"{int((~np.isfinite(array)).sum())} values that are not finite; leave out prompts without a verdict."
        )
    distinct, counts = np.unique(array, return_counts=True)
    return distinct, counts / len(array)
