"""Bidirectional reward reallocation (BRR): one reward in each group that has no gradient and the wrong perplexity.

Chosen here, where the paper's notes are silent:
- Which groups and which response is a matter of `GROUP_PERPLEXITY_RULES`; see `reallocation_candidates`.
- A perplexity (or a statistic of them) equal to tau* lies in neither space.
"""

from typing import NamedTuple

import torch

from groupwise.maths.checks import check_perplexity, check_vectors
from groupwise.maths.groups import (
    GroupKind,
    Groups,
    classify_groups,
    group_amax,
    group_median,
    group_sum,
    has_marked,
    number_groups,
)
from recipe.dipo.threshold import Threshold

GROUP_PERPLEXITY_RULES = ("any", "any_group", "median", "mean", "max", "always")


class Reallocation(NamedTuple):
    """What was decided for B responses.

    Attributes:
        reward: R_r, each 0 or 1, (B,) of the dtype of the verified rewards.
        kind: Value of `GroupKind` of each response's group, (B,) int64.
        chosen: The one response of its group that is rewarded or penalised, (B,) bool.
    """

    reward: torch.Tensor
    kind: torch.Tensor
    chosen: torch.Tensor


def reallocation_candidates(
    perplexity: torch.Tensor,  # (B,)
    kind: torch.Tensor,  # (B,) int64
    groups: Groups,
    threshold: Threshold | None,
    *,
    group_perplexity: str,
) -> torch.Tensor:  # (B,) bool
    """Marks the responses among which the one of maximum perplexity is chosen; a group without any is left alone.

    `any`: the EL responses (`P < tau*`) of hard groups and the CH responses (`P > tau*`) of easy ones. `any_group`: all
    responses of a group that has one of these. `median`, `mean` and `max`: all responses of a hard group if that
    statistic of its perplexities is below tau*, and of an easy group if it is above. `always`: all responses of all
    these groups, with or without a threshold; without one the other rules mark none.
    """
    if group_perplexity not in GROUP_PERPLEXITY_RULES:
        rules = ", ".join(GROUP_PERPLEXITY_RULES)
        raise ValueError(f"group_perplexity must be one of {rules}, but is {group_perplexity!r}.")
    if group_perplexity == "always":
        return kind != GroupKind.MIXED
    if threshold is None:
        return torch.zeros_like(kind, dtype=torch.bool)
    located = perplexity.double()  # a float32 tensor would be compared with tau* rounded to float32
    if group_perplexity not in ("any", "any_group"):
        located = group_statistic(located, groups, group_perplexity)
    is_up = (kind == GroupKind.HARD) & (located < threshold.value)
    is_candidate = is_up | (kind == GroupKind.EASY) & (located > threshold.value)
    return has_marked(is_candidate, groups) if group_perplexity == "any_group" else is_candidate


def group_statistic(values: torch.Tensor, groups: Groups, statistic: str) -> torch.Tensor:
    """The median, mean or max of each response's group, (B,). The median of an even number is the mean of two."""
    if statistic == "median":
        return group_median(values, groups)[groups.number]
    if statistic == "mean":
        return (group_sum(values, groups) / groups.size)[groups.number]
    return group_amax(values, groups)[groups.number]


def reallocate(
    perplexity: torch.Tensor,  # (B,)
    correct: torch.Tensor,  # (B,) bool
    reward: torch.Tensor,  # (B,)
    group: torch.Tensor | Groups,  # (B,) int64
    threshold: Threshold | None,
    *,
    group_perplexity: str,
) -> Reallocation:
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
        group: Any id per response, equal within a group, (B,) int64, or the groups numbered.
        threshold: The threshold of this step; with None, when none is admissible, only `always` reallocates.
        group_perplexity: Which groups have work in which space, one of `GROUP_PERPLEXITY_RULES`.

    Returns:
        R_r, and what it follows from.

    Raises:
        TypeError: For a wrong dtype.
        ValueError: For unequal shapes, a reward that is NaN or infinite, a NaN or negative perplexity, or an unknown
            rule.
    """
    number = group.number if isinstance(group, Groups) else group
    check_vectors(perplexity=perplexity, correct=correct, reward=reward, group=number)
    check_perplexity(perplexity)
    groups = number_groups(group)
    kind = classify_groups(correct, reward, groups)
    is_candidate = reallocation_candidates(perplexity, kind, groups, threshold, group_perplexity=group_perplexity)
    is_chosen = _first_maximum(perplexity.double(), is_candidate, groups)
    is_rewarded = torch.where(kind == GroupKind.HARD, is_chosen, has_marked(is_chosen, groups) & ~is_chosen)
    return Reallocation(is_rewarded.to(reward.dtype), kind, is_chosen)


def _first_maximum(values: torch.Tensor, is_candidate: torch.Tensor, groups: Groups) -> torch.Tensor:
    """Marks in each group the candidate of largest value, the first in row order of several; (B,) bool."""
    candidate_values = torch.where(is_candidate, values, -torch.inf)
    largest = group_amax(candidate_values, groups)[groups.number]
    row = torch.arange(len(values))
    is_largest = is_candidate & (candidate_values == largest)
    first = -group_amax(torch.where(is_largest, -row, -len(values)), groups)[groups.number]
    return is_largest & (row == first)
