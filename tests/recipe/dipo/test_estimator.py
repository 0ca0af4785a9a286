"""The registered estimator against verl's own GRPO, on batches with padding rows and sessions of several outputs."""

import math

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from verl import DataProto
from verl.trainer.ppo import core_algos
from verl.trainer.ppo.v1.utils import compute_advantage_for_multi_trajectories

from recipe.dipo.core.blocks import BLOCK_TOKENS
from recipe.dipo.errors import DiPOError
from recipe.dipo.estimator import Decision, bind, compute_dipo_advantage, spread_over_tokens
from recipe.dipo.rollouts import select_final_outputs

ALGORITHM = OmegaConf.create({"norm_adv_by_std_in_grpo": True})


def decide(keys: list[str], *, alpha: float, reallocated: list[float] | None = None) -> Decision:
    rows, response_of_row = select_final_outputs(keys, [key.startswith("pad") for key in keys])
    uids = [keys[row].split("_")[0] for row in rows]
    return Decision(
        rows=torch.tensor(rows),
        response_of_row=torch.tensor(response_of_row),
        group=torch.tensor([uids.index(uid) for uid in uids]),
        reallocated=torch.tensor(reallocated if reallocated is not None else [0.0] * len(rows)),
        alpha=alpha,
    )


def test_verl_finds_it_by_name():
    assert core_algos.get_adv_estimator_fn("dipo") is compute_dipo_advantage


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("normalize", [True, False])
def test_alpha_zero_is_verls_grpo_with_sessions_of_several_outputs(seed, normalize):
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
    with bind(decide(keys, alpha=0.0)):
        advantages, returns = compute_dipo_advantage(rewards, mask, algorithm, index=None)
    torch.testing.assert_close(advantages, oracle.batch["advantages"], atol=1e-6, rtol=1e-5)
    assert torch.equal(advantages, returns)


def test_adds_the_reallocated_rewards_advantage():
    keys = ["a_0_0", "a_1_0", "a_2_0", "a_3_0"]
    with bind(decide(keys, alpha=0.1, reallocated=[0.0, 1.0, 0.0, 0.0])):
        advantages, _ = compute_dipo_advantage(torch.zeros(4, 2), torch.ones(4, 2), ALGORITHM)
    # One 1 among n=4: mean 1/4, unbiased variance (3/4)^2/3 + 3*(1/4)^2/3 = 1/4, std 1/2. Times alpha 0.1:
    # (1 - 1/4) / (1/2) = 1.5 -> 0.15 for the chosen one, (0 - 1/4) / (1/2) = -0.5 -> -0.05 for the others.
    expected = torch.tensor([-0.05, 0.15, -0.05, -0.05]).unsqueeze(1).expand(4, 2)
    torch.testing.assert_close(advantages, expected, atol=1e-5, rtol=0)


def test_padding_rows_and_masked_tokens_get_zero_whatever_they_hold():
    keys = ["a_0_0", "pad_0_0", "a_1_0"]
    rewards = torch.tensor([[0.0, 1.0], [math.nan, math.nan], [0.0, 0.0]])
    mask = torch.tensor([[1, 0], [0, 0], [1, 1]])
    with bind(decide(keys, alpha=0.1)):
        advantages, _ = compute_dipo_advantage(rewards, mask, ALGORITHM)
    # Rewards 1 and 0: mean 1/2, unbiased std sqrt(1/2), so +-0.5/0.7071 = +-0.70711. Row 0 is trained on one token.
    expected = torch.tensor([[0.70711, 0.0], [0.0, 0.0], [-0.70711, -0.70711]])
    torch.testing.assert_close(advantages, expected, atol=1e-4, rtol=0)


def test_several_blocks_are_spread_as_one():
    generator = torch.Generator().manual_seed(0)
    advantage = torch.randn(2 * BLOCK_TOKENS // 64 + 3, generator=generator)
    mask = (torch.rand(len(advantage), 64, generator=generator) < 0.5).long()
    # Row by row, where the estimator takes blocks.
    rows = [
        [value if kept else 0.0 for kept in row] for value, row in zip(advantage.tolist(), mask.tolist(), strict=True)
    ]
    assert torch.equal(spread_over_tokens(advantage, mask), torch.tensor(rows))


def test_an_advantage_that_is_not_finite_stays_off_masked_tokens():
    tokens = spread_over_tokens(torch.tensor([math.nan, math.inf]), torch.tensor([[1, 0], [0, 1]]))
    assert tokens[0].isnan().tolist() == [True, False]
    assert tokens[:, 0].tolist()[1] == 0.0
    assert tokens[0, 1] == 0.0
    assert tokens[1, 1] == math.inf


def test_unbound_it_says_how_to_launch():
    with pytest.raises(DiPOError, match=r"recipe\.dipo\.main_dipo"):
        compute_dipo_advantage(torch.zeros(1, 1), torch.ones(1, 1), ALGORITHM)


def test_a_decision_does_not_outlive_its_block():
    with pytest.raises(ZeroDivisionError), bind(decide(["a_0_0"], alpha=0.1)):
        raise ZeroDivisionError
    with pytest.raises(DiPOError, match="main_dipo"):
        compute_dipo_advantage(torch.zeros(1, 1), torch.ones(1, 1), ALGORITHM)


def test_refuses_a_decision_for_another_batch():
    with bind(decide(["a_0_0"], alpha=0.1)), pytest.raises(DiPOError, match="for 1 rows, but verl passed 2"):
        compute_dipo_advantage(torch.zeros(2, 1), torch.ones(2, 1), ALGORITHM)
