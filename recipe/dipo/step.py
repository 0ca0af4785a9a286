"""One step of DiPO on a batch's responses: perplexity -> queue -> threshold -> reallocation."""

from typing import NamedTuple

import torch

from recipe.dipo.config import DiPOConfig
from recipe.dipo.core.perplexity import PerplexityQueue, sequence_perplexity
from recipe.dipo.core.reallocation import reallocate_rewards
from recipe.dipo.core.threshold import Threshold, find_threshold
from recipe.dipo.rollouts import Rollouts


class Step(NamedTuple):
    """Outcome of one step. B responses; `judged` marks those whose group has a perplexity and a verdict for each.

    Attributes:
        threshold: tau* and its statistics, None where perplexity separates nothing.
        reallocated: (B,) in {0., 1.}.
        perplexity: (B,) float64, NaN for a response without a token of its own.
        judged: (B,) bool.
        queue_size: Number of responses that the threshold was found on.
    """

    threshold: Threshold | None
    reallocated: torch.Tensor
    perplexity: torch.Tensor
    judged: torch.Tensor
    queue_size: int


def response_perplexity(rollouts: Rollouts) -> torch.Tensor:
    """Perplexity of each response, NaN for one whose mask is empty (an agent's last output may be all tool text).

    Args:
        rollouts: B responses.

    Returns:
        (B,) float64.
    """
    has_tokens = rollouts.response_mask.any(dim=-1)
    if bool(has_tokens.all()):
        return sequence_perplexity(rollouts.old_log_probs, rollouts.response_mask)
    perplexity = torch.full((len(has_tokens),), torch.nan, dtype=torch.float64)
    if bool(has_tokens.any()):
        perplexity[has_tokens] = sequence_perplexity(
            rollouts.old_log_probs[has_tokens], rollouts.response_mask[has_tokens]
        )
    return perplexity


def run_step(rollouts: Rollouts, queue: PerplexityQueue, config: DiPOConfig) -> Step:
    """Decides which rewards of a batch are reallocated, and moves the queue on by the batch.

    Args:
        rollouts: B responses.
        queue: The perplexity queue; the batch is pushed onto it.
        config: The hyper-parameters.

    Returns:
        The decision and what led to it.
    """
    perplexity = response_perplexity(rollouts)
    # What could not be judged is no wrong answer: it says nothing about how perplexity and verdicts go together.
    known = ~perplexity.isnan() & ~rollouts.failed
    queue.push(perplexity[known], rollouts.correct[known])
    queued_perplexity, queued_correct = queue.snapshot()
    threshold = find_threshold(queued_perplexity, queued_correct, confidence=config.confidence)
    # A group is compared as a whole: one response without a perplexity or a verdict leaves its group alone.
    judged = ~torch.isin(rollouts.group, rollouts.group[~known])
    reallocated = torch.zeros_like(rollouts.reward)
    if bool(judged.any()):
        reallocated[judged] = reallocate_rewards(
            perplexity[judged],
            rollouts.correct[judged],
            rollouts.reward[judged],
            rollouts.group[judged],
            threshold,
            group_perplexity=config.group_perplexity,
        )
    return Step(threshold, reallocated, perplexity, judged, queue_size=len(queued_perplexity))
