"""What one step of DiPO did, in counts: for the metrics, never used in training."""

from typing import NamedTuple

import torch

from recipe.dipo.core.checks import check_perplexity, check_vectors
from recipe.dipo.core.groups import Groups, group_amax, number_groups
from recipe.dipo.core.reallocation import GROUP_PERPLEXITY_RULES, GroupKind, classify_groups, reallocation_candidates
from recipe.dipo.core.threshold import Threshold


class QuadrantCounts(NamedTuple):
    """Responses by verdict and perplexity; one whose perplexity equals the threshold is in none.

    Attributes:
        correct_low: CL, right with `P < tau*`.
        correct_high: CH, right with `P > tau*`: wants exploitation.
        error_low: EL, wrong with `P < tau*`: wants exploration.
        error_high: EH, wrong with `P > tau*`.
    """

    correct_low: int
    correct_high: int
    error_low: int
    error_high: int


class ReallocatedGroups(NamedTuple):
    """Groups in which a reward is reallocated.

    Attributes:
        up: Hard groups, one response of which is rewarded.
        down: Easy groups, one response of which is penalised.
    """

    up: int
    down: int


class StepStatistics(NamedTuple):
    """Counts of one step.

    Attributes:
        hard: Number of hard groups.
        easy: Number of easy groups.
        mixed: Number of all other groups.
        quadrants: Number of responses by verdict and perplexity; None without a threshold.
        reallocated: For each of `GROUP_PERPLEXITY_RULES` the groups that it reallocates (or would); zeros without a
            threshold.
        mean_perplexity_right: Mean perplexity of the right responses; None if there are none.
        mean_perplexity_wrong: Mean perplexity of the wrong responses; None if there are none.
    """

    hard: int
    easy: int
    mixed: int
    quadrants: QuadrantCounts | None
    reallocated: dict[str, ReallocatedGroups]
    mean_perplexity_right: float | None
    mean_perplexity_wrong: float | None


def step_statistics(
    perplexity: torch.Tensor,  # (B,)
    correct: torch.Tensor,  # (B,) bool
    reward: torch.Tensor,  # (B,)
    group: torch.Tensor,  # (B,) int64
    threshold: Threshold | None,
) -> StepStatistics:
    """Counts what the threshold and each of the rules make of a batch; checks as `reallocate_rewards` does."""
    check_vectors(perplexity=perplexity, correct=correct, reward=reward, group=group)
    check_perplexity(perplexity)
    kind = classify_groups(correct, reward, group)
    groups = number_groups(group)
    hard = _count_groups(kind == GroupKind.HARD, groups)
    easy = _count_groups(kind == GroupKind.EASY, groups)
    return StepStatistics(
        hard=hard,
        easy=easy,
        mixed=len(groups.size) - hard - easy,
        quadrants=None if threshold is None else _quadrants(perplexity.double(), correct, threshold.value),
        reallocated={
            rule: _reallocated_groups(perplexity, kind, groups, threshold, rule) for rule in GROUP_PERPLEXITY_RULES
        },
        mean_perplexity_right=_mean(perplexity[correct]),
        mean_perplexity_wrong=_mean(perplexity[~correct]),
    )


def _count_groups(mark: torch.Tensor, groups: Groups) -> int:
    """Counts the groups in which at least one response is marked."""
    return int(group_amax(mark.long(), groups).sum().item())


def _quadrants(perplexity: torch.Tensor, correct: torch.Tensor, tau: float) -> QuadrantCounts:
    """Counts the responses on either side of `tau`."""
    low, high = perplexity < tau, perplexity > tau
    counts = [(verdict & side).sum().item() for verdict in (correct, ~correct) for side in (low, high)]
    return QuadrantCounts(*map(int, counts))


def _reallocated_groups(
    perplexity: torch.Tensor, kind: torch.Tensor, groups: Groups, threshold: Threshold | None, rule: str
) -> ReallocatedGroups:
    """Counts the groups that one rule reallocates."""
    if threshold is None:
        return ReallocatedGroups(up=0, down=0)
    is_candidate = reallocation_candidates(perplexity, kind, groups, threshold, group_perplexity=rule)
    return ReallocatedGroups(
        up=_count_groups(is_candidate & (kind == GroupKind.HARD), groups),
        down=_count_groups(is_candidate & (kind == GroupKind.EASY), groups),
    )


def _mean(values: torch.Tensor) -> float | None:
    """Returns the mean, None of nothing."""
    return values.double().mean().item() if len(values) > 0 else None
