"""A batch as verl's trainers keep it -> columns of its responses. The one file that names TransferQueue.

verl's V1 trainers hold keys of rows that lie in TransferQueue. The trainer from before V1 holds the rows themselves, a
DataProto, in which each session of an agent has one output and nothing is padding.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, Final, NamedTuple

import torch
import transfer_queue as tq
from omegaconf import DictConfig
from transfer_queue import KVBatchMeta
from verl import DataProto

Batch = KVBatchMeta | DataProto

ACTORS: Final = "TransferQueue"
"""What the names of the store's Ray actors hold; they live as long as the run."""


def ray_cpus(config: DictConfig) -> int:
    """How many of Ray's CPUs the store's actors hold: its controller one, each of its storage units one."""
    backend = config.transfer_queue.backend
    units = backend.SimpleStorage.num_data_storage_units if backend.storage_backend == "SimpleStorage" else 0
    return units + 1 if config.trainer.use_v1 else 0


class Columns(NamedTuple):
    """What is read of B rows of a batch; T response tokens."""

    old_log_probs: torch.Tensor  # (B, T) nats, of the policy that the update takes as pi_old
    response_mask: torch.Tensor  # (B, T) bool, the tokens that the policy wrote
    reward: torch.Tensor  # (B,) float32, the verified reward that is optimised (`score`, shaping included)
    verdicts: list[dict[str, Any]]  # (B,) what the reward manager said of each response beside its reward
    data_sources: list[str]  # (B,) "" where the data names none
    entropies: torch.Tensor | None  # (B, T) nats over the vocabulary, of the same policy, where asked for and computed


def keys_of(batch: Batch) -> tuple[list[str], list[bool]]:
    """Of each of K rows its key `{uid}_{session}_{index}`, and whether verl appended it as padding."""
    if isinstance(batch, KVBatchMeta):
        return list(batch.keys), [bool(tag.get("is_padding", False)) for tag in batch.tags]
    uids = batch.non_tensor_batch["uid"]
    session = {uid: count() for uid in uids}
    return [f"{uid}_{next(session[uid])}_0" for uid in uids], [False] * len(uids)


def read_columns(batch: Batch, rows: Sequence[int], *, entropies: bool = False) -> Columns:
    """Reads these rows of a batch of which verl has computed the old log-probs; CPU tensors.

    verl's pass over the old log-probs writes the entropy of each token beside them; where the log-probs are taken from
    the rollout instead (`rollout_correction.bypass_mode`), there is no such pass.
    """
    if isinstance(batch, DataProto):
        return _read_proto(batch, list(rows), entropies=entropies)
    # Not `uid`, which the key begins with: tensordict takes 0.1 ms for the non-tensor fields of a response.
    fields = ["data_source", "response_mask", "old_log_probs", "rm_scores", "extra_fields"]
    fields += ["entropy"] if entropies else []
    keys = [batch.keys[row] for row in rows]
    data = tq.kv_batch_get(keys=keys, partition_id=batch.partition_id, select_fields=fields)
    # Taken by name: what `pop` gives has to be unwrapped first.
    sources = data["data_source"] if "data_source" in data else [""] * len(keys)
    return Columns(
        old_log_probs=data["old_log_probs"].to_padded_tensor(0.0),
        # Before padding, which would write eight bytes for each token of the longest response.
        response_mask=data["response_mask"].bool().to_padded_tensor(False),
        reward=data["rm_scores"].sum(dim=1),
        verdicts=[fields.get("reward_extra_info", {}) for fields in data["extra_fields"]],
        data_sources=[str(source) for source in sources],
        entropies=data["entropy"].to_padded_tensor(0.0).float() if "entropy" in data else None,
    )


def _read_proto(batch: DataProto, rows: list[int], *, entropies: bool) -> Columns:
    keys, others = batch.meta_info.get("reward_extra_keys", []), batch.non_tensor_batch
    infos = zip(*(others[key][rows].tolist() for key in keys), strict=True)
    return Columns(
        old_log_probs=batch.batch["old_log_probs"][rows],
        response_mask=batch.batch["response_mask"][rows].bool(),
        reward=batch.batch["rm_scores"][rows].sum(dim=1),
        verdicts=[dict(zip(keys, values, strict=True)) for values in infos] if keys else [{} for _ in rows],
        data_sources=[str(others["data_source"][row]) if "data_source" in others else "" for row in rows],
        entropies=batch.batch["entropy"][rows] if entropies and "entropy" in batch.batch else None,
    )
