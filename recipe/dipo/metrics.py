"""What a step of DiPO did, in numbers for the log and in words for dumps; never used in training.

Names are chosen for verl's MetricsAggregator, which picks how to reduce a metric over the updates of one step from
words in its name (verl/trainer/ppo/v1/utils.py): a count of groups has "total" in its name and is summed, everything
else is averaged, weighted by responses. No name may hold "max" or "min"; the rule `max` therefore appears as "peak".
"""

import math
from typing import Any, Final

import torch

from groupwise.maths.groups import GroupKind, Groups, group_amax, group_sum, has_marked
from groupwise.method import Responses
from recipe.dipo.display import ADMISSIBLE, CORRECT, DOWN, QUADRANTS, UP, WOULD, WRONG
from recipe.dipo.reallocation import (
    GROUP_PERPLEXITY_RULES,
    Reallocation,
    group_statistic,
    reallocation_candidates,
)
from recipe.dipo.threshold import Threshold

KIND_NAMES: Final = {int(kind): kind.name.lower() for kind in GroupKind}
QUADRANT_NAMES: Final = tuple(QUADRANTS)


def step_metrics(
    responses: Responses, threshold: Threshold | None, found: Reallocation, *, rule: str, queue_size: int
) -> dict[str, float]:
    """Puts a step, responses of whole groups and what was decided for them, into numbers, by the metrics' names.

    `rule` is the `group_perplexity` in force, `queue_size` the number of responses that the threshold was found on.
    What does not exist in this step is absent: tau* where no threshold is admissible, a mean perplexity where there is
    no response to take it from.
    """
    groups, count = responses.groups, max(1, len(responses.groups.size))
    metrics = {
        f"group_share/{name}": _count_groups(found.kind == kind, groups) / count for kind, name in KIND_NAMES.items()
    }
    for each in GROUP_PERPLEXITY_RULES:
        marks = found.chosen if each == rule else _candidates(responses, threshold, found, each)
        metrics[WOULD[each]] = float(_count_groups(marks, groups))
    metrics[UP] = float((found.chosen & (found.kind == GroupKind.HARD)).sum())
    metrics[DOWN] = float((found.chosen & (found.kind == GroupKind.EASY)).sum())
    for name, marks in ((CORRECT, responses.correct), (WRONG, ~responses.correct)):
        if bool(marks.any()):
            metrics[name] = responses.perplexity[marks].double().mean().item()
    metrics[ADMISSIBLE] = float(threshold is not None)
    if threshold is not None:
        metrics |= {f"threshold/{name}": value for name, value in threshold._asdict().items()}
        metrics |= _quadrant_shares(responses, threshold.value)
    return {**metrics, "queue_size": float(queue_size)}


def _count_groups(marks: torch.Tensor, groups: Groups) -> int:
    """Counts the groups in which at least one response is marked."""
    return int((group_sum(marks.long(), groups) > 0).sum())


def _quadrant_shares(responses: Responses, tau: float) -> dict[str, float]:
    low, high = responses.perplexity < tau, responses.perplexity > tau
    marks = (verdict & side for verdict in (responses.correct, ~responses.correct) for side in (low, high))
    size = max(1, len(low))
    return {f"quadrant_share/{name}": int(mark.sum()) / size for name, mark in zip(QUADRANT_NAMES, marks, strict=True)}


def step_columns(
    responses: Responses, threshold: Threshold | None, found: Reallocation, *, rule: str
) -> dict[str, list[Any]]:
    """Labels the responses of a step, of whole groups, under the `group_perplexity` in force.

    Returns:
        By name a value for each response. `group_kind`: hard, easy or mixed. `group_perplexity`: what the rule compares
        with tau*: the median, mean or largest perplexity of the group, for `any` and `any_group` the largest of those
        in the space, None without any and for `always`. `quadrant`: one of QUADRANT_NAMES, None without a threshold or
        on it. `reallocated_reward`: R_r. `touched`: whether a reward of the group was reallocated; `chosen`: whether it
        is the response of its group that was rewarded or penalised.
    """
    groups = responses.groups
    return {
        "group_kind": [KIND_NAMES[value] for value in found.kind.tolist()],
        "group_perplexity": _located(responses, threshold, found, rule),
        "quadrant": _quadrants(responses, threshold),
        "reallocated_reward": found.reward.double().tolist(),
        "touched": has_marked(found.chosen, groups).tolist(),
        "chosen": found.chosen.tolist(),
    }


def _candidates(responses: Responses, threshold: Threshold | None, found: Reallocation, rule: str) -> torch.Tensor:
    perplexity, groups = responses.perplexity, responses.groups
    return reallocation_candidates(perplexity, found.kind, groups, threshold, group_perplexity=rule)


def _located(responses: Responses, threshold: Threshold | None, found: Reallocation, rule: str) -> list[float | None]:
    perplexity, groups = responses.perplexity, responses.groups
    if rule in ("median", "mean", "max"):
        return group_statistic(perplexity, groups, rule).tolist()
    if rule == "always":
        return [None] * len(perplexity)
    # Those that lie in the space are the ones that `any` takes, whichever of the group is then chosen.
    marks = _candidates(responses, threshold, found, "any")
    located = group_amax(torch.where(marks, perplexity, -torch.inf), groups)[groups.number]
    return [None if value == -math.inf else value for value in located.tolist()]


def _quadrants(responses: Responses, threshold: Threshold | None) -> list[str | None]:
    if threshold is None:
        return [None] * len(responses.perplexity)
    names = {(True, True): 0, (True, False): 1, (False, True): 2, (False, False): 3}
    tau = threshold.value
    return [
        None if value == tau else QUADRANT_NAMES[names[right, value < tau]]
        for right, value in zip(responses.correct.tolist(), responses.perplexity.tolist(), strict=True)
    ]
