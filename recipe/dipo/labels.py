"""What a step made of each response, in words: for dumps and for those who read them, never used in training."""

import math
from typing import Final, NamedTuple

import torch

from recipe.dipo.core.groups import Groups, group_amax, group_median, group_sum, number_groups
from recipe.dipo.core.reallocation import GroupKind, classify_groups, reallocation_candidates
from recipe.dipo.core.threshold import Threshold
from recipe.dipo.step import Responses, Step

KIND_NAMES: Final = {kind: kind.name.lower() for kind in GroupKind}
QUADRANT_NAMES: Final = {
    (True, True): "correct_low",
    (True, False): "correct_high",
    (False, True): "error_low",
    (False, False): "error_high",
}
"""By verdict, and whether the perplexity is below tau*; the names of core/step_statistics.py."""


class Labels(NamedTuple):
    """Labels of B responses, in order.

    Attributes:
        group_kind: hard, easy or mixed; None in a group with a response that has no verdict or no perplexity.
        group_perplexity: What the rule compares with tau*: the median, mean or largest perplexity of the group, and
            for `any` the largest among its candidates. None where there is no such group, or no candidate.
        quadrant: correct_low, correct_high, error_low or error_high; None without a threshold, on it, or where
            `group_kind` is None.
        touched: Whether a reward of the response's group was reallocated.
        chosen: Whether it is the response of its group that was rewarded or penalised.
    """

    group_kind: list[str | None]
    group_perplexity: list[float | None]
    quadrant: list[str | None]
    touched: list[bool]
    chosen: list[bool]


def label(responses: Responses, step: Step, *, rule: str) -> Labels:
    """Labels the responses of a step.

    Args:
        responses: B responses.
        step: What was decided for them.
        rule: The `group_perplexity` in force.

    Returns:
        Labels of the B responses.
    """
    place = step.judged.nonzero().flatten()
    size = len(step.judged)
    if not len(place):
        return Labels([None] * size, [None] * size, [None] * size, [False] * size, [False] * size)
    judged = Responses(*(values[place] for values in responses))
    groups = number_groups(judged.group)
    kind = classify_groups(judged.correct, judged.reward, judged.group)
    given = step.reallocated[place] > 0
    touched = group_amax(given.long(), groups)[groups.number] > 0
    chosen = touched & (given == (kind == GroupKind.HARD))
    return Labels(
        group_kind=_spread([KIND_NAMES[GroupKind(value)] for value in kind.tolist()], place, size),
        group_perplexity=_spread(_located(judged.perplexity, kind, groups, step.threshold, rule), place, size),
        quadrant=_spread(_quadrants(judged, step.threshold), place, size),
        touched=[bool(value) for value in _spread(touched.tolist(), place, size)],
        chosen=[bool(value) for value in _spread(chosen.tolist(), place, size)],
    )


def _spread(values: list, place: torch.Tensor, size: int) -> list:
    """Puts the judged responses' values in their places among all, None in the others."""
    spread = [None] * size
    for where, value in zip(place.tolist(), values, strict=True):
        spread[where] = value
    return spread


def _located(
    perplexity: torch.Tensor, kind: torch.Tensor, groups: Groups, threshold: Threshold | None, rule: str
) -> list[float | None]:
    if rule == "any":
        if threshold is None:
            return [None] * len(perplexity)
        is_candidate = reallocation_candidates(perplexity, kind, groups, threshold, group_perplexity=rule)
        located = group_amax(torch.where(is_candidate, perplexity, -torch.inf), groups)
    elif rule == "median":
        located = group_median(perplexity, groups)
    elif rule == "mean":
        located = group_sum(perplexity, groups) / groups.size
    else:
        located = group_amax(perplexity, groups)
    return [None if value == -math.inf else value for value in located[groups.number].tolist()]


def _quadrants(judged: Responses, threshold: Threshold | None) -> list[str | None]:
    if threshold is None:
        return [None] * len(judged.perplexity)
    tau = threshold.value
    return [
        None if value == tau else QUADRANT_NAMES[correct, value < tau]
        for correct, value in zip(judged.correct.tolist(), judged.perplexity.tolist(), strict=True)
    ]
