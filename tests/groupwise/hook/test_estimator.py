"""The registered estimator against verl's own GRPO, on batches with padding rows and sessions of several outputs."""

import math

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from verl import DataProto
from verl.trainer.ppo import core_algos
from verl.trainer.ppo.v1.utils import compute_advantage_for_multi_trajectories

from groupwise.errors import GroupwiseError
from groupwise.hook.estimator import Bound, bind, give_advantages, spread_over_tokens
from groupwise.hook.rollouts import select_final_outputs
from groupwise.maths.advantage import group_advantage
from groupwise.maths.blocks import BLOCK_TOKENS
from groupwise.method import METHODS


def bound(keys: list[str], rewards: torch.Tensor, *, normalize: bool = True) -> Bound:
    """Binds GRPO's advantages of the rewards (K, T) of the rows that take part."""
    rows, response_of_row = select_final_outputs(keys, [key.startswith("pad") for key in keys])
    uids = [keys[row].split("_")[0] for row in rows]
    group = torch.tensor([uids.index(uid) for uid in uids])
    advantage = group_advantage(rewards.sum(dim=-1)[rows], group, epsilon=1e-6, normalize_by_std=normalize)
    return Bound(torch.tensor(response_of_row), advantage)


def test_verl_finds_it_under_the_name_of_every_method():
    assert {core_algos.get_adv_estimator_fn(name) for name in METHODS} == {give_advantages}
    assert "dipo" in METHODS


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("normalize", [True, False])
def test_gives_what_verls_grpo_gives_with_sessions_of_several_outputs(seed, normalize):
    generator = torch.Generator().manual_seed(seed)
    keys = [f"p{prompt}_{session}_{output}" for prompt in range(4) for session in range(3) for output in range(prompt)]
    keys = [keys[i] for i in torch.randperm(len(keys), generator=generator)]
    rewards = torch.randn(len(keys), 5, generator=generator)
    # Every row needs a token: verl reads a session's advantage at the first one under the mask.
    mask = (torch.rand(len(keys), 5, generator=generator) < 0.7).long()
    mask[:, 0] = 1
    algorithm = OmegaConf.create({"norm_adv_by_std_in_grpo": normalize})
    oracle = compute_advantage_for_multi_trajectories(
        DataProto.from_dict(
            tensors={"token_level_rewards": rewards.clone(), "response_mask": mask},
            non_tensors={"uid": np.array([key.split("_")[0] for key in keys], dtype=object)},
        ),
        batch_keys=keys,
        adv_estimator="grpo",
        norm_adv_by_std_in_grpo=normalize,
        config=algorithm,
    )
    with bind(bound(keys, rewards, normalize=normalize)):
        advantages, returns = give_advantages(rewards, mask, config=algorithm, index=None)
    torch.testing.assert_close(advantages, oracle.batch["advantages"], atol=1e-6, rtol=1e-5)
    assert torch.equal(advantages, returns)


def test_padding_rows_and_masked_tokens_get_zero_whatever_they_hold():
    rewards = torch.tensor([[0.0, 1.0], [math.nan, math.nan], [0.0, 0.0]])
    mask = torch.tensor([[1, 0], [0, 0], [1, 1]])
    with bind(bound(["a_0_0", "pad_0_0", "a_1_0"], rewards)):
        advantages, _ = give_advantages(rewards, mask)
    # Rewards 1 and 0: mean 1/2, unbiased std sqrt(1/2), so +-0.5/0.7071 = +-0.70711. Row 0 is trained on one token.
    expected = torch.tensor([[0.70711, 0.0], [0.0, 0.0], [-0.70711, -0.70711]])
    torch.testing.assert_close(advantages, expected, atol=1e-4, rtol=0)


def test_advantages_of_tokens_go_to_their_rows_and_to_nothing_else():
    # Two responses of up to two tokens, between padding.
    advantage = torch.tensor([[0.5, math.nan], [-1.0, 2.0]])
    mask = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 1, 0]])
    with bind(Bound(torch.tensor([0, -1, 1]), advantage)):
        advantages, returns = give_advantages(torch.zeros(3, 3), mask)
    assert advantages.tolist() == [[0.5, 0, 0], [0, 0, 0], [-1.0, 2.0, 0]]
    assert torch.equal(advantages, returns)


def test_advantages_of_tokens_are_not_given_to_a_sessions_earlier_outputs():
    # Rows 0 and 1 are two outputs of one session: the advantages are those of the tokens of the last one.
    bound_ = Bound(torch.tensor([0, 0, 1]), torch.tensor([[0.5, 1.0], [-1.0, 2.0]]))
    with bind(bound_), pytest.raises(GroupwiseError, match="one advantage a response, or an agent that leaves one"):
        give_advantages(torch.zeros(3, 2), torch.ones(3, 2))


def test_several_blocks_are_spread_as_one():
    generator = torch.Generator().manual_seed(0)
    advantage = torch.randn(2 * BLOCK_TOKENS // 64 + 3, generator=generator)
    mask = (torch.rand(len(advantage), 64, generator=generator) < 0.5).long()
    # Row by row, where the estimator takes blocks.
    rows = [
        [value if kept else 0.0 for kept in row] for value, row in zip(advantage.tolist(), mask.tolist(), strict=True)
    ]
    tokens = spread_over_tokens(advantage, mask.reshape(-1), torch.full((len(mask),), 64))
    assert torch.equal(tokens.view(mask.shape), torch.tensor(rows))


def test_an_advantage_that_is_not_finite_stays_off_masked_tokens():
    # Rows of two tokens, of none, and of three.
    lengths = torch.tensor([2, 0, 3])
    tokens = spread_over_tokens(torch.tensor([math.nan, 1.0, math.inf]), torch.tensor([1, 0, 0, 1, 0]), lengths)
    assert tokens[0].isnan()
    assert tokens[1:].tolist() == [0.0, 0.0, math.inf, 0.0]


def test_unbound_it_says_how_to_launch():
    with pytest.raises(GroupwiseError, match=r"recipe\.dipo\.main_dipo"):
        give_advantages(torch.zeros(1, 1), torch.ones(1, 1))


def test_advantages_do_not_outlive_their_block():
    one = Bound(torch.tensor([0]), torch.tensor([1.0]))
    with pytest.raises(ZeroDivisionError), bind(one):
        raise ZeroDivisionError
    with pytest.raises(GroupwiseError, match="main_dipo"):
        give_advantages(torch.zeros(1, 1), torch.ones(1, 1))


def test_refuses_the_advantages_of_another_batch():
    one = Bound(torch.tensor([0]), torch.tensor([1.0]))
    with bind(one), pytest.raises(GroupwiseError, match="for 1 rows, but verl passed 2"):
        give_advantages(torch.zeros(2, 1), torch.ones(2, 1))
