"""Adapter: a batch in verl's TransferQueue -> plain tensors. The only file that names the queue's fields.

Which rows of a batch count is decided here, once:
- Padding rows, which verl appends so that a batch divides evenly over workers, are copies of a real row (its verdict
  included) and are dropped before anything is read.
- Of an agent session that left several outputs the last one takes part (sessions.py).
"""

from collections.abc import Collection
from typing import Any, NamedTuple

import torch
import transfer_queue as tq
from transfer_queue import KVBatchMeta

from groupwise.config.methods import NO_ENTROPIES
from groupwise.errors import GroupwiseError
from groupwise.hook.sessions import select_final_outputs
from groupwise.hook.verdicts import Failure, read_verdicts
from groupwise.maths.checks import name_rows
from groupwise.maths.perplexity import sequence_perplexity
from groupwise.method import Responses, Tokens


class Rollouts(NamedTuple):
    """The responses of a batch that advantages are computed from. B responses, T response tokens, K rows of the batch.

    Attributes:
        response_of_row: (K,) int64, the response whose advantage a row of the batch takes; -1 for a padding row.
        group: (B,) int64, responses of one prompt share a number.
        old_log_probs: (B, T) nats, of the policy that the update takes as pi_old.
        entropies: (B, T) nats over the vocabulary, of the same policy; None unless they are asked for.
        response_mask: (B, T) bool, the tokens that the policy wrote.
        reward: (B,) float32, the verified reward that is optimised (`score`, shaping included).
        correct: (B,) bool, the verifier's verdict (`acc`); without meaning where it failed.
        failed: (B,) bool, the responses that could not be judged.
        failures: What happened to each of those.
        keys: (B,) `{uid}_{session}_{index}`.
        uids: (B,) of the prompts.
        data_sources: (B,) of the prompts, "" where the data names none.
        verdicts: (B,) what the reward manager said of each response beside its reward.
    """

    response_of_row: torch.Tensor
    group: torch.Tensor
    old_log_probs: torch.Tensor
    response_mask: torch.Tensor
    reward: torch.Tensor
    correct: torch.Tensor
    failed: torch.Tensor
    failures: tuple[Failure, ...]
    keys: list[str]
    uids: list[str]
    data_sources: list[str]
    verdicts: list[dict[str, Any]]
    entropies: torch.Tensor | None = None


def read_rollouts(batch: KVBatchMeta, *, needs: Collection[str] = ()) -> Rollouts:
    """Reads from TransferQueue what methods need of a training batch, without padding rows and earlier outputs.

    verl's pass over the old log-probs writes the entropy of each token beside them, in all three trainer modes; where
    the log-probs are taken from the rollout instead (`rollout_correction.bypass_mode`), there is no such pass.

    Args:
        batch: The batch as verl's trainer passes it on, after old log-probs were computed.
        needs: Per-token data that is read as well, see `Method.needs`.

    Returns:
        CPU tensors, see `Rollouts`.

    Raises:
        GroupwiseError: Nothing but padding in the batch, a verdict is missing or was refused, no verifier is known
            for a data source, or entropies are needed where verl computes none.
    """
    is_padding = [bool(tag.get("is_padding", False)) for tag in batch.tags]
    rows, response_of_row = select_final_outputs(batch.keys, is_padding)
    if not rows:
        raise GroupwiseError("A training batch must hold at least one response, but this one holds padding rows only.")
    keys = [batch.keys[row] for row in rows]
    # Not `uid`, which the key begins with: tensordict takes 0.1 ms for the non-tensor fields of a response.
    fields = ["data_source", "response_mask", "old_log_probs", "rm_scores", "extra_fields"]
    fields += ["entropy"] if "entropies" in needs else []
    data = tq.kv_batch_get(keys=keys, partition_id=batch.partition_id, select_fields=fields)
    if "entropies" in needs and "entropy" not in data:
        raise GroupwiseError(NO_ENTROPIES)
    # Taken by name: what `pop` gives has to be unwrapped first.
    uids = [key.rsplit("_", 2)[0] for key in keys]
    number = {uid: place for place, uid in enumerate(dict.fromkeys(uids))}
    infos = [fields.get("reward_extra_info", {}) for fields in data["extra_fields"]]
    verdicts = read_verdicts(infos)
    sources = data["data_source"] if "data_source" in data else [""] * len(keys)
    return Rollouts(
        response_of_row=torch.tensor(response_of_row, dtype=torch.int64),
        group=torch.tensor([number[uid] for uid in uids], dtype=torch.int64),
        old_log_probs=data["old_log_probs"].to_padded_tensor(0.0),
        # Before padding, which would write eight bytes for each token of the longest response.
        response_mask=data["response_mask"].bool().to_padded_tensor(False),
        reward=data["rm_scores"].sum(dim=1),
        correct=verdicts.correct,
        failed=verdicts.failed,
        failures=verdicts.failures,
        keys=keys,
        uids=uids,
        data_sources=[str(source) for source in sources],
        verdicts=infos,
        entropies=data["entropy"].to_padded_tensor(0.0).float() if "entropies" in needs else None,
    )


def to_responses(rollouts: Rollouts, *, step: int, needs: Collection[str] = ()) -> Responses:
    """Takes from the rollouts what methods see.

    Args:
        rollouts: B responses.
        step: Number of the training step.
        needs: Per-token data that is handed on as well, see `Method.needs`.

    Returns:
        Those B responses; NaN is the perplexity of one whose mask is empty (an agent's last output may be all tool
        text).
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
