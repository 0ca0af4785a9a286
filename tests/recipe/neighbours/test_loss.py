"""The training path of every method: its advantages through the estimator into verl's own policy loss."""

import torch
from verl.trainer.ppo.core_algos import get_adv_estimator_fn, get_policy_loss_fn
from verl.workers.config import ActorConfig

import groupwise.hook.register  # noqa: F401 -- registers the estimator under every method's name
from groupwise.hook.estimator import Bound, bind
from groupwise.maths.groups import GroupKind
from groupwise.method import METHODS, build, compute


def test_the_gradient_is_that_of_its_advantages(make_random, neighbour):
    # Before CDE removes its bonus.
    batch = make_random(8, step=100)
    mask = batch.tokens.mask
    outcome = compute(build(neighbour), batch)
    rewards = torch.zeros(mask.shape)
    with bind(Bound(torch.arange(len(mask)), outcome.advantage)):
        advantages, returns = get_adv_estimator_fn(neighbour)(token_level_rewards=rewards, response_mask=mask.long())
    assert torch.equal(advantages, returns)
    assert not advantages[~mask].any()
    config = ActorConfig(
        strategy="fsdp",
        rollout_n=4,
        ppo_micro_batch_size_per_gpu=1,
        clip_ratio_low=0.2,
        clip_ratio_high=0.28,
        clip_ratio_c=10.0,
    )
    old = torch.where(mask, batch.tokens.log_probs, 0.0)
    leaf = old.clone().requires_grad_()
    loss, _ = get_policy_loss_fn("vanilla")(
        old_log_prob=old,
        log_prob=leaf,
        advantages=advantages,
        response_mask=mask.float(),
        loss_agg_mode="token-mean",
        config=config,
    )
    (gradient,) = torch.autograd.grad(loss, leaf)
    # At the old policy the ratio is 1: of the token mean -A / tokens is left.
    torch.testing.assert_close(gradient, -advantages / mask.sum(), atol=1e-6, rtol=1e-4)
    dead = batch.kind != GroupKind.MIXED
    assert bool(gradient[dead].any()) == bool(METHODS[neighbour].works_on)
