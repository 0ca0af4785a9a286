"""The identity that makes DiPO an advantage estimator, on verl's own clipped policy loss."""

import pytest
import torch
from verl.trainer.ppo.core_algos import get_policy_loss_fn
from verl.workers.config import ActorConfig

from groupwise.maths.advantage import group_advantage
from groupwise.method import Responses, build
from recipe.dipo.method import DiPO
from recipe.dipo.reallocation import GROUP_PERPLEXITY_RULES, reallocate
from recipe.dipo.threshold import Threshold

CLIP_LOW, CLIP_HIGH = 0.2, 0.28
GROUPS, N, TOKENS = 24, 8, 16
SCALARS = {"epsilon": 1e-6, "normalize_by_std": True}


def loss_and_gradient(
    advantage: torch.Tensor, log_probs: torch.Tensor, old_log_probs: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    config = ActorConfig(
        strategy="fsdp",
        rollout_n=N,
        ppo_micro_batch_size_per_gpu=1,
        clip_ratio_low=CLIP_LOW,
        clip_ratio_high=CLIP_HIGH,
        clip_ratio_c=10.0,
    )
    leaf = log_probs.clone().requires_grad_()
    loss, _ = get_policy_loss_fn("vanilla")(
        old_log_prob=old_log_probs,
        log_prob=leaf,
        advantages=advantage.unsqueeze(-1) * mask,
        response_mask=mask,
        loss_agg_mode="token-mean",
        config=config,
    )
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


def is_clipped_on_both_sides(advantage: torch.Tensor, ratio: torch.Tensor, mask: torch.Tensor) -> bool:
    """Whether more than ten tokens each are clipped from above and from below."""
    acts = mask.bool() & (advantage != 0).unsqueeze(-1)
    positive = (advantage > 0).unsqueeze(-1)
    above, below = acts & positive & (ratio > 1 + CLIP_HIGH), acts & ~positive & (ratio < 1 - CLIP_LOW)
    return min(int(above.sum()), int(below.sum())) > 10


def dipo_advantage(monkeypatch, responses: Responses, threshold: Threshold, settings: dict) -> torch.Tensor:
    """The advantages that DiPO gives with a threshold."""
    monkeypatch.setattr(DiPO, "find_threshold", lambda self, perplexity, correct: threshold)
    return build("dipo", settings, normalize_by_std=SCALARS["normalize_by_std"]).advantages(responses).advantage


@pytest.mark.parametrize("alpha", [0.1, 1.0])
@pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
def test_one_update_with_the_summed_advantage_has_the_objective_of_the_paper(
    monkeypatch: pytest.MonkeyPatch, rule: str, alpha: float
):
    generator = torch.Generator().manual_seed(7)
    group = torch.arange(GROUPS).repeat_interleave(N)
    # A third of the groups is hard, a third easy, a third mixed.
    coin = torch.rand(GROUPS * N, generator=generator) < 0.5
    correct = (group % 3 == 1) | ((group % 3 == 2) & coin)
    reward = correct.double()
    perplexity = 1 + torch.rand(GROUPS * N, generator=generator).double()
    # Groups of low and of high perplexity, so that each of the rules has groups to touch.
    perplexity = perplexity + (group % 2)
    threshold = Threshold(2.0, 0.2, 0.5, 0.5)
    reallocated = reallocate(perplexity, correct, reward, group, threshold, group_perplexity=rule).reward
    assert ((reallocated == 1) & ~correct).any()
    assert ((reallocated == 1) & correct).any()

    old_log_probs = -2 * torch.rand(GROUPS * N, TOKENS, generator=generator).double()
    # Standard deviation 1 of the log-ratio: ratios from about 0.05 to 20, past the clip range on both sides and past
    # the dual clip at 10.
    log_probs = old_log_probs + torch.randn(GROUPS * N, TOKENS, generator=generator).double()
    mask = (torch.rand(GROUPS * N, TOKENS, generator=generator) < 0.8).double()
    verified_advantage = group_advantage(reward, group, **SCALARS)
    added_advantage = group_advantage(reallocated, group, **SCALARS)
    for advantage in (verified_advantage, added_advantage):
        assert is_clipped_on_both_sides(advantage, (log_probs - old_log_probs).exp(), mask)

    tokens = (log_probs, old_log_probs, mask)
    verified_loss, verified_gradient = loss_and_gradient(verified_advantage, *tokens)
    added_loss, added_gradient = loss_and_gradient(added_advantage, *tokens)
    responses = Responses(reward, correct, torch.ones_like(correct), group, perplexity, step=1)
    advantage = dipo_advantage(monkeypatch, responses, threshold, {"alpha": alpha, "group_perplexity": rule})
    loss, gradient = loss_and_gradient(advantage, *tokens)

    torch.testing.assert_close(loss, verified_loss + alpha * added_loss, rtol=0, atol=1e-9)
    torch.testing.assert_close(gradient, verified_gradient + alpha * added_gradient, rtol=0, atol=1e-9)
    # The second term is not negligible, or the equalities would say nothing.
    assert (alpha * added_gradient).abs().max() > 1e-6
    assert (alpha * added_loss).abs() > 1e-6


def test_the_identity_needs_disjoint_groups():
    # A = 1 and A_r = -2 on one token of ratio 2: the surrogate min(rA, clip(r)A) is 1.28 and -4, summed -2.72; of the
    # summed advantage -1 it is -2. So the test above would notice an overlap.
    ones = torch.ones(1, 1, dtype=torch.float64)
    tokens = (ones * 2.0**0 * torch.tensor(2.0).log(), ones * 0.0, ones)
    losses = [loss_and_gradient(torch.tensor([value]).double(), *tokens)[0].item() for value in (1.0, -2.0, -1.0)]
    assert losses == pytest.approx([-1.28, 4.0, 2.0], abs=1e-6)
