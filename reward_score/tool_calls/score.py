"""ToolRL's graded score of calls, and the scales on which it is given.

Source: ToolRL (arXiv:2504.13958), as in verl/utils/reward_score/rlla.py (`compute_tool_call_reward`). Deviation: where
taking the best call for each wanted one in turn (greedy) is worse than the best assignment, the best one counts, which
is what the paper describes.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

WORST: Final = -3.0
BEST: Final = 3.0

SCALES: Final = ("toolrl", "unit", "binary")

_ROUNDING: Final = 1e-9
"""Sums of the same weights in another order differ by less."""


class Pair(NamedTuple):
    """How well a call fits a wanted one: `weight` of at most `size`."""

    weight: float
    size: int


def scale_score(scale: str, correct: float, form: float, acc: float) -> float:
    """Puts the parts of a score on a scale: how right the calls are, in [-3, 3], whether the form is right, and `acc`.

    "toolrl": correct + form, in [-3, 4]; "unit": the same moved to [0, 1]; "binary": acc. Raises ValueError if the
    scale is not known.
    """
    if scale == "toolrl":
        return correct + form
    if scale == "unit":
        return (correct + form - WORST) / (BEST + 1.0 - WORST)
    if scale == "binary":
        return acc
    raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}: correct the option")


def overlap(first: Sequence[str], second: Sequence[str]) -> float:
    """Gives the size of two lists' intersection by that of their union as multisets; 1 if both are empty.

    Time grows with the product of both lengths.
    """
    if first == second:
        return 1.0
    if not first or not second:
        return 0.0
    left = list(second)
    for name in first:
        if name in left:
            left.remove(name)
    common = len(second) - len(left)
    return common / (len(first) + len(second) - common)


def correctness(
    wanted: Sequence[str], called: Sequence[str], pairs: Sequence[Mapping[int, Pair]], sizes: Sequence[int]
) -> tuple[float, list[int | None]]:
    """Scores calls against the wanted ones in [-3, 3], and gives the assignment of `assign`.

    6 R - 3, where R = (overlap of the names + weights of the assigned pairs) / (1 + sizes): of the pair for a wanted
    call that has one, else of the wanted call alone. The additions are in ToolRL's order, so that where it assigns as
    well the number is the same to the last bit. `pairs` are, for each wanted call, the calls that may be assigned to
    it, by their index.
    """
    points = overlap(wanted, called)
    total = 1.0
    assigned = assign(pairs)
    for index, call in enumerate(assigned):
        weight, size = (0.0, sizes[index]) if call is None else pairs[index][call]
        points += weight
        total += size
    return (BEST - WORST) * points / total + WORST, assigned


def assign(pairs: Sequence[Mapping[int, Pair]]) -> list[int | None]:
    """Assigns calls to wanted calls so that the sum of the weights is largest; greedily if nothing else is better.

    Gives for each wanted call the index of its call, None where no call is left that has a weight. Time grows with the
    cube of the larger of both numbers, 64 at most.
    """
    greedy = _assign_greedily(pairs)
    reached = _sum_weights(pairs, greedy)
    bound = sum(max((pair.weight for pair in row.values()), default=0.0) for row in pairs)
    if reached >= bound - _ROUNDING:
        return greedy
    best = _assign_best(pairs)
    return best if _sum_weights(pairs, best) > reached + _ROUNDING else greedy


def _assign_greedily(pairs: Sequence[Mapping[int, Pair]]) -> list[int | None]:
    used: set[int] = set()
    assigned: list[int | None] = []
    for row in pairs:
        chosen, weight = None, 0.0
        for call, pair in row.items():
            if call not in used and pair.weight > weight:
                chosen, weight = call, pair.weight
        if chosen is not None:
            used.add(chosen)
        assigned.append(chosen)
    return assigned


def _sum_weights(pairs: Sequence[Mapping[int, Pair]], assigned: Sequence[int | None]) -> float:
    return sum(row[call].weight for row, call in zip(pairs, assigned, strict=True) if call is not None)


def _assign_best(pairs: Sequence[Mapping[int, Pair]]) -> list[int | None]:
    # Imported here: it takes 0.4 s, and few responses need it. Weights of zero fill the matrix up.
    optimize: Any = importlib.import_module("scipy.optimize")
    columns = max(len(pairs), 1 + max((call for row in pairs for call in row), default=0))
    weights = [[row[call].weight if call in row else 0.0 for call in range(columns)] for row in pairs]
    calls: list[int] = optimize.linear_sum_assignment(weights, maximize=True)[1].tolist()
    return [call if row[call] > 0 else None for row, call in zip(weights, calls, strict=True)]
