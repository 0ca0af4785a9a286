"""One step of DiPO on a batch's responses: perplexity -> queue -> threshold -> reallocation.

Works on plain values, so that the trainer decides with it while training and `recipe.dipo.replay` on dumps afterwards.
"""

from typing import Final, NamedTuple

import torch

from recipe.dipo.config import DiPOConfig
from recipe.dipo.core.advantage import dipo_advantage, group_advantage
from recipe.dipo.core.perplexity import PerplexityQueue
from recipe.dipo.core.reallocation import reallocate_rewards
from recipe.dipo.core.threshold import Threshold, find_threshold

EPSILON: Final = 1e-6
"""Added to a group's standard deviation; verl's compute_grpo_outcome_advantage has the same default."""


class Responses(NamedTuple):
    """What DiPO decides on, for B responses.

    Attributes:
        perplexity: (B,) float64, NaN for a response without a token of the policy.
        correct: (B,) bool, the verifier's verdict; without meaning where it failed.
        reward: (B,) float32, the verified reward that is optimised.
        group: (B,) int64, responses of one prompt share a number.
        failed: (B,) bool, the responses that could not be judged.
    """

    perplexity: torch.Tensor
    correct: torch.Tensor
    reward: torch.Tensor
    group: torch.Tensor
    failed: torch.Tensor


class Step(NamedTuple):
    """Outcome of one step. B responses; `judged` marks those whose group has a perplexity and a verdict for each.

    Attributes:
        threshold: tau* and its statistics, None where perplexity separates nothing.
        reallocated: (B,) in {0., 1.}.
        judged: (B,) bool.
        queue_size: Number of responses that the threshold was found on.
    """

    threshold: Threshold | None
    reallocated: torch.Tensor
    judged: torch.Tensor
    queue_size: int


class Advantages(NamedTuple):
    """Advantages of B responses.

    Attributes:
        verified: (B,) those of the verified rewards alone, A(R).
        dipo: (B,) with the reallocated rewards, A(R) + alpha A(R_r).
    """

    verified: torch.Tensor
    dipo: torch.Tensor


def run_step(responses: Responses, queue: PerplexityQueue, config: DiPOConfig) -> Step:
    """Decides which rewards of a batch are reallocated, and moves the queue on by the batch.

    Args:
        responses: B responses.
        queue: The perplexity queue; the batch is pushed onto it.
        config: The hyper-parameters.

    Returns:
        The decision and what led to it.
    """
    # What could not be judged is no wrong answer: it says nothing about how perplexity and verdicts go together.
    known = ~responses.perplexity.isnan() & ~responses.failed
    queue.push(responses.perplexity[known], responses.correct[known])
    queued_perplexity, queued_correct = queue.snapshot()
    threshold = find_threshold(queued_perplexity, queued_correct, confidence=config.confidence)
    # A group is compared as a whole: one response without a perplexity or a verdict leaves its group alone.
    judged = ~torch.isin(responses.group, responses.group[~known])
    reallocated = torch.zeros_like(responses.reward)
    if bool(judged.any()):
        reallocated[judged] = reallocate_rewards(
            responses.perplexity[judged],
            responses.correct[judged],
            responses.reward[judged],
            responses.group[judged],
            threshold,
            group_perplexity=config.group_perplexity,
        )
    return Step(threshold, reallocated, judged, queue_size=len(queued_perplexity))


def step_advantages(responses: Responses, step: Step, *, alpha: float, normalize_by_std: bool) -> Advantages:
    """Computes the advantages of a step without and with its reallocated rewards.

    Args:
        responses: B responses.
        step: What was decided for them.
        alpha: Weight of the reallocated rewards.
        normalize_by_std: Whether the base estimator divides by the group's standard deviation.

    Returns:
        Both, (B,) of the dtype of the rewards.
    """
    base = {"epsilon": EPSILON, "normalize_by_std": normalize_by_std}
    return Advantages(
        verified=group_advantage(responses.reward, responses.group, **base),
        dipo=dipo_advantage(responses.reward, step.reallocated, responses.group, alpha=alpha, **base),
    )
