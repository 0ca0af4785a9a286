"""Statistics of verdicts: mean@k, pass@k and maj@k here; their intervals, from `resampling`, are given on.

P prompts, each with its own number of judged responses; a response that could not be judged is left out by the caller.
`acc` is a response's verdict, 0 or 1; `pred` its answer in canonical form, "" for none. What is given for each prompt
is what `bootstrap` and `paired_difference` take.
"""

import math
from collections.abc import Sequence

import numpy as np

from groupwise.evaluation.resampling import (
    Interval,
    bootstrap,
    paired_difference,
    percentile_interval,
    resampled_means,
)

__all__ = [
    "Interval",
    "bootstrap",
    "maj_at_k",
    "maj_per_prompt",
    "mean_at_k",
    "mean_per_prompt",
    "paired_difference",
    "pass_at_k",
    "pass_per_prompt",
    "percentile_interval",
    "resampled_means",
    "tries",
]


def mean_per_prompt(acc: Sequence[Sequence[float]]) -> np.ndarray:
    """Gives the share of right responses of each prompt.

    Args:
        acc: The verdicts, 0 or 1, of each of P prompts.

    Returns:
        (P,) shares in [0, 1].

    Raises:
        ValueError: There is no prompt, a prompt has no response, or a verdict is neither 0 nor 1.
    """
    _check(acc)
    return np.array([sum(verdicts) / len(verdicts) for verdicts in acc])


def mean_at_k(acc: Sequence[Sequence[float]]) -> float:
    """Gives mean@k (accuracy@k, avg@k): the mean over prompts of the mean over their responses.

    Args:
        acc: The verdicts, 0 or 1, of each of P prompts.

    Returns:
        The mean, in [0, 1]. Prompts weigh alike, however many of their responses were judged.

    Raises:
        ValueError: See `mean_per_prompt`.
    """
    return float(mean_per_prompt(acc).mean())


def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimates without bias the probability that one of k responses is right.

    `1 - C(n-c, k) / C(n, k) = 1 - prod_{i=n-c+1}^{n} (1 - k/i)`; the product cannot overflow.

    Paper: arXiv:2107.03374, Eq. 1.

    Args:
        n: Responses to the prompt.
        c: How many of them are right.
        k: How many may be tried, from 1 to n.

    Returns:
        The estimate, in [0, 1]; exactly 1 where any k responses hold a right one.

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
    """Estimates pass@k of each prompt that has k responses; the set's pass@k is their mean.

    Args:
        acc: The verdicts, 0 or 1, of each of P prompts.
        k: How many responses may be tried, at least 1.

    Returns:
        One value in [0, 1] for each prompt with at least k responses, in order. Prompts with fewer have no unbiased
        estimate and are left out: the array's length is the number of prompts that the mean is over.

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
    """Judges each prompt by the majority vote of all its responses.

    Responses vote by `pred`; one without an answer does not vote, unless all are without. The vote's verdict is the
    mean verdict of the responses with that answer. Of several most frequent answers each is taken with the same
    probability, and the expected verdict is given, so that the order of the responses does not matter; verl's
    `calc_maj_val` takes the first of them.

    Args:
        acc: The verdicts, 0 or 1, of each of P prompts.
        pred: The answers of the same responses.

    Returns:
        (P,) expected verdicts in [0, 1].

    Raises:
        ValueError: See `mean_per_prompt`; or the two do not have the same responses.
    """
    _check(acc)
    if [len(verdicts) for verdicts in acc] != [len(answers) for answers in pred]:
        raise ValueError("`acc` and `pred` must hold the same responses of the same prompts, but their sizes differ.")
    return np.array([_vote(verdicts, answers) for verdicts, answers in zip(acc, pred, strict=True)])


def maj_at_k(acc: Sequence[Sequence[float]], pred: Sequence[Sequence[str]]) -> float:
    """Gives maj@k (cons@k), k being all responses of a prompt: the mean of `maj_per_prompt`, whose terms apply.

    Args:
        acc: The verdicts, 0 or 1, of each of P prompts.
        pred: The answers of the same responses.

    Returns:
        The mean, in [0, 1].

    Raises:
        ValueError: See `maj_per_prompt`.
    """
    return float(maj_per_prompt(acc, pred).mean())


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
