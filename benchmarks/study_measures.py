"""What the study measures of a batch of responses beside what every method logs."""

import math

import torch
from study_sampling import Batch

from groupwise.maths.perplexity import sequence_perplexity

PASSES = (1, 2, 4, 8)
"""The k of pass@k."""


def pass_at(k: int, right: torch.Tensor, n: int) -> float:
    """The chance that k of a prompt's n responses hold a right one, from how many of them are, (P,)."""
    return 1 - sum(math.comb(n - int(count), k) for count in right) / (math.comb(n, k) * len(right))


def described(batch: Batch, n: int) -> dict[str, float]:
    """Tells of a batch what the paper's figures show and no method logs; what it has no groups for is left out.

    Args:
        batch: The responses.
        n: Responses to a prompt.

    Returns:
        `auc`, the chance that a wrong response is more perplexed than a right one; `chance`, the error of the better of
        two guesses that look at nothing; `hard_distinct`, the share of different answers in groups that are all wrong.
    """
    perplexity, right = sequence_perplexity(batch.log_probs, batch.response_mask), batch.acc == 1
    found = {"study/chance": min(right.double().mean().item(), 1 - right.double().mean().item())}
    if 0 < int(right.sum()) < len(right):
        above = perplexity[~right].unsqueeze(-1) - perplexity[right]
        found["study/auc"] = ((above > 0).double() + (above == 0).double() / 2).mean().item()
    hard = [batch.pred[i : i + n] for i in range(0, len(right), n) if not bool(right[i : i + n].any())]
    if hard:
        found["study/hard_distinct"] = sum(len(set(group)) for group in hard) / (n * len(hard))
    return found
