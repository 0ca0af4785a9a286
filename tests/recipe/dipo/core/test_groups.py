import pytest
import torch

from recipe.dipo.core.groups import group_amax, group_median, group_sum, number_groups


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
