"""Bidirectional reward reallocation (BRR): one reward in each group that has no gradient and the wrong perplexity.

Chosen here, where the paper's notes are silent:
- Which groups and which response is a matter of `GROUP_PERPLEXITY_RULES`; see `reallocation_candidates`.
- A group has no variance if its largest and smallest reward are exactly equal: rewards of a group come from one
  formula, so equal outcomes give equal floats.
- A group with a single response is mixed: there is nothing to compare it with, and GRPO's own rule takes its reward
  for its advantage, so it has a gradient already.
- A perplexity (or a statistic of them) equal to tau* lies in neither space.
"""

from enum import IntEnum

import torch

from recipe.dipo.core.checks import check_correct, check_perplexity, check_reward, check_vectors
from recipe.dipo.core.groups import Groups, group_amax, group_median, group_sum, number_groups
from recipe.dipo.core.threshold import Threshold

GROUP_PERPLEXITY_RULES = ("any", "median", "mean", "max")


class GroupKind(IntEnum):
    """What a group's verdicts and rewards leave to learn from: only mixed groups have a gradient under GRPO."""

    MIXED = 0
    HARD = 1
    EASY = 2


def classify_groups(
    correct: torch.Tensor,  # (B,) bool
    reward: torch.Tensor,  # (B,)
    group: torch.Tensor,  # (B,) int64
) -> torch.Tensor:  # (B,) int64
    """Tells hard and easy groups from all others, for each response the kind of its group.

    HARD: no response right and no variance of the rewards. EASY: all right and no variance. MIXED: the rest, so also
    all-wrong groups whose graded rewards differ, and groups with a single response.

    Paper: arXiv:2604.13902, hard and easy groups; graded rewards and single responses are this project's rule.

    Args:
        correct: The verifier's verdicts, (B,) bool.
        reward: Verified rewards, (B,) of a floating dtype.
        group: Any id per response, equal within a group, (B,) int64.

    Returns:
        Values of `GroupKind`, (B,) int64.

    Raises:
        TypeError: For a wrong dtype.
        ValueError: For unequal shapes, or a reward that is NaN or infinite.
    """
    check_vectors(correct=correct, reward=reward, group=group)
    check_correct(correct)
    check_reward("reward", reward)
    groups = number_groups(group)
    right_G = group_sum(correct.long(), groups)
    is_constant_G = group_amax(reward, groups) == -group_amax(-reward, groups)
    is_comparable_G = is_constant_G & (groups.size > 1)
    kind_G = torch.full_like(groups.size, GroupKind.MIXED)
    kind_G[is_comparable_G & (right_G == 0)] = GroupKind.HARD
    kind_G[is_comparable_G & (right_G == groups.size)] = GroupKind.EASY
    return kind_G[groups.number]


def reallocation_candidates(
    perplexity: torch.Tensor,  # (B,)
    kind: torch.Tensor,  # (B,) int64
    groups: Groups,
    threshold: Threshold,
    *,
    group_perplexity: str,
) -> torch.Tensor:  # (B,) bool
    """Marks the responses among which the one of maximum perplexity is chosen; a group without any is left alone.

    Rule `any`: the EL responses (`P < tau*`) of hard groups and the CH responses (`P > tau*`) of easy ones. Rules
    `median`, `mean` and `max`: all responses of a hard group if that statistic of its perplexities is below tau*, and
    of an easy group if it is above. The median of an even number is the mean of the two in the middle.
    """
    # A float32 tensor would be compared with tau* rounded to float32.
    located = perplexity.double()
    if group_perplexity == "median":
        located = group_median(located, groups)[groups.number]
    elif group_perplexity == "mean":
        located = (group_sum(located, groups) / groups.size)[groups.number]
    elif group_perplexity == "max":
        located = group_amax(located, groups)[groups.number]
    elif group_perplexity != "any":
        rules = ", ".join(GROUP_PERPLEXITY_RULES)
        raise ValueError(f"group_perplexity must be one of {rules}, but is {group_perplexity!r}.")
    is_up = (kind == GroupKind.HARD) & (located < threshold.value)
    is_down = (kind == GroupKind.EASY) & (located > threshold.value)
    return is_up | is_down


def reallocate_rewards(
    perplexity: torch.Tensor,  # (B,)
    correct: torch.Tensor,  # (B,) bool
    reward: torch.Tensor,  # (B,)
    group: torch.Tensor,  # (B,) int64
    threshold: Threshold | None,
    *,
    group_perplexity: str,
) -> torch.Tensor:  # (B,)
    """Computes the reallocated rewards R_r; the verified rewards are read, never changed.

    In a hard group with work in the exploitation space the chosen response gets 1 and the others 0 (explore); in an
    easy group with work in the exploration space the chosen one gets 0 and the others 1 (exploit). The chosen one is
    the candidate of maximum perplexity, of several the first in row order. Everything else is 0, so R_r varies
    only in groups in which the verified rewards do not.

    Paper: arXiv:2604.13902, bidirectional reward reallocation.

    Args:
        perplexity: Perplexities, (B,) of a floating dtype.
        correct: The verifier's verdicts, (B,) bool.
        reward: Verified rewards, (B,) of a floating dtype.
        group: Any id per response, equal within a group, (B,) int64.
        threshold: The threshold of this step; None, when none is admissible, reallocates nothing.
        group_perplexity: Which groups have work in which space, one of `GROUP_PERPLEXITY_RULES`.

    Returns:
        R_r, each 0 or 1, (B,) of the dtype of `reward`.

    Raises:
        TypeError: For a wrong dtype.
        ValueError: For unequal shapes, a reward that is NaN or infinite, a NaN or negative perplexity, or an unknown
            rule.
    """
    check_vectors(perplexity=perplexity, correct=correct, reward=reward, group=group)
    check_perplexity(perplexity)
    kind = classify_groups(correct, reward, group)
    if threshold is None:
        return torch.zeros_like(reward)
    groups = number_groups(group)
    is_candidate = reallocation_candidates(perplexity, kind, groups, threshold, group_perplexity=group_perplexity)
    is_chosen = _first_maximum(perplexity.double(), is_candidate, groups)
    is_touched = group_sum(is_chosen.long(), groups)[groups.number] > 0
    is_rewarded = torch.where(kind == GroupKind.HARD, is_chosen, is_touched & ~is_chosen)
    return is_rewarded.to(reward.dtype)


def _first_maximum(values: torch.Tensor, is_candidate: torch.Tensor, groups: Groups) -> torch.Tensor:
    """Marks in each group the candidate of largest value, the first in row order of several; (B,) bool."""
    candidate_values = torch.where(is_candidate, values, -torch.inf)
    largest = group_amax(candidate_values, groups)[groups.number]
    row = torch.arange(len(values))
    is_largest = is_candidate & (candidate_values == largest)
    first = -group_amax(torch.where(is_largest, -row, -len(values)), groups)[groups.number]
    return is_largest & (row == first)
