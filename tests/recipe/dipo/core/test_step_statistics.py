import math

import pytest
import torch

from recipe.dipo.core.reallocation import GROUP_PERPLEXITY_RULES, reallocate_rewards
from recipe.dipo.core.step_statistics import QuadrantCounts, ReallocatedGroups, step_statistics
from recipe.dipo.core.threshold import Threshold

TAU = Threshold(2.0, 0.1, 0.5, 0.5)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two hard groups (1, 2), one easy (3), one mixed (4) and one of a single response (5)."""
    perplexity = [1.0, 1.5, 1.9, 9.0, 3.0, 4.0, 1.0, 5.0, 1.0, 2.0, 3.0, 7.0]
    correct = [False] * 6 + [True] * 4 + [False, True]
    group = [1] * 4 + [2] * 2 + [3] * 2 + [4] * 3 + [5]
    verdicts = torch.tensor(correct)
    return torch.tensor(perplexity).double(), verdicts, verdicts.float(), torch.tensor(group)


def test_counts_of_a_hand_made_batch():
    statistics = step_statistics(*batch(), TAU)
    assert (statistics.hard, statistics.easy, statistics.mixed) == (2, 1, 2)
    # Right: 1, 5, 1, 2 (at tau: in neither space), 7. Wrong: 1, 1.5, 1.9, 9, 3, 4, 3.
    assert statistics.quadrants == QuadrantCounts(correct_low=2, correct_high=2, error_low=3, error_high=4)
    # Group 1: median 1.7, mean 3.35, max 9. Group 2 lies above. Group 3: median and mean 3, max 5.
    assert statistics.reallocated == {
        "any": ReallocatedGroups(up=1, down=1),
        "median": ReallocatedGroups(up=1, down=1),
        "mean": ReallocatedGroups(up=0, down=1),
        "max": ReallocatedGroups(up=0, down=1),
    }
    assert statistics.mean_perplexity_right == pytest.approx((1 + 5 + 1 + 2 + 7) / 5)
    assert statistics.mean_perplexity_wrong == pytest.approx((1 + 1.5 + 1.9 + 9 + 3 + 4 + 3) / 7)


def test_without_a_threshold_there_are_no_quadrants_and_no_reallocations():
    statistics = step_statistics(*batch(), None)
    assert (statistics.hard, statistics.easy, statistics.mixed) == (2, 1, 2)
    assert statistics.quadrants is None
    assert statistics.reallocated == {rule: ReallocatedGroups(0, 0) for rule in GROUP_PERPLEXITY_RULES}


@pytest.mark.parametrize(("right", "means"), [(True, (1.5, None)), (False, (None, 1.5))])
def test_there_is_no_mean_of_nothing(right: bool, means: tuple):
    verdicts = torch.tensor([right, right])
    statistics = step_statistics(torch.tensor([1.0, 2.0]), verdicts, verdicts.float(), torch.tensor([0, 0]), TAU)
    assert (statistics.mean_perplexity_right, statistics.mean_perplexity_wrong) == means


def test_of_no_responses_everything_is_nothing():
    none = torch.empty(0)
    statistics = step_statistics(none, none.bool(), none, none.long(), TAU)
    assert (statistics.hard, statistics.easy, statistics.mixed) == (0, 0, 0)
    assert statistics.quadrants == QuadrantCounts(0, 0, 0, 0)


@pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
def test_counts_the_groups_that_are_reallocated(rule: str):
    generator = torch.Generator().manual_seed(1)
    for _ in range(30):
        group = torch.randint(0, 12, (60,), generator=generator)
        correct = (torch.rand(13, generator=generator) < 0.5)[group] ^ (torch.rand(60, generator=generator) < 0.05)
        perplexity = 1 + 2 * torch.rand(60, generator=generator).double()
        inputs = (perplexity, correct, correct.float(), group)
        reallocated = reallocate_rewards(*inputs, TAU, group_perplexity=rule)
        found = step_statistics(*inputs, TAU).reallocated[rule]
        # Only in hard groups is a wrong response rewarded, only in easy ones a right one.
        assert found.up == len(set(group[(reallocated == 1) & ~correct].tolist()))
        assert found.down == len(set(group[(reallocated == 1) & correct].tolist()))


@pytest.mark.parametrize("row", [0, 2])
def test_refuses_a_perplexity_that_is_not_a_number(row: int):
    perplexity, correct, reward, group = batch()
    perplexity[row] = math.nan
    with pytest.raises(ValueError, match=f"stands in row {row}"):
        step_statistics(perplexity, correct, reward, group, TAU)
