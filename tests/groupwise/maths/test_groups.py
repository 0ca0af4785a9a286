import math

import pytest
import torch

from groupwise.maths.groups import GroupKind, classify_groups, group_amax, group_median, group_sum, number_groups

MIXED, HARD, EASY = GroupKind.MIXED, GroupKind.HARD, GroupKind.EASY


def test_numbers_groups_in_ascending_order_of_id_whatever_the_ids():
    groups = number_groups(torch.tensor([7, -3, 7, 2**62, -(2**63), 7]))
    assert groups.number.tolist() == [2, 1, 2, 3, 0, 2]
    assert groups.size.tolist() == [1, 1, 3, 1]


def test_tells_ids_apart_whose_difference_overflows_int64():
    assert number_groups(torch.tensor([2**62, -(2**63)])).number.tolist() == [1, 0]


def test_of_no_responses_there_are_no_groups():
    groups = number_groups(torch.empty(0, dtype=torch.int64))
    assert (len(groups.number), len(groups.size)) == (0, 0)
    for reduce in (group_sum, group_amax, group_median):
        assert reduce(torch.empty(0), groups).shape == (0,)


def test_refuses_ids_that_are_not_int64():
    with pytest.raises(TypeError, match=r"group must be torch\.int64, but is torch\.int32"):
        number_groups(torch.tensor([1], dtype=torch.int32))


def test_reductions_equal_those_of_each_group_by_itself():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        group = torch.randint(-4, 5, (40,), generator=generator)
        values = torch.randn(40, generator=generator).double()
        groups = number_groups(group)
        parts = [values[group == number] for number in sorted(set(group.tolist()))]
        torch.testing.assert_close(group_sum(values, groups), torch.stack([part.sum() for part in parts]))
        assert torch.equal(group_amax(values, groups), torch.stack([part.max() for part in parts]))
        # Interpolating the quantile 0.5 gives the mean of the middle two.
        medians = torch.stack([part.quantile(0.5) for part in parts])
        torch.testing.assert_close(group_median(values, groups), medians)


def test_numbered_groups_are_given_back():
    groups = number_groups(torch.tensor([3, 1]))
    assert number_groups(groups) is groups


def kinds(correct: list[int], reward: list[float], group: list[int]) -> list[int]:
    return classify_groups(torch.tensor(correct) == 1, torch.tensor(reward), torch.tensor(group)).tolist()


class TestClassifyGroups:
    def test_tells_hard_easy_and_mixed_groups_apart_in_any_order_of_rows(self):
        # Ids -5, 7 and 10**12, their rows interleaved.
        group = [7, -5, 10**12, 7, -5, 10**12]
        assert kinds([0, 1, 1, 0, 1, 0], [0.0, 1.0, 1.0, 0.0, 1.0, 0.0], group) == [HARD, EASY, MIXED] * 2

    @pytest.mark.parametrize(
        ("correct", "reward", "kind"),
        [
            ([0, 0], [0.3, 0.3], HARD),
            ([1, 1], [0.7, 0.7], EASY),
            ([0, 0], [-1.0, -1.0], HARD),
            # Graded rewards that differ have a gradient already.
            ([0, 0], [0.0, 0.1], MIXED),
            ([1, 1], [1.0, 0.9], MIXED),
            ([0, 0], [0.3, 0.3 + 2.0**-24], MIXED),
            # Equal rewards, but the verdicts differ.
            ([0, 1], [0.5, 0.5], MIXED),
            # Nothing to compare a single response with.
            ([0], [0.0], MIXED),
            ([1], [1.0], MIXED),
        ],
    )
    def test_needs_all_verdicts_alike_and_no_variance_and_two_responses(self, correct, reward, kind):
        assert kinds(correct, reward, [3] * len(correct)) == [kind] * len(correct)

    def test_of_no_responses_is_empty(self):
        none = torch.empty(0)
        assert classify_groups(none.bool(), none, none.long()).shape == (0,)

    @pytest.mark.parametrize(
        ("changed", "error", "message"),
        [
            ({"reward": torch.tensor([0.0, math.nan])}, ValueError, "reward must be finite, but .* in row 1"),
            ({"reward": torch.tensor([math.inf, 0.0])}, ValueError, "reward must be finite, but .* in row 0"),
            ({"reward": torch.tensor([0, 1])}, TypeError, r"reward must be of a floating dtype, but is torch\.int64"),
            ({"correct": torch.tensor([0.0, 1.0])}, TypeError, r"correct must be torch\.bool"),
            ({"group": torch.tensor([0.0, 1.0])}, TypeError, r"group must be torch\.int64, but is torch\.float32"),
            ({"group": torch.tensor([0])}, ValueError, r"correct \(2,\), reward \(2,\), group \(1,\)"),
            ({"reward": torch.zeros(2, 3)}, ValueError, r"reward \(2, 3\)"),
        ],
    )
    def test_refuses_malformed_input(self, changed: dict, error: type[Exception], message: str):
        good = {"correct": torch.tensor([True, False]), "reward": torch.zeros(2), "group": torch.tensor([0, 1])}
        with pytest.raises(error, match=message):
            classify_groups(**(good | changed))

    def test_numbered_groups_say_the_same(self):
        group = torch.tensor([7, -5, 7, -5])
        correct, reward = torch.tensor([False, True, False, True]), torch.tensor([0.0, 1.0, 0.0, 1.0])
        assert classify_groups(correct, reward, number_groups(group)).tolist() == [HARD, EASY, HARD, EASY]
