"""Adapter: registers the advantage estimator "dipo" with verl.

verl hands an estimator token-level rewards, the response mask and the group of each row, but neither log-probs nor
verdicts, on which DiPO's decision rests. The trainer (trainer.py) therefore decides first and binds the decision for
the duration of verl's own advantage computation; the estimator only turns it into advantages.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from verl.trainer.ppo.core_algos import register_adv_est

from recipe.dipo.core.advantage import dipo_advantage
from recipe.dipo.core.blocks import row_blocks
from recipe.dipo.errors import DiPOError
from recipe.dipo.step import EPSILON


class Decision(NamedTuple):
    """What DiPO decided for a batch of K rows with B responses that take part.

    Attributes:
        rows: (B,) int64, where in the batch each response stands.
        response_of_row: (K,) int64, the response whose advantage a row takes; -1 for a padding row.
        group: (B,) int64.
        reallocated: (B,) in {0., 1.}, the reallocated rewards.
        alpha: Weight of the reallocated rewards.
    """

    rows: torch.Tensor
    response_of_row: torch.Tensor
    group: torch.Tensor
    reallocated: torch.Tensor
    alpha: float


_decision: ContextVar[Decision | None] = ContextVar("dipo_decision", default=None)


@contextmanager
def bind(decision: Decision) -> Iterator[None]:
    """Makes a decision the one that the estimator uses inside the `with` block, in this thread only."""
    token = _decision.set(decision)
    try:
        yield
    finally:
        _decision.reset(token)


@register_adv_est("dipo")
def compute_dipo_advantage(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, config: Any, **_unused: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives each token of a response A(R) + alpha * A(R_r) (arXiv 2604.13902, the objective of DiPO).

    Args:
        token_level_rewards: (K, T) verified rewards; summed over all tokens, as verl's GRPO does, since the reward
            stands on a response's last token even where that one is masked.
        response_mask: (K, T), 1 for the tokens that are trained.
        config: verl's `algorithm` section; `norm_adv_by_std_in_grpo` chooses the base estimator.
        **_unused: What else verl passes to estimators (`index`); groups come with the bound decision.

    Returns:
        Advantages and returns, both (K, T) and the same; 0 on padding rows and masked tokens.

    Raises:
        DiPOError: No decision is bound, or one for another batch.
    """
    decision = _decision.get()
    if decision is None:
        raise DiPOError(
            "The estimator `dipo` needs the perplexities and verdicts of the batch, which only its own trainer binds; "
            "launch with `python -m recipe.dipo.main_dipo` instead of verl.trainer.main_ppo."
        )
    if len(decision.response_of_row) != len(token_level_rewards):
        raise DiPOError(
            f"The decision bound for the estimator `dipo` is for {len(decision.response_of_row)} rows, but verl passed "
            f"{len(token_level_rewards)}; this recipe needs verl 0.9.1."
        )
    # Summed before rows are picked: picking them copies the whole batch.
    reward = token_level_rewards.sum(dim=-1)[decision.rows]
    advantage = dipo_advantage(
        reward,
        decision.reallocated,
        decision.group,
        alpha=decision.alpha,
        epsilon=EPSILON,
        normalize_by_std=config.norm_adv_by_std_in_grpo,
    )
    per_row = torch.where(decision.response_of_row >= 0, advantage[decision.response_of_row], 0.0)
    tokens = spread_over_tokens(per_row.to(token_level_rewards.dtype), response_mask)
    return tokens, tokens


def spread_over_tokens(advantage: torch.Tensor, response_mask: torch.Tensor) -> torch.Tensor:  # (K,), (K, T) -> (K, T)
    """Gives each token under the mask its row's advantage, and 0 to the others.

    Args:
        advantage: (K,) of the rows.
        response_mask: (K, T), 0 for tokens that are not trained.

    Returns:
        Advantages of the tokens, (K, T), of the dtype of `advantage`.
    """
    if not bool(advantage.isfinite().all()):
        # A product would give NaN where such a row is masked.
        return torch.where(response_mask.bool(), advantage.unsqueeze(-1), 0.0)
    tokens = advantage.new_empty(response_mask.shape)
    # Of a whole batch torch would first write the mask down as floats: three times as long.
    for block in row_blocks(*response_mask.shape):
        is_token = response_mask[block].bool().view(torch.uint8)
        torch.mul(advantage[block].unsqueeze(-1), is_token, out=tokens[block])
    return tokens
