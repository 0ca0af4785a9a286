"""What several methods compute: order statistics within groups, advantages beside virtual rewards, running moments."""

from typing import NamedTuple

import torch

from groupwise.maths.groups import Groups, group_sum
from groupwise.method import EPSILON


def rank(values: torch.Tensor, groups: Groups) -> torch.Tensor:  # (B,) -> (B,) int64
    """Ranks each value in its group from 0, the smallest; equal ones in row order."""
    order, start = _order(values, groups)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order)) - start[groups.number[order]]
    return place


def quantile(values: torch.Tensor, groups: Groups, share: float) -> torch.Tensor:  # (B,) -> (G,)
    """Each group's quantile, linear between the neighbours, as torch.quantile has it."""
    order, start = _order(values, groups)
    where = share * (groups.size - 1).double()
    low = where.floor().long()
    ordered = values[order]
    upper = ordered[start + (low + 1).minimum(groups.size - 1)]
    return torch.lerp(ordered[start + low], upper, (where - low).to(values.dtype))


def _order(values: torch.Tensor, groups: Groups) -> tuple[torch.Tensor, torch.Tensor]:
    by_value = torch.argsort(values, stable=True)
    order = by_value[torch.argsort(groups.number[by_value], stable=True)]
    return order, groups.size.cumsum(0) - groups.size


def advantage_beside(
    reward: torch.Tensor,  # (B,)
    groups: Groups,
    *,
    count: torch.Tensor,  # (G,) int64
    total: torch.Tensor,  # (G,)
    squares: torch.Tensor,  # (G,)
    normalize_by_std: bool,
) -> torch.Tensor:  # (B,) float64
    """GRPO's advantage of the responses with further, virtual rewards in their group's mean and standard deviation.

    Of the virtual rewards of a group it takes their number, their sum, and the sum of their squares.
    """
    values, size = reward.double(), groups.size + count
    mean = (group_sum(values, groups) + total) / size
    centred = values - mean[groups.number]
    if not normalize_by_std:
        return centred
    spread = group_sum(centred.square(), groups) + squares - 2 * mean * total + count * mean.square()
    std = (spread.clamp(min=0) / (size - 1).clamp(min=1)).sqrt()
    return centred / (std + EPSILON)[groups.number]


class Running(NamedTuple):
    """Count, mean and sum of squared deviations of all values so far."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def with_(self, values: torch.Tensor) -> "Running":
        """Adds a batch of values."""
        count, mean = len(values), values.mean().item()
        total, gap = self.count + count, mean - self.mean
        squares = self.squares + (values - mean).square().sum().item() + gap**2 * self.count * count / total
        return Running(total, self.mean + gap * count / total, squares)

    @property
    def variance(self) -> float:
        """The unbiased variance; 0 of a single value."""
        return self.squares / (self.count - 1) if self.count > 1 else 0.0
