"""A batch as verl's trainers keep it -> columns of its responses, and back. The one file that names TransferQueue.

verl's V1 trainers hold keys of rows that lie in TransferQueue. The trainer from before V1 holds the rows themselves, a
DataProto, in which each session of an agent has one output and nothing is padding.
"""

from collections.abc import Collection
from itertools import count
from typing import Any, Final, NamedTuple

import torch
import transfer_queue as tq
from omegaconf import DictConfig
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl import DataProto

from groupwise.maths.perplexity import sum_rows

Batch = KVBatchMeta | DataProto

ACTORS: Final = "TransferQueue"
"""What the names of the store's Ray actors hold; they live as long as the run."""


def ray_cpus(config: DictConfig) -> int:
    """How many of Ray's CPUs the store's actors hold: its controller one, each of its storage units one."""
    backend = config.transfer_queue.backend
    units = backend.SimpleStorage.num_data_storage_units if backend.storage_backend == "SimpleStorage" else 0
    return units + 1 if config.trainer.use_v1 else 0


class Columns(NamedTuple):
    """What is read of the K rows of a batch, padding included, whose N tokens lie one row after another."""

    lengths: torch.Tensor  # (K,) int64, tokens of each row's response, masked ones included
    old_log_probs: torch.Tensor  # (N,) nats, of the policy that the update takes as pi_old
    response_mask: torch.Tensor  # (N,) bool, the tokens that the policy wrote
    reward: torch.Tensor  # (K,) float32, the verified reward that is optimised (`score`, shaping included)
    verdicts: list[dict[str, Any]]  # (K,) what the reward manager said of each response beside its reward
    data_sources: list[str]  # (K,) "" where the data names none, or nobody asked
    entropies: torch.Tensor | None = None  # (N,) nats over the vocabulary, of the same policy
    rollout_log_probs: torch.Tensor | None = None  # (N,) nats, as the engine that generated them has them


def keys_of(batch: Batch) -> tuple[list[str], list[bool]]:
    """Of each of K rows its key `{uid}_{session}_{index}`, and whether verl appended it as padding."""
    if isinstance(batch, KVBatchMeta):
        return list(batch.keys), [bool(tag.get("is_padding", False)) for tag in batch.tags]
    uids = batch.non_tensor_batch["uid"]
    session = {uid: count() for uid in uids}
    return [f"{uid}_{next(session[uid])}_0" for uid in uids], [False] * len(uids)


def read_columns(batch: Batch, optional: Collection[str] = ()) -> Columns:
    """Reads a batch of which verl has computed the old log-probs, in one request; CPU tensors.

    verl's pass over the old log-probs writes the entropy of each token beside them; where the log-probs are taken from
    the rollout instead (`rollout_correction.bypass_mode`), there is no such pass.

    `optional` are fields beside those that are always needed: "data_source", "entropy", "rollout_log_probs"; one that
    is not there is left out.
    """
    if isinstance(batch, DataProto):
        return _read_proto(batch, optional)
    # Not `uid`, which the key begins with: TransferQueue and tensordict take 10 us for a field of a response, and as
    # much again for one that is no tensor.
    fields = ["response_mask", "old_log_probs", "rm_scores", "extra_fields", *optional]
    data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=fields)
    lengths = data["response_mask"].offsets().diff()
    return Columns(
        lengths=lengths,
        old_log_probs=data["old_log_probs"].values(),
        response_mask=data["response_mask"].values().bool(),
        reward=sum_rows(data["rm_scores"].values(), lengths),
        # Taken by name: what `pop` gives has to be unwrapped first.
        verdicts=[extra.get("reward_extra_info", {}) for extra in data["extra_fields"]],
        data_sources=[str(source) for source in data["data_source"]] if "data_source" in data else [""] * len(lengths),
        entropies=data["entropy"].values().float() if "entropy" in data else None,
        rollout_log_probs=data["rollout_log_probs"].values() if "rollout_log_probs" in data else None,
    )


def _read_proto(batch: DataProto, optional: Collection[str]) -> Columns:
    keys, others, tensors = batch.meta_info.get("reward_extra_keys", []), batch.non_tensor_batch, batch.batch
    rows, width = tensors["response_mask"].shape
    infos = zip(*(others[key].tolist() for key in keys), strict=True)
    return Columns(
        lengths=torch.full((rows,), width),
        old_log_probs=tensors["old_log_probs"].reshape(-1),
        response_mask=tensors["response_mask"].bool().reshape(-1),
        reward=tensors["rm_scores"].sum(dim=1),
        verdicts=[dict(zip(keys, values, strict=True)) for values in infos] if keys else [{} for _ in range(rows)],
        data_sources=[str(source) for source in others["data_source"]] if "data_source" in others else [""] * rows,
        entropies=tensors["entropy"].reshape(-1) if "entropy" in optional and "entropy" in tensors else None,
    )


def write_tokens(batch: Batch, lengths: torch.Tensor, **fields: torch.Tensor) -> Batch:
    """Writes fields of the N tokens of the K rows of a batch, (N,) each, as rows of these lengths, (K,)."""
    assert isinstance(batch, KVBatchMeta), "a DataProto is changed in place"
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    # Without its bounds torch would take all N tokens for the length of the longest row.
    bounds = {"min_seqlen": int(lengths.min()), "max_seqlen": int(lengths.max())}
    nested = {
        name: torch.nested.nested_tensor_from_jagged(values, offsets, **bounds) for name, values in fields.items()
    }
    data = TensorDict(nested, batch_size=len(batch))
    return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=data)
