import math

import pytest
import torch

from groupwise.maths.advantage import group_advantage
from groupwise.maths.groups import GroupKind, number_groups
from recipe.dipo import reallocation
from recipe.dipo.reallocation import GROUP_PERPLEXITY_RULES
from recipe.dipo.threshold import Threshold

LAST = [0, 0, 0, 1]
BY_THRESHOLD = [rule for rule in GROUP_PERPLEXITY_RULES if rule != "always"]


def at(value: float) -> Threshold:
    return Threshold(value, 0.1, 0.5, 0.5)


def reallocated(*arguments, **keywords) -> torch.Tensor:
    return reallocation.reallocate(*arguments, **keywords).reward


def reallocate(perplexity: list[float], correct: int, rule: str, tau: float = 2.0) -> list[float]:
    """The reallocated rewards of one group whose responses are all right (1) or all wrong (0)."""
    n = len(perplexity)
    return reallocated(
        torch.tensor(perplexity, dtype=torch.float64),
        torch.full((n,), correct == 1),
        torch.full((n,), float(correct)),
        torch.zeros(n, dtype=torch.int64),
        at(tau),
        group_perplexity=rule,
    ).tolist()


class TestReallocateRewards:
    # tau is 2. Statistics of [1, 1.5, 5, 6]: median 3.25, mean 3.375, max 6. Of [1, 1.5, 1.9, 9]: median 1.7, mean
    # 3.35, max 9. Of [1, 1, 1, 4]: median 1, mean 1.75, max 4. Of [1, 1.2, 1.3, 1.4]: all below 2.
    @pytest.mark.parametrize(
        ("perplexity", "expected"),
        [
            # In a hard group `any` chooses among the confident errors, the others take the group's maximum.
            ([1.0, 1.5, 5.0, 6.0], {"any": [0, 1, 0, 0], "any_group": LAST}),
            ([1.0, 1.5, 1.9, 9.0], {"any": [0, 0, 1, 0], "any_group": LAST, "median": LAST}),
            ([1.0, 1.0, 1.0, 4.0], {"any": [1, 0, 0, 0], "any_group": LAST, "median": LAST, "mean": LAST}),
            ([1.2, 1.3, 1.0, 1.4], dict.fromkeys(GROUP_PERPLEXITY_RULES, LAST)),
            ([3.0, 4.0, 5.0, 6.0], {}),
        ],
    )
    @pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
    def test_rewards_one_response_of_a_confident_hard_group(self, perplexity, expected: dict, rule: str):
        assert reallocate(perplexity, 0, rule) == ({"always": LAST} | expected).get(rule, [0, 0, 0, 0])

    @pytest.mark.parametrize(
        ("perplexity", "touched_by"),
        [
            ([1.0, 1.5, 5.0, 6.0], {"any", "any_group", "median", "mean", "max"}),
            ([1.0, 1.5, 1.9, 9.0], {"any", "any_group", "mean", "max"}),
            ([1.0, 1.0, 1.0, 4.0], {"any", "any_group", "max"}),
            ([1.0, 1.2, 1.3, 1.4], set()),
        ],
    )
    @pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
    def test_penalises_one_response_of_an_unsure_easy_group(self, perplexity, touched_by: set, rule: str):
        assert reallocate(perplexity, 1, rule) == ([1, 1, 1, 0] if rule in touched_by | {"always"} else [0, 0, 0, 0])

    @pytest.mark.parametrize("rule", BY_THRESHOLD)
    @pytest.mark.parametrize("correct", [0, 1])
    def test_a_perplexity_at_the_threshold_is_in_neither_space(self, correct: int, rule: str):
        assert reallocate([2.0, 2.0], correct, rule) == [0, 0]

    def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two(self):
        # (1.5 + 2.4) / 2 = 1.95 < 2, (1.5 + 2.6) / 2 = 2.05 > 2; of an odd number it is the middle one.
        assert reallocate([1.0, 1.5, 2.4, 9.0], 0, "median") == [0, 0, 0, 1]
        assert reallocate([1.0, 1.5, 2.6, 9.0], 0, "median") == [0, 0, 0, 0]
        assert reallocate([1.9, 9.0, 1.0], 0, "median") == [0, 1, 0]
        assert reallocate([2.1, 9.0, 1.0], 0, "median") == [0, 0, 0]

    @pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
    def test_of_equal_perplexities_the_first_row_is_chosen(self, rule: str):
        assert reallocate([1.0, 1.5, 1.5, 1.5], 0, rule) == [0, 1, 0, 0]
        assert reallocate([1.0, 3.5, 3.5, 3.5], 1, rule) == [1, 0, 1, 1]

    @pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
    def test_an_infinite_perplexity_is_the_highest(self, rule: str):
        assert reallocate([3.0, math.inf, 3.0], 1, rule) == [1, 0, 1]

    def test_float32_perplexities_are_compared_in_float64(self):
        # float32(1.1) is 2.4e-8 above 1.1, to which tau would be rounded in a float32 comparison.
        rewards = reallocated(
            torch.tensor([1.0, 1.1], dtype=torch.float32),
            torch.tensor([True, True]),
            torch.ones(2),
            torch.zeros(2, dtype=torch.int64),
            at(1.1),
            group_perplexity="any",
        )
        assert rewards.tolist() == [1, 0]

    @pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
    def test_without_a_threshold_only_always_reallocates(self, rule: str):
        correct = torch.tensor([False, False, True, True, True, False])
        group = torch.tensor([0, 0, 1, 1, 2, 2])
        perplexity = torch.tensor([1.0, 2.0, 1.0, 2.0, 1.0, 2.0])
        rewards = reallocated(perplexity, correct, correct.float(), group, None, group_perplexity=rule)
        assert rewards.tolist() == ([0, 1, 1, 0, 0, 0] if rule == "always" else [0] * 6)

    @pytest.mark.parametrize(
        ("changed", "error", "message"),
        [
            ({"group_perplexity": "Any"}, ValueError, "must be one of any, any_group, .*always, but is 'Any'"),
            ({"perplexity": torch.tensor([math.nan, 1.0])}, ValueError, "stands in row 0"),
            ({"perplexity": torch.ones(3)}, ValueError, r"perplexity \(3,\), correct \(2,\)"),
            ({"reward": torch.tensor([math.nan, 1.0])}, ValueError, "reward must be finite"),
            ({"perplexity": torch.ones(2, dtype=torch.int64)}, TypeError, "floating dtype"),
        ],
    )
    def test_refuses_malformed_input(self, changed: dict, error: type[Exception], message: str):
        good = {
            "perplexity": torch.ones(2),
            "correct": torch.tensor([False, False]),
            "reward": torch.zeros(2),
            "group": torch.tensor([0, 0]),
            "threshold": at(2.0),
            "group_perplexity": "any",
        }
        with pytest.raises(error, match=message):
            reallocated(**(good | changed))


def reallocate_one_group_by_definition(perplexity: list[float], right: bool, tau: float, rule: str) -> list[float]:
    """method: candidates, then the one of maximum perplexity, by plain Python."""
    n = len(perplexity)
    ordered = sorted(perplexity)
    statistic = {
        "median": (ordered[(n - 1) // 2] + ordered[n // 2]) / 2,
        "mean": math.fsum(perplexity) / n,
        "max": ordered[-1],
    }
    located = perplexity if rule not in statistic else [statistic[rule]] * n
    candidates = [i for i in range(n) if (located[i] > tau if right else located[i] < tau)]
    if rule == "always" or (rule == "any_group" and candidates):
        candidates = list(range(n))
    if not candidates:
        return [0.0] * n
    chosen = max(candidates, key=lambda i: perplexity[i])
    return [float((i == chosen) != right) for i in range(n)]


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def random_batch(generator: torch.Generator) -> Batch:
    """Uneven groups of 1 to 8 responses with scattered ids in random row order: hard, easy, mixed and graded ones."""
    sizes = torch.randint(1, 9, (20,), generator=generator)
    number = torch.arange(20).repeat_interleave(sizes)
    number = number[torch.randperm(len(number), generator=generator)]
    ids = torch.randperm(10_000, generator=generator)[:20] - 5_000
    outcome = torch.randint(0, 3, (20,), generator=generator)[number]
    coin = torch.rand(len(number), generator=generator) < 0.5
    correct = (outcome == 1) | ((outcome == 2) & coin)
    is_graded = torch.rand(len(number), generator=generator) < 0.1
    perplexity = 1 + torch.rand(len(number), generator=generator).double()
    return perplexity, correct, torch.where(is_graded, 0.25, correct.float()), ids[number]


def rows_by_group(group: torch.Tensor) -> list[torch.Tensor]:
    return [(group == number).nonzero().flatten() for number in sorted(set(group.tolist()))]


@pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
class TestPropertiesOnRandomBatches:
    def test_equals_the_definition_group_by_group(self, rule: str):
        generator = torch.Generator().manual_seed(5)
        touched = [0, 0]
        for _ in range(20):
            perplexity, correct, reward, group = random_batch(generator)
            found = reallocated(perplexity, correct, reward, group, at(1.5), group_perplexity=rule)
            for rows in rows_by_group(group):
                right, outcomes = (
                    bool(correct[rows[0]]),
                    set(zip(correct[rows].tolist(), reward[rows].tolist(), strict=True)),
                )
                expected = [0.0] * len(rows)
                if len(rows) > 1 and len(outcomes) == 1:
                    expected = reallocate_one_group_by_definition(perplexity[rows].tolist(), right, 1.5, rule)
                assert found[rows].tolist() == expected
                touched[right] += any(expected)
        assert min(touched) > 1

    def test_acts_only_where_the_verified_rewards_do_not_and_never_changes_them(self, rule: str):
        generator = torch.Generator().manual_seed(6)
        both = [0, 0]
        for _ in range(20):
            batch = random_batch(generator)
            kept = [tensor.clone() for tensor in batch]
            found = reallocated(*batch, at(1.5), group_perplexity=rule)
            assert all(torch.equal(tensor, before) for tensor, before in zip(batch, kept, strict=True))
            assert found.dtype == batch[2].dtype
            verified = group_advantage(batch[2], batch[3], epsilon=1e-6, normalize_by_std=True)
            for rows in rows_by_group(batch[3]):
                acts = bool(verified[rows].any()), bool(found[rows].any())
                assert acts != (True, True)
                both = [both[0] + acts[0], both[1] + acts[1]]
        assert min(both) > 5

    def test_changes_one_response_of_a_touched_group_up_in_hard_and_down_in_easy_ones(self, rule: str):
        generator = torch.Generator().manual_seed(7)
        touched = [0, 0]
        for _ in range(20):
            perplexity, correct, reward, group = random_batch(generator)
            found = reallocated(perplexity, correct, reward, group, at(1.5), group_perplexity=rule)
            advantage = group_advantage(found, group, epsilon=1e-6, normalize_by_std=True)
            for rows in rows_by_group(group):
                right, values, n = bool(correct[rows[0]]), found[rows], len(rows)
                if not values.any():
                    continue
                is_odd = values == (0 if right else 1)
                assert is_odd.sum() == 1
                # One of n values differs by 1: variance p (1 - p) with p = 1/n.
                assert values.double().var(correction=0).item() == pytest.approx((n - 1) / n**2)
                assert (advantage[rows] * (-1 if right else 1) > 0).tolist() == is_odd.tolist()
                touched[right] += 1
        assert min(touched) > 1

    def test_is_equivariant_under_permutation_of_the_rows(self, rule: str):
        generator = torch.Generator().manual_seed(8)
        for _ in range(20):
            batch = random_batch(generator)
            order = torch.randperm(len(batch[0]), generator=generator)
            found = reallocated(*batch, at(1.5), group_perplexity=rule)
            permuted = reallocated(*(tensor[order] for tensor in batch), at(1.5), group_perplexity=rule)
            assert torch.equal(permuted, found[order])


def test_the_record_says_of_each_response_what_its_reward_follows_from():
    # tau is 2. The hard group's 1.5 is chosen of two confident errors, the easy group's 3; the last group is mixed.
    perplexity = torch.tensor([1.0, 1.5, 1.0, 3.0, 1.0, 3.0], dtype=torch.float64)
    correct = torch.tensor([False, False, True, True, True, False])
    group = torch.tensor([7, 7, 3, 3, 5, 5])
    arguments = (perplexity, correct, correct.float())
    found = reallocation.reallocate(*arguments, group, at(2.0), group_perplexity="any")
    hard, easy, mixed = GroupKind.HARD, GroupKind.EASY, GroupKind.MIXED
    assert found.kind.tolist() == [hard, hard, easy, easy, mixed, mixed]
    assert found.chosen.tolist() == [False, True, False, True, False, False]
    assert found.reward.tolist() == [0, 1, 1, 0, 0, 0]
    # Groups that are numbered already are taken as they are.
    again = reallocation.reallocate(*arguments, number_groups(group), at(2.0), group_perplexity="any")
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True))
