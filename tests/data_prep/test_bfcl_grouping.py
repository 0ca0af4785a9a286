"""Grouping: against components found by brute force, and the share of groups that is held out."""

import math
import random

import pytest

from data_prep.bfcl import group_by_shared, is_held_out


def components(keys):
    """Each record's component, by walking from every record to all that share a key until nothing new is reached."""
    smallest = {}
    for start in keys:
        reached, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            found = {other for other in keys if keys[here] & keys[other]} - reached
            reached |= found
            waiting += found
        smallest[start] = min(reached)
    return smallest


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_the_components_of_random_graphs(seed):
    draw = random.Random(seed)
    # From hardly any key in common to nearly all records in one component.
    number, pool = draw.randrange(1, 40), draw.choice((5, 20, 60, 300))
    keys = {f"r{n}": set(draw.choices(range(pool), k=draw.randrange(4))) for n in draw.sample(range(100), number)}
    expected = components(keys)
    assert group_by_shared(keys) == expected
    shuffled = draw.sample(list(keys.items()), number)
    assert group_by_shared(dict(shuffled)) == expected


@pytest.mark.parametrize(
    ("keys", "groups"),
    [
        ({}, {}),
        ({"a": []}, {"a": "a"}),
        ({"a": [], "b": []}, {"a": "a", "b": "b"}),
        ({"a": [1], "b": [2]}, {"a": "a", "b": "b"}),
        ({"b": [1], "a": [1]}, {"a": "a", "b": "a"}),
        ({"a": [1, 1], "b": [2]}, {"a": "a", "b": "b"}),
        # Two groups that the last record joins, and a chain that is read from its end.
        ({"a": [1], "b": [2], "c": [1, 2]}, {"a": "a", "b": "a", "c": "a"}),
        ({"d": [3, 4], "c": [2, 3], "b": [1, 2], "a": [0, 1]}, dict.fromkeys("abcd", "a")),
        ({"a": iter([1]), "b": iter([1])}, {"a": "a", "b": "a"}),
    ],
)
def test_small_groups(keys, groups):
    assert group_by_shared(keys) == groups


def test_a_long_chain_is_one_group():
    assert set(group_by_shared({f"{n:05}": (n, n + 1) for n in range(20_000)}).values()) == {"00000"}


GROUPS = [f"group {number}" for number in range(20_000)]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
def test_the_share_is_met_to_four_standard_deviations(share):
    held_out = sum(is_held_out(group, share, 0) for group in GROUPS)
    # A binomial number, if the choice is as good as random: mean n p, variance n p (1 - p).
    assert abs(held_out - len(GROUPS) * share) < 4 * math.sqrt(len(GROUPS) * share * (1 - share))


def test_no_group_at_0_and_every_group_at_1():
    assert not any(is_held_out(group, 0, 0) for group in GROUPS[:1000])
    assert all(is_held_out(group, 1, 0) for group in GROUPS[:1000])


def test_a_larger_share_keeps_what_a_smaller_one_chose():
    chosen = [{group for group in GROUPS if is_held_out(group, share, 3)} for share in (0.05, 0.1, 0.4)]
    assert chosen[0] < chosen[1] < chosen[2]


def test_two_seeds_choose_independently():
    both = sum(is_held_out(group, 0.1, 0) and is_held_out(group, 0.1, 1) for group in GROUPS)
    # Each with probability 0.1, so both with 0.01: 200, within four standard deviations of 14.07.
    assert abs(both - 200) < 4 * math.sqrt(20_000 * 0.01 * 0.99)


def test_the_choice_does_not_depend_on_what_other_groups_there_are():
    keys = {f"r{number}": {number // 3} for number in range(300)}
    more = {f"a{number}": {1000 + number // 2} for number in range(300)}
    alone, together = group_by_shared(keys), group_by_shared(more | keys)
    sides = [{name: is_held_out(groups[name], 0.3, 5) for name in keys} for groups in (alone, together)]
    assert sides[0] == sides[1]
    assert len(set(sides[0].values())) == 2
