"""The graded score: overlap, assignment against trying all, and the scales."""

import random
import time
from itertools import permutations

import pytest

from reward_score.tool_calls.score import Pair, assign, correctness, overlap, scale_score


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ([], [], 1),
        (["a"], [], 0),
        ([], ["a"], 0),
        (["a"], ["b"], 0),
        (["a", "b"], ["b", "a"], 1),
        (["a", "a"], ["a"], 1 / 2),
        (["a", "b"], ["b", "c"], 1 / 3),
        (["a", "a", "b"], ["a", "b", "b"], 2 / 4),
    ],
)
def test_overlap(first, second, share):
    assert overlap(first, second) == share


def weights_of(pairs, assigned):
    return sum(row[call].weight for row, call in zip(pairs, assigned, strict=True) if call is not None)


def test_no_assignment_is_better():
    rng = random.Random(0)
    better_than_greedy = 0
    for _ in range(200):
        wanted, called = rng.randint(1, 4), rng.randint(0, 4)
        pairs = [
            {call: Pair(rng.choice([0.0, 0.5, 1.0, 1.5, 2.0]), 3) for call in range(called) if rng.random() < 0.7}
            for _ in range(wanted)
        ]
        assigned = assign(pairs)
        chosen = [call for call in assigned if call is not None]
        assert len(chosen) == len(set(chosen))
        everyone = permutations([*range(called), *[None] * wanted], wanted)
        best = max(
            sum(row[call].weight if call in row else 0.0 for row, call in zip(pairs, one, strict=True))
            for one in everyone
        )
        assert weights_of(pairs, assigned) == best
        greedy, used = 0.0, set()
        for row in pairs:
            free = {call: pair.weight for call, pair in row.items() if call not in used}
            if free and max(free.values()) > 0:
                call = max(free, key=free.get)
                used.add(call)
                greedy += free[call]
        better_than_greedy += best > greedy
    assert better_than_greedy > 10


def test_greedy_order_is_kept_where_it_is_best():
    # ToolRL takes the first of the largest.
    assert assign([{0: Pair(1.0, 2), 1: Pair(1.0, 2)}, {0: Pair(1.0, 2), 1: Pair(1.0, 2)}]) == [0, 1]
    # 3 is the most that two calls can reach here, by greedy's 2 + 1 as by 1 + 2; each call's best would be 2 + 2.
    assert assign([{0: Pair(1.0, 2), 1: Pair(1.0, 2), 2: Pair(2.0, 2)}, {1: Pair(1.0, 2), 2: Pair(2.0, 2)}]) == [2, 1]
    assert assign([{0: Pair(0.0, 2)}, {}]) == [None, None]
    assert assign([]) == []


def test_the_largest_assignment_is_bounded_in_time():
    rng = random.Random(0)
    pairs = [{call: Pair(rng.random(), 2) for call in range(64)} for _ in range(64)]
    start = time.process_time()
    assigned = assign(pairs)
    assert time.process_time() - start < 2.0  # of this process's own time; measured: 0.1 s
    assert sorted(assigned) == list(range(64))


def test_correctness_takes_the_size_of_the_pair_or_of_the_wanted_call_alone():
    # Names f, f against f: 1/2. The first is assigned: weight 1.5 of 3; the second is not: 0 of 4.
    pairs = [{0: Pair(1.5, 3)}, {0: Pair(1.0, 5)}]
    score, assigned = correctness(["f", "f"], ["f"], pairs, [2, 4])
    assert score == pytest.approx(6 * (0.5 + 1.5) / (1 + 3 + 4) - 3)
    assert assigned == [0, None]


@pytest.mark.parametrize(
    ("scale", "correct", "form", "acc", "score"),
    [
        ("toolrl", 3.0, 1.0, 1.0, 4.0),
        ("toolrl", -3.0, 0.0, 0.0, -3.0),
        ("toolrl", 1.2, 1.0, 0.0, 2.2),
        ("unit", 3.0, 1.0, 1.0, 1.0),
        ("unit", -3.0, 0.0, 0.0, 0.0),
        ("unit", 0.5, 0.0, 0.0, 0.5),
        ("binary", 3.0, 0.0, 1.0, 1.0),
        ("binary", 2.9, 1.0, 0.0, 0.0),
    ],
)
def test_scales(scale, correct, form, acc, score):
    assert scale_score(scale, correct, form, acc) == pytest.approx(score)


@pytest.mark.parametrize("scale", ["", "Unit", None, "graded"])
def test_unknown_scale_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be one of toolrl, unit, binary, got"):
        scale_score(scale, 0.0, 0.0, 0.0)
