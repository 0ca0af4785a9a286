"""From a batch of verl's to what methods see.

Which rows of a batch count is decided here, once:
- Padding rows, which verl appends so that a batch divides evenly over workers, are copies of a real row (its verdict
  included); nothing but their length is looked at.
- Of an agent session that left several outputs the last one takes part (sessions.py).
"""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import torch

from groupwise.config.methods import NO_ENTROPIES
from groupwise.errors import GroupwiseError
from groupwise.hook.batch_store import Batch, Columns, keys_of, read_columns
from groupwise.hook.sessions import select_final_outputs
from groupwise.hook.verdicts import Failure, read_verdicts
from groupwise.maths.checks import name_rows
from groupwise.maths.groups import GroupKind, group_amax, group_sum, has_marked
from groupwise.maths.perplexity import LogProbSums, perplexity_of, sum_log_probs
from groupwise.method import Responses, Tokens

SAME_TOKEN: Final = 0.1
"""Nats by which two passes in bfloat16 may differ on one token."""


class Rollouts(NamedTuple):
    """The B responses of a batch of K rows that advantages are computed from."""

    response_of_row: torch.Tensor  # (K,) int64, the response whose advantage a row takes; -1 for a padding row
    rows: torch.Tensor  # (B,) int64, the row of each response
    columns: Columns  # of all K rows
    sums: LogProbSums  # (B,)
    group: torch.Tensor  # (B,) int64, responses of one prompt share a number
    reward: torch.Tensor  # (B,) float32
    correct: torch.Tensor  # (B,) bool, the verifier's verdict (`acc`); without meaning where it failed
    failed: torch.Tensor  # (B,) bool, the responses that could not be judged
    failures: tuple[Failure, ...]  # what happened to each of those
    keys: list[str]  # (B,) `{uid}_{session}_{index}`
    uids: list[str]  # (B,) of the prompts
    data_sources: list[str]  # (B,)
    verdicts: list[dict[str, Any]]  # (B,)

    def padded(self, values: torch.Tensor, which: torch.Tensor | None = None) -> torch.Tensor:  # (N,) -> (B, T)
        """Values of the tokens of each response, or of some of them, padded with 0 to the longest."""
        parts = values.split(self.columns.lengths.tolist())
        rows = self.rows if which is None else self.rows[which]
        return torch.nn.utils.rnn.pad_sequence([parts[row] for row in rows.tolist()], batch_first=True)


def read_rollouts(batch: Batch, optional: Collection[str] = ()) -> Rollouts:
    """Reads what methods need of a training batch, after verl computed its old log-probs; `optional` as `read_columns`.

    Raises:
        GroupwiseError: Nothing but padding in the batch, a verdict is missing or was refused, no verifier is known
            for a data source, or entropies are needed where verl computes none.
    """
    keys, is_padding = keys_of(batch)
    rows, response_of_row = select_final_outputs(keys, is_padding)
    if not rows:
        raise GroupwiseError("A training batch must hold at least one response, but this one holds padding rows only.")
    columns = read_columns(batch, optional)
    if "entropy" in optional and columns.entropies is None:
        raise GroupwiseError(NO_ENTROPIES)
    uids = [keys[row].rsplit("_", 2)[0] for row in rows]
    number = {uid: place for place, uid in enumerate(dict.fromkeys(uids))}
    verdicts = [columns.verdicts[row] for row in rows]
    judged = read_verdicts(verdicts)
    places = torch.tensor(rows)
    return Rollouts(
        response_of_row=torch.tensor(response_of_row, dtype=torch.int64),
        rows=places,
        columns=columns,
        sums=sum_log_probs(columns.old_log_probs, columns.response_mask, columns.lengths).select(places),
        group=torch.tensor([number[uid] for uid in uids], dtype=torch.int64),
        reward=columns.reward[places],
        correct=judged.correct,
        failed=judged.failed,
        failures=judged.failures,
        keys=[keys[row] for row in rows],
        uids=uids,
        data_sources=[columns.data_sources[row] for row in rows],
        verdicts=verdicts,
    )


def to_responses(rollouts: Rollouts, *, step: int, needs: Collection[str] = ()) -> Responses:
    """Takes from the rollouts what methods see; `needs` as in `Method.needs`.

    NaN is the perplexity of a response whose mask is empty: an agent's last output may be all tool text.
    """
    has_tokens = rollouts.sums.tokens > 0
    perplexity = torch.full((len(has_tokens),), torch.nan, dtype=torch.float64)
    perplexity[has_tokens] = perplexity_of(rollouts.sums.select(has_tokens))
    return Responses(
        rollouts.reward,
        rollouts.correct,
        ~rollouts.failed & has_tokens,
        rollouts.group,
        perplexity,
        step=step,
        tokens=_tokens_of(rollouts) if needs else None,
    )


def _tokens_of(rollouts: Rollouts) -> Tokens:
    columns = rollouts.columns
    log_probs, mask = rollouts.padded(columns.old_log_probs), rollouts.padded(columns.response_mask)
    if columns.entropies is None:
        return Tokens(log_probs, mask)
    entropies = rollouts.padded(columns.entropies)
    is_broken = ~torch.where(mask, entropies, 0.0).sum(dim=-1).isfinite()
    if bool(is_broken.any()):
        raise ValueError(
            f"Entropies under the mask must be finite, but NaN or infinity stands in {name_rows(is_broken)}; "
            "look for a numerical failure of the policy."
        )
    return Tokens(log_probs, mask, entropies)


def one_text_shares(rollouts: Rollouts, responses: Responses) -> dict[str, float]:
    """Shares of the hard and of the easy groups that are one text n times: their advantages add up to no gradient.

    Told by the log-probs, which are read anyway, and not by the texts: responses of the same length whose tokens are,
    one by one, equally likely. Where two equally likely tokens change places that may count a group too many.
    """
    whole, groups, length = responses.is_whole, responses.groups, rollouts.sums.tokens
    first = -group_amax(-torch.arange(len(length)), groups)[groups.number]
    # Few groups get as far as to be compared token by token.
    alike = whole & (responses.kind != GroupKind.MIXED) & (length == length[first])
    alike &= (responses.mean_log_prob - responses.mean_log_prob[first]).abs() <= SAME_TOKEN
    alike = ~has_marked(~alike, groups)
    same = torch.zeros_like(whole)
    if bool(alike.any()):
        # Whole groups are left, so that each one's first response is among them.
        place = (alike.cumsum(0) - 1)[first[alike]]
        mask = rollouts.padded(rollouts.columns.response_mask, alike)
        log_probs = rollouts.padded(rollouts.columns.old_log_probs, alike)
        difference = torch.where(mask, log_probs - log_probs[place], 0.0).abs()
        same[alike] = ((difference <= SAME_TOKEN) & (mask == mask[place])).all(dim=-1)
    same = ~has_marked(~same, groups)
    shares = {}
    for kind in (GroupKind.HARD, GroupKind.EASY):
        of_kind = whole & (responses.kind == kind)
        count = int((group_sum(of_kind.long(), groups) > 0).sum())
        if count:
            alike_groups = int((group_sum((of_kind & same).long(), groups) > 0).sum())
            shares[f"groups/one_text_share/{kind.name.lower()}"] = alike_groups / count
    return shares
