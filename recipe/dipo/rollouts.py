"""Adapter: a batch in verl's TransferQueue -> plain tensors. The only file that names the queue's fields.

Which rows of a batch count is decided here, once:
- Padding rows, which verl appends so that a batch divides evenly over workers, are copies of a real row (its verdict
  included) and are dropped before anything is read.
- An agent session may leave several outputs, keyed `{uid}_{session}_{index}`. Only the last output of a session takes
  part and its advantage is given to the others: verl's own rule for GRPO
  (verl/trainer/ppo/v1/utils.py, compute_advantage_for_multi_trajectories).
"""

from typing import NamedTuple

import torch
import transfer_queue as tq
from transfer_queue import KVBatchMeta

from recipe.dipo.errors import DiPOError
from recipe.dipo.verdicts import Failure, read_verdicts


class Rollouts(NamedTuple):
    """The responses of a batch that advantages are computed from. B responses, T response tokens, K rows of the batch.

    Attributes:
        rows: (B,) int64, where in the batch each response stands.
        response_of_row: (K,) int64, the response whose advantage a row of the batch takes; -1 for a padding row.
        group: (B,) int64, responses of one prompt share a number.
        old_log_probs: (B, T) nats, of the policy that the update takes as pi_old.
        response_mask: (B, T) bool, the tokens that the policy wrote.
        reward: (B,) float32, the verified reward that is optimised (`score`, shaping included).
        correct: (B,) bool, the verifier's verdict (`acc`); without meaning where it failed.
        failed: (B,) bool, the responses that could not be judged.
        failures: What happened to each of those.
    """

    rows: torch.Tensor
    response_of_row: torch.Tensor
    group: torch.Tensor
    old_log_probs: torch.Tensor
    response_mask: torch.Tensor
    reward: torch.Tensor
    correct: torch.Tensor
    failed: torch.Tensor
    failures: tuple[Failure, ...]


def select_final_outputs(keys: list[str], is_padding: list[bool]) -> tuple[list[int], list[int]]:
    """Picks the rows of a batch that take part: the last output of each real session.

    Args:
        keys: (K,) `{uid}_{session}_{index}` of each row.
        is_padding: (K,) whether verl appended the row as padding.

    Returns:
        The picked rows (B,), in the order in which their sessions first appear, and for every row (K,) the position
        among the picked ones of the response whose advantage it takes, -1 for padding.

    Raises:
        DiPOError: A key does not have the three parts.
    """
    final: dict[str, tuple[int, int]] = {}
    for row, (key, padding) in enumerate(zip(keys, is_padding, strict=True)):
        if padding:
            continue
        session, _, index = key.rpartition("_")
        if "_" not in session or not index.isdigit():
            raise DiPOError(f"A rollout's key must read uid_session_index, but is {key!r}; verl 0.9.1 is needed.")
        if session not in final or final[session][0] < int(index):
            final[session] = (int(index), row)
    position = {session: place for place, session in enumerate(final)}
    response_of_row = [
        -1 if padding else position[key.rpartition("_")[0]] for key, padding in zip(keys, is_padding, strict=True)
    ]
    return [row for _, row in final.values()], response_of_row


def read_rollouts(batch: KVBatchMeta) -> Rollouts:
    """Reads from TransferQueue what DiPO needs of a training batch, without padding rows and earlier outputs.

    Args:
        batch: The batch as verl's trainer passes it on, after old log-probs were computed.

    Returns:
        CPU tensors, see `Rollouts`.

    Raises:
        DiPOError: Nothing but padding in the batch, a verdict is missing or was refused, or no verifier is known for a
            data source.
    """
    is_padding = [bool(tag.get("is_padding", False)) for tag in batch.tags]
    rows, response_of_row = select_final_outputs(batch.keys, is_padding)
    if not rows:
        raise DiPOError("A training batch must hold at least one response, but this one holds padding rows only.")
    keys = [batch.keys[row] for row in rows]
    fields = ["uid", "response_mask", "old_log_probs", "rm_scores", "extra_fields"]
    data = tq.kv_batch_get(keys=keys, partition_id=batch.partition_id, select_fields=fields)
    uids = list(data["uid"])
    number = {uid: place for place, uid in enumerate(dict.fromkeys(uids))}
    verdicts = read_verdicts([fields.get("reward_extra_info", {}) for fields in data["extra_fields"]])
    return Rollouts(
        rows=torch.tensor(rows, dtype=torch.int64),
        response_of_row=torch.tensor(response_of_row, dtype=torch.int64),
        group=torch.tensor([number[uid] for uid in uids], dtype=torch.int64),
        old_log_probs=data["old_log_probs"].to_padded_tensor(0.0),
        response_mask=data["response_mask"].to_padded_tensor(0).bool(),
        reward=data["rm_scores"].to_padded_tensor(0.0).sum(dim=-1),
        correct=verdicts.correct,
        failed=verdicts.failed,
        failures=verdicts.failures,
    )
