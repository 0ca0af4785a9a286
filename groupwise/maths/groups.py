"""Groups: the responses to one prompt, their kinds, and reductions over them without a Python loop.

Chosen here, for groups without variance: a group has none if its largest and smallest reward are exactly equal, since
rewards of a group come from one formula and equal outcomes give equal floats; and a group with a single response is
mixed, since GRPO's own rule takes its reward for its advantage, so that it has a gradient already.
"""

from enum import IntEnum
from typing import NamedTuple

import torch

from groupwise.maths.checks import check_correct, check_reward, check_vectors


class GroupKind(IntEnum):
    """What a group's verdicts and rewards leave to learn from: only mixed groups have a gradient under GRPO."""

    MIXED = 0
    HARD = 1
    EASY = 2


class Groups(NamedTuple):
    """Which response belongs to which group, with the groups numbered 0 to G-1 in ascending order of their ids.

    Attributes:
        number: The number of each response's group, (B,) int64.
        size: The number of responses of each group, (G,) int64; at least 1.
    """

    number: torch.Tensor
    size: torch.Tensor


def number_groups(group: torch.Tensor | Groups) -> Groups:  # (B,) int64
    """Numbers the groups, whatever ids they have and however their responses are ordered; int64 or a TypeError.

    Groups that are numbered already are given back, so that whoever has them need not have them numbered again.
    """
    if isinstance(group, Groups):
        return group
    if group.dtype != torch.int64:
        raise TypeError(f"group must be torch.int64, but is {group.dtype}; number the prompts' uids first.")
    if len(group) > 0 and group.min() >= 0 and group.max() < len(group):
        size = torch.bincount(group)
        if bool((size > 0).all()):
            # Numbered already, as by rollouts.py: no need to sort.
            return Groups(number=group, size=size)
    ordered, order = group.sort()
    number = torch.empty_like(group)
    number[order] = (ordered.diff(prepend=ordered[:1]) != 0).cumsum(0)
    return Groups(number=number, size=torch.bincount(number))


def group_sum(values: torch.Tensor, groups: Groups) -> torch.Tensor:  # (B,) -> (G,)
    """Sums each group's values."""
    return values.new_zeros(len(groups.size)).index_add_(0, groups.number, values)


def group_amax(values: torch.Tensor, groups: Groups) -> torch.Tensor:  # (B,) -> (G,)
    """Takes each group's largest value (for the smallest, negate before and after)."""
    return values.new_zeros(len(groups.size)).scatter_reduce(0, groups.number, values, "amax", include_self=False)


def has_marked(marks: torch.Tensor, groups: Groups) -> torch.Tensor:  # (B,) bool -> (B,) bool
    """Tells of each response whether one of its group is marked. Whether all are: `~has_marked(~marks, groups)`."""
    return (group_sum(marks.long(), groups) > 0)[groups.number]


def group_median(values: torch.Tensor, groups: Groups) -> torch.Tensor:  # (B,) -> (G,)
    """Takes each group's median, for an even number of values the mean of the two in the middle."""
    by_value = torch.argsort(values, stable=True)
    by_group_and_value = by_value[torch.argsort(groups.number[by_value], stable=True)]
    ordered = values[by_group_and_value]
    start = groups.size.cumsum(0) - groups.size
    # Halved before adding: the sum of two large float64 values would be infinite.
    return ordered[start + (groups.size - 1) // 2] / 2 + ordered[start + groups.size // 2] / 2


def classify_groups(
    correct: torch.Tensor,  # (B,) bool
    reward: torch.Tensor,  # (B,)
    group: torch.Tensor | Groups,  # (B,) int64
) -> torch.Tensor:  # (B,) int64
    """Tells hard and easy groups from all others, for each response the kind of its group.

    HARD: no response right and no variance of the rewards. EASY: all right and no variance. MIXED: the rest, so also
    all-wrong groups whose graded rewards differ, and groups with a single response.

    Paper: arXiv:2604.13902, hard and easy groups; graded rewards and single responses are this project's rule.

    Args:
        correct: The verifier's verdicts, (B,) bool.
        reward: Verified rewards, (B,) of a floating dtype.
        group: Any id per response, equal within a group, (B,) int64, or the groups numbered.

    Returns:
        Values of `GroupKind`, (B,) int64.

    Raises:
        TypeError: For a wrong dtype.
        ValueError: For unequal shapes, or a reward that is NaN or infinite.
    """
    check_vectors(correct=correct, reward=reward, group=group.number if isinstance(group, Groups) else group)
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
