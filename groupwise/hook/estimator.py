"""Adapter: registers one advantage estimator with verl, under the name of every method.

verl hands an estimator token-level rewards, the response mask and the group of each row, but neither log-probs nor
verdicts, on which methods rest. The trainer (trainer.py) therefore computes the advantages first and binds them for the
duration of verl's own advantage computation; the estimator only spreads them over verl's mask.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from verl.trainer.ppo.core_algos import register_adv_est

from groupwise.errors import GroupwiseError
from groupwise.maths.blocks import row_blocks
from groupwise.method import METHODS


class Bound(NamedTuple):
    """The advantages of B responses in a batch of K rows."""

    response_of_row: torch.Tensor  # (K,) int64, the response whose advantage a row takes; -1 for a padding row
    advantage: torch.Tensor  # (B,), or (B, T) of each of T response tokens

    def of_rows(self) -> torch.Tensor:
        """The advantage of each row, (K,), 0 for padding; for advantages of responses."""
        return torch.where(self.response_of_row >= 0, self.advantage[self.response_of_row], 0.0)


_bound: ContextVar[Bound | None] = ContextVar("groupwise_advantage", default=None)


@contextmanager
def bind(bound: Bound) -> Iterator[None]:
    """Makes these advantages those that the estimator gives inside the `with` block, in this thread only."""
    token = _bound.set(bound)
    try:
        yield
    finally:
        _bound.reset(token)


def give_advantages(
    token_level_rewards: torch.Tensor, response_mask: torch.Tensor, **_unused: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives each token under the mask the bound advantage of its response, of the rewards' dtype.

    Returns:
        Advantages and returns, both (K, T) and the same; 0 on padding rows and masked tokens.

    Raises:
        GroupwiseError: No advantages are bound, or those of another batch.
    """
    bound = _bound.get()
    if bound is None:
        raise GroupwiseError(
            "The advantages of a method need the perplexities and verdicts of the batch, which only our own trainer "
            "reads; launch with `python -m recipe.dipo.main_dipo` instead of verl.trainer.main_ppo."
        )
    if len(bound.response_of_row) != len(token_level_rewards):
        raise GroupwiseError(
            f"Advantages are bound for {len(bound.response_of_row)} rows, but verl passed {len(token_level_rewards)}; "
            "this needs verl 0.9.1."
        )
    bound = bound._replace(advantage=bound.advantage.to(token_level_rewards.dtype))
    is_row = bound.response_of_row >= 0
    if bound.advantage.dim() == 1:
        lengths = torch.full((len(is_row),), response_mask.shape[1])
        tokens = spread_over_tokens(bound.of_rows(), response_mask.reshape(-1), lengths).view(response_mask.shape)
    else:
        rows = bound.advantage[bound.response_of_row]
        if int(is_row.sum()) > len(bound.advantage):
            raise GroupwiseError(
                "A session left several outputs, and this method gave advantages to the last one's tokens; use "
                "a method with one advantage a response, or an agent that leaves one output."
            )
        missing = response_mask.shape[1] - rows.shape[1]
        is_token = response_mask.bool() & is_row.unsqueeze(-1)
        tokens = torch.where(is_token, torch.nn.functional.pad(rows, (0, missing)), 0.0)
    return tokens, tokens


def register() -> None:
    """Makes every installed method a value of `algorithm.adv_estimator`; none is imported for that."""
    for name in METHODS:
        register_adv_est(name)(give_advantages)


def spread_over_tokens(
    advantage: torch.Tensor,  # (K,)
    response_mask: torch.Tensor,  # (N,)
    lengths: torch.Tensor,  # (K,) int64
) -> torch.Tensor:  # (N,)
    """Gives each token under the mask its row's advantage, and 0 to the others; rows lie one after another."""
    tokens = advantage.new_empty(len(response_mask))
    for rows, place in row_blocks(lengths):
        values = torch.repeat_interleave(advantage[rows], lengths[rows], output_size=place.stop - place.start)
        is_token = response_mask[place].bool()
        # Not a product: that would give NaN where a row whose advantage is not finite is masked.
        tokens[place] = values if bool(is_token.all()) else torch.where(is_token, values, 0.0)
    return tokens
