import math

import numpy as np
import pytest
import torch
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage

from groupwise.maths.advantage import group_advantage
from groupwise.maths.groups import number_groups

EPSILON = 1e-6


def verl_advantage(reward: torch.Tensor, group: torch.Tensor, normalize_by_std: bool) -> torch.Tensor:
    """verl's own estimator on a batch with one token per response."""
    advantage, _ = compute_grpo_outcome_advantage(
        token_level_rewards=reward.clone().unsqueeze(-1),
        response_mask=torch.ones(len(reward), 1),
        index=np.array([f"uid-{number}" for number in group.tolist()], dtype=object),
        epsilon=EPSILON,
        norm_adv_by_std_in_grpo=normalize_by_std,
    )
    return advantage.squeeze(-1)


def random_batch(generator: torch.Generator, rewards: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Groups of 1 to 9 responses in scattered order; a third of the groups has one and the same reward."""
    sizes = torch.randint(1, 10, (30,), generator=generator)
    group = torch.repeat_interleave(torch.randperm(1000, generator=generator)[:30] - 500, sizes)
    drawn = torch.tensor(rewards)[torch.randint(0, len(rewards), (len(group),), generator=generator)]
    reward = torch.where(group % 3 == 0, rewards[0], drawn)
    order = torch.randperm(len(group), generator=generator)
    return reward[order], group[order]


@pytest.mark.parametrize("normalize_by_std", [True, False])
# Sums and means of these are exact in float32, so that verl's own advantage of a constant group is exactly 0 too.
@pytest.mark.parametrize("rewards", [[0.0, 1.0], [1.0, -1.0], [0.25, 0.0, 0.5, 1.0, 4.0]])
def test_equals_verls_estimator_in_float32(rewards: list[float], normalize_by_std: bool):
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        reward, group = random_batch(generator, rewards)
        found = group_advantage(reward, group, epsilon=EPSILON, normalize_by_std=normalize_by_std)
        assert found.dtype == torch.float32
        expected = verl_advantage(reward, group, normalize_by_std)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("normalize_by_std", [True, False])
def test_equals_verls_estimator_in_float64_for_any_rewards(normalize_by_std: bool):
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        group = torch.randint(0, 20, (100,), generator=generator)
        reward = torch.randn(100, generator=generator, dtype=torch.float64)
        found = group_advantage(reward, group, epsilon=EPSILON, normalize_by_std=normalize_by_std)
        expected = verl_advantage(reward, group, normalize_by_std)
        # verl's std of a single response is a float32 1, so that 1 + 1e-6 is off by 5e-8.
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_a_hand_worked_group():
    # Rewards 1, 0, 0, 0: mean 1/4; sum of squares 9/16 + 3/16 = 3/4, over n - 1 = 3 gives 1/4, std 1/2.
    found = group_advantage(torch.tensor([1.0, 0, 0, 0]), torch.zeros(4).long(), epsilon=0.0, normalize_by_std=True)
    assert found.tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5])
    # epsilon is added to the std: 3/4 over 1/2 + 1/2.
    found = group_advantage(torch.tensor([1.0, 0, 0, 0]), torch.zeros(4).long(), epsilon=0.5, normalize_by_std=True)
    assert found.tolist() == pytest.approx([0.75, -0.25, -0.25, -0.25])


@pytest.mark.parametrize("reward", [0.1, 0.7, -0.3, 1e-3, 1e6 + 0.1])
@pytest.mark.parametrize("n", [2, 3, 7, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [0.0, EPSILON])
def test_a_group_of_equal_rewards_has_advantage_exactly_zero(reward: float, n: int, dtype: torch.dtype, epsilon: float):
    rewards = torch.full((n,), reward, dtype=dtype)
    found = group_advantage(rewards, torch.zeros(n).long(), epsilon=epsilon, normalize_by_std=True)
    assert found.tolist() == [0.0] * n


@pytest.mark.parametrize("normalize_by_std", [True, False])
def test_a_single_response_keeps_its_reward_by_verls_rule(normalize_by_std: bool):
    reward, group = torch.tensor([0.5, 1.0]), torch.tensor([0, 1])
    found = group_advantage(reward, group, epsilon=EPSILON, normalize_by_std=normalize_by_std)
    divisor = 1 + EPSILON if normalize_by_std else 1
    assert found.tolist() == pytest.approx([0.5 / divisor, 1 / divisor], rel=1e-7)
    torch.testing.assert_close(found, verl_advantage(reward, group, normalize_by_std), rtol=2e-7, atol=0)


@pytest.mark.parametrize(("odd", "sign"), [(1.0, 1), (0.0, -1)])
@pytest.mark.parametrize("n", [2, 4, 8])
def test_the_advantage_of_a_reallocated_group(odd: float, sign: int, n: int):
    # One reward of n differs from the rest by 1. Mean 1/n (or its complement), so the odd one is (n-1)/n away and the
    # others 1/n; squares sum to (n-1)^2/n^2 + (n-1)/n^2 = (n-1)/n, over n - 1 that is 1/n, std = 1/sqrt(n). So the
    # odd one has (n-1)/sqrt(n), the others 1/sqrt(n) of the opposite sign.
    reallocated = torch.full((n,), 1.0 - odd, dtype=torch.float64)
    reallocated[0] = odd
    found = group_advantage(reallocated, torch.zeros(n).long(), epsilon=0.0, normalize_by_std=True).tolist()
    assert found[0] == pytest.approx(sign * (n - 1) / math.sqrt(n))
    assert found[1:] == pytest.approx([-sign / math.sqrt(n)] * (n - 1))


def test_is_equivariant_under_permutation_and_leaves_its_inputs_alone():
    generator = torch.Generator().manual_seed(3)
    reward, group = random_batch(generator, [0.0, 0.25, 1.0])
    kept = reward.clone(), group.clone()
    found = group_advantage(reward, group, epsilon=EPSILON, normalize_by_std=True)
    order = torch.randperm(len(group), generator=generator)
    permuted = group_advantage(reward[order], group[order], epsilon=EPSILON, normalize_by_std=True)
    torch.testing.assert_close(permuted, found[order])
    assert torch.equal(reward, kept[0])
    assert torch.equal(group, kept[1])


def test_of_no_responses_is_empty():
    none = torch.empty(0)
    assert group_advantage(none, none.long(), epsilon=EPSILON, normalize_by_std=True).shape == (0,)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"epsilon": -1e-6}, ValueError, "epsilon must be at least 0, but is -1e-06"),
        ({"epsilon": math.nan}, ValueError, "epsilon must be at least 0"),
        ({"reward": torch.tensor([math.nan, 0.0])}, ValueError, "reward must be finite, but .* in row 0"),
        ({"reward": torch.zeros(3)}, ValueError, r"reward \(3,\), group \(2,\)"),
        ({"reward": torch.tensor([0, 1])}, TypeError, "reward must be of a floating dtype"),
        ({"group": torch.zeros(2)}, TypeError, r"group must be torch\.int64"),
    ],
)
def test_refuses_malformed_input(changed: dict, error: type[Exception], message: str):
    good = {
        "reward": torch.zeros(2),
        "group": torch.zeros(2, dtype=torch.int64),
        "epsilon": EPSILON,
        "normalize_by_std": True,
    }
    with pytest.raises(error, match=message):
        group_advantage(**(good | changed))


def test_numbered_groups_give_the_same_bits():
    generator = torch.Generator().manual_seed(4)
    reward, group = random_batch(generator, [0.0, 0.25, 1.0])
    scalars = {"epsilon": EPSILON, "normalize_by_std": True}
    assert torch.equal(
        group_advantage(reward, number_groups(group), **scalars), group_advantage(reward, group, **scalars)
    )
