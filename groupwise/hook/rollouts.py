"""From a batch of verl's to what methods see.

Which rows of a batch count is decided here, once:
- Padding rows, which verl appends so that a batch divides evenly over workers, are copies of a real row (its verdict
  included) and are dropped before anything is read.
- Of an agent session that left several outputs the last one takes part (sessions.py).
"""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import torch

from groupwise.config.methods import NO_ENTROPIES
from groupwise.errors import GroupwiseError
from groupwise.hook.batch_store import Batch, keys_of, read_columns
from groupwise.hook.sessions import select_final_outputs
from groupwise.hook.verdicts import Failure, read_verdicts
from groupwise.maths.checks import name_rows
from groupwise.maths.groups import GroupKind, group_amax, group_sum
from groupwise.maths.perplexity import sequence_perplexity
from groupwise.method import Responses, Tokens

SAME_TOKEN: Final = 0.1
"""Nats by which two passes in bfloat16 may differ on one token."""


class Rollouts(NamedTuple):
    """The B responses of a batch of K rows that advantages are computed from; for the rest see batch_store.Columns."""

    response_of_row: torch.Tensor  # (K,) int64, the response whose advantage a row takes; -1 for a padding row
    group: torch.Tensor  # (B,) int64, responses of one prompt share a number
    old_log_probs: torch.Tensor
    response_mask: torch.Tensor
    reward: torch.Tensor
    correct: torch.Tensor  # (B,) bool, the verifier's verdict (`acc`); without meaning where it failed
    failed: torch.Tensor  # (B,) bool, the responses that could not be judged
    failures: tuple[Failure, ...]  # what happened to each of those
    keys: list[str]  # (B,) `{uid}_{session}_{index}`
    uids: list[str]  # (B,) of the prompts
    data_sources: list[str]
    verdicts: list[dict[str, Any]]
    entropies: torch.Tensor | None = None


def read_rollouts(batch: Batch, *, needs: Collection[str] = ()) -> Rollouts:
    """Reads what methods need of a training batch, after verl computed its old log-probs.

    Raises:
        GroupwiseError: Nothing but padding in the batch, a verdict is missing or was refused, no verifier is known
            for a data source, or entropies are needed where verl computes none.
    """
    keys, is_padding = keys_of(batch)
    rows, response_of_row = select_final_outputs(keys, is_padding)
    if not rows:
        raise GroupwiseError("A training batch must hold at least one response, but this one holds padding rows only.")
    columns = read_columns(batch, rows, entropies="entropies" in needs)
    if "entropies" in needs and columns.entropies is None:
        raise GroupwiseError(NO_ENTROPIES)
    uids = [keys[row].rsplit("_", 2)[0] for row in rows]
    number = {uid: place for place, uid in enumerate(dict.fromkeys(uids))}
    judged = read_verdicts(columns.verdicts)
    return Rollouts(
        response_of_row=torch.tensor(response_of_row, dtype=torch.int64),
        group=torch.tensor([number[uid] for uid in uids], dtype=torch.int64),
        correct=judged.correct,
        failed=judged.failed,
        failures=judged.failures,
        keys=[keys[row] for row in rows],
        uids=uids,
        **columns._asdict(),
    )


def to_responses(rollouts: Rollouts, *, step: int, needs: Collection[str] = ()) -> Responses:
    """Takes from the rollouts what methods see; `needs` as in `Method.needs`.

    NaN is the perplexity of a response whose mask is empty: an agent's last output may be all tool text.
    """
    # `any` over bool takes eight times as long; the greatest of no tokens is not defined.
    tokens = rollouts.response_mask.view(torch.uint8)
    has_tokens = tokens.amax(dim=-1) > 0 if tokens.shape[1] > 0 else torch.zeros(len(tokens), dtype=torch.bool)
    if bool(has_tokens.all()):
        perplexity = sequence_perplexity(rollouts.old_log_probs, rollouts.response_mask)
    else:
        perplexity = torch.full((len(has_tokens),), torch.nan, dtype=torch.float64)
        if bool(has_tokens.any()):
            perplexity[has_tokens] = sequence_perplexity(
                rollouts.old_log_probs[has_tokens], rollouts.response_mask[has_tokens]
            )
    tokens = Tokens(rollouts.old_log_probs, rollouts.response_mask, rollouts.entropies) if needs else None
    if rollouts.entropies is not None:
        is_broken = ~torch.where(rollouts.response_mask, rollouts.entropies, 0.0).sum(dim=-1).isfinite()
        if bool(is_broken.any()):
            raise ValueError(
                f"Entropies under the mask must be finite, but NaN or infinity stands in {name_rows(is_broken)}; "
                "look for a numerical failure of the policy."
            )
    known = ~rollouts.failed & has_tokens
    return Responses(rollouts.reward, rollouts.correct, known, rollouts.group, perplexity, step=step, tokens=tokens)


def one_text_shares(rollouts: Rollouts, responses: Responses) -> dict[str, float]:
    """Shares of the hard and of the easy groups that are one text n times: their advantages add up to no gradient.

    Told by the log-probs, which are read anyway, and not by the texts: responses of the same length whose tokens are,
    one by one, equally likely. Where two equally likely tokens change places that may count a group too many.
    """
    whole, groups, length = responses.is_whole, responses.groups, rollouts.response_mask.sum(dim=-1)
    first = -group_amax(-torch.arange(len(length)), groups)[groups.number]
    # Few groups get as far as to be compared token by token.
    alike = whole & (responses.kind != GroupKind.MIXED) & (length == length[first])
    alike &= (responses.mean_log_prob - responses.mean_log_prob[first]).abs() <= SAME_TOKEN
    rows = _all_of_group(alike, responses).nonzero().flatten()
    mask, log_probs = rollouts.response_mask, rollouts.old_log_probs
    difference = torch.where(mask[rows], log_probs[rows] - log_probs[first[rows]], 0.0).abs()
    same = torch.zeros_like(whole)
    same[rows] = ((difference <= SAME_TOKEN) & (mask[rows] == mask[first[rows]])).all(dim=-1)
    same = _all_of_group(same, responses)
    shares = {}
    for kind in (GroupKind.HARD, GroupKind.EASY):
        of_kind = whole & (responses.kind == kind)
        count = int((group_sum(of_kind.long(), groups) > 0).sum())
        if count:
            alike_groups = int((group_sum((of_kind & same).long(), groups) > 0).sum())
            shares[f"groups/one_text_share/{kind.name.lower()}"] = alike_groups / count
    return shares


def _all_of_group(marks: torch.Tensor, responses: Responses) -> torch.Tensor:
    groups = responses.groups
    return (group_sum(marks.long(), groups) == groups.size)[groups.number]
