"""Groups: the responses to one prompt, and reductions over them without a Python loop."""

from typing import NamedTuple

import torch


class Groups(NamedTuple):
    """Which response belongs to which group, with the groups numbered 0 to G-1 in ascending order of their ids.

    Attributes:
        number: The number of each response's group, (B,) int64.
        size: The number of responses of each group, (G,) int64; at least 1.
    """

    number: torch.Tensor
    size: torch.Tensor


def number_groups(group: torch.Tensor) -> Groups:  # (B,) int64
    """Numbers the groups, whatever ids they have and however their responses are ordered; int64 or a TypeError."""
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


def group_median(values: torch.Tensor, groups: Groups) -> torch.Tensor:  # (B,) -> (G,)
    """Takes each group's median, for an even number of values the mean of the two in the middle."""
    by_value = torch.argsort(values, stable=True)
    by_group_and_value = by_value[torch.argsort(groups.number[by_value], stable=True)]
    ordered = values[by_group_and_value]
    start = groups.size.cumsum(0) - groups.size
    # Halved before adding: the sum of two large float64 values would be infinite.
    return ordered[start + (groups.size - 1) // 2] / 2 + ordered[start + groups.size // 2] / 2
