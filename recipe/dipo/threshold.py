"""Perplexity space disentangling (PSD): the threshold between the exploitation and the exploration space.

Chosen here, where the paper's notes are silent: the interval is Wilson's, two-sided, for each threshold by itself (no
correction for having searched), and two perplexities without a float64 between them are not separated.
"""

from statistics import NormalDist
from typing import NamedTuple

import torch

from groupwise.maths.checks import check_correct, check_perplexity, check_vectors


class Threshold(NamedTuple):
    """The best admissible threshold and what the queue says at it.

    Attributes:
        value: tau*, in units of perplexity. `P < tau*` is the exploitation space, `P > tau*` the exploration space.
        error_rate: Fraction in [0, 1] of the entries with `R != 1[P < tau*]`.
        exploitation_advantage: `D_EiS = Pr(R=1 | P < tau*) - Pr(R=0 | P < tau*)`, in (0, 1].
        exploration_advantage: `D_ErS = Pr(R=0 | P > tau*) - Pr(R=1 | P > tau*)`, in (0, 1].
    """

    value: float
    error_rate: float
    exploitation_advantage: float
    exploration_advantage: float


def find_threshold(
    perplexity: torch.Tensor,  # (N,)
    correct: torch.Tensor,  # (N,) bool
    *,
    confidence: float | None,
) -> Threshold | None:
    """Finds the threshold that separates right from wrong responses best, by one sort: O(N log N).

    `tau* = argmin (1/N) sum_i |R_i - 1[P_i < tau]|` over the admissible tau, those with D_EiS > 0 and D_ErS > 0. The
    objective changes only between neighbouring distinct perplexities, so the minimum over their midpoints is exact;
    ties go to the smallest tau.

    With a confidence level the lower bounds of both Wilson intervals must be positive. If k of n entries are as they
    should be, `D = 2k/n - 1`, so `D > 0` means that the proportion is above 1/2. Wilson's interval holds the p0 that
    the score test does not reject, `|k/n - p0| <= z sqrt(p0 (1 - p0) / n)`, so it lies above 1/2 exactly if
    `k/n - 1/2 > z / (2 sqrt(n))`, that is `D sqrt(n) > z`. Point estimates are the case z = 0.
    Those are positive exactly if the error is below that of calling all responses right, or all of them wrong.

    Paper: arXiv:2604.13902, perplexity space disentangling.

    Args:
        perplexity: Perplexities in the queue, (N,) of a floating dtype; infinity counts as the largest float64.
        correct: The verifier's verdicts on the same responses, (N,) bool.
        confidence: Level of the two-sided intervals, a fraction in (0, 1); None takes the point estimates.

    Returns:
        The threshold, or None if none is admissible: always so with fewer than two distinct perplexities, and with
        responses that are all right or all wrong.

    Raises:
        TypeError: For a wrong dtype.
        ValueError: For unequal shapes, a NaN or negative perplexity, or a confidence outside (0, 1).
    """
    check_vectors(perplexity=perplexity, correct=correct)
    check_correct(correct)
    check_perplexity(perplexity)
    return least_error_threshold(perplexity, correct, bound=_normal_quantile(confidence))


def least_error_threshold(
    perplexity: torch.Tensor,  # (N,)
    correct: torch.Tensor,  # (N,) bool
    *,
    bound: float,
) -> Threshold | None:
    """Finds the threshold of least error among those whose `D sqrt(n)` are both above `bound`; checked by the caller.

    A bound of minus infinity takes all of them, admissible or not.
    """
    ordered, order = perplexity.double().clamp(max=torch.finfo(torch.float64).max).sort()
    right_so_far = correct[order].long().cumsum(0)
    tau = ordered[:-1] + (ordered[1:] - ordered[:-1]) / 2
    is_candidate = (ordered[:-1] < tau) & (tau < ordered[1:])
    cut = is_candidate.nonzero().flatten()
    if len(cut) == 0:
        return None

    below = cut + 1
    above = len(ordered) - below
    right_below = right_so_far[cut]
    wrong_above = above - (right_so_far[-1] - right_below)
    exploitation = (2 * right_below - below) / below.double()
    exploration = (2 * wrong_above - above) / above.double()
    is_admissible = (exploitation * below.double().sqrt() > bound) & (exploration * above.double().sqrt() > bound)
    if not is_admissible.any():
        return None

    errors = len(ordered) - right_below - wrong_above
    # argmin does not promise the first of several minima.
    best = (is_admissible & (errors == errors[is_admissible].min())).nonzero()[0, 0]
    return Threshold(
        value=tau[cut[best]].item(),
        error_rate=errors[best].item() / len(ordered),
        exploitation_advantage=exploitation[best].item(),
        exploration_advantage=exploration[best].item(),
    )


def _normal_quantile(confidence: float | None) -> float:
    """Returns z of a two-sided interval of this level; 0 for None."""
    if confidence is None:
        return 0.0
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie in (0, 1), but is {confidence}; use null for the point estimates.")
    # From the lower tail: (1 + confidence) / 2 can round to 1, whose quantile is infinite.
    return -NormalDist().inv_cdf((1.0 - confidence) / 2.0)
