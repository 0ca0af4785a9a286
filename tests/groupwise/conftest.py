"""A stand-in for TransferQueue, and rollouts that carry the traps of real ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transfer_queue
from omegaconf import DictConfig, OmegaConf
from transfer_queue import KVBatchMeta
from verl import DataProto
from verl.utils.tensordict_utils import list_of_dict_to_tensordict


class FakeTransferQueue:
    """Keeps fields by key and hands them out as TransferQueue does: jagged tensors, and stacks of anything else."""

    def __init__(self) -> None:
        self.store: dict[str, dict[str, Any]] = {}

    def kv_batch_get(self, keys, partition_id, select_fields):
        rows = [self.store[key] for key in keys]
        present = [field for field in select_fields if all(field in row for row in rows)]
        data = list_of_dict_to_tensordict([{field: row[field] for field in present} for row in rows])
        for field in present:
            # verl's rows differ in length, so the queue always returns nested tensors for tokens.
            if isinstance(rows[0][field], torch.Tensor):
                data[field] = torch.nested.as_nested_tensor([row[field] for row in rows], layout=torch.jagged)
        return data

    def kv_batch_put(self, keys, partition_id, fields=None, tags=None):
        for place, key in enumerate(keys):
            for field in fields.keys():  # noqa: SIM118 -- iterating over a TensorDict goes over its rows
                self.store.setdefault(key, {})[field] = fields[field][place]
        return KVBatchMeta(keys=list(keys), tags=[{} for _ in keys], partition_id=partition_id)

    def add(self, key: str, *, log_probs: list[float], mask: list[int], score: float, info: dict[str, Any]) -> None:
        """Puts one output of a session into the queue, its reward on the last token as verl does."""
        rm_scores = torch.zeros(len(mask))
        rm_scores[-1] = score
        self.store[key] = {
            "uid": key.split("_")[0],
            "response_mask": torch.tensor(mask),
            "old_log_probs": torch.tensor(log_probs),
            "rm_scores": rm_scores,
            "extra_fields": {"reward_extra_info": info},
            "data_source": "math",
            "reward_model": {"ground_truth": f"answer of {key.split('_')[0]}"},
            "prompts": torch.tensor([1, 2]),
            "responses": torch.tensor([3] * len(mask)),
        }

    def add_entropies(self, key: str, entropies: list[float]) -> None:
        """Puts the entropy of each token beside the log-probs, where verl's pass over the old ones writes it."""
        self.store[key]["entropy"] = torch.tensor(entropies)

    def batch(self) -> KVBatchMeta:
        """All rows as the batch that verl's trainer passes on; keys that start with "pad" are padding."""
        keys = list(self.store)
        tags = [{"is_padding": True} if key.startswith("pad") else {} for key in keys]
        return KVBatchMeta(keys=keys, tags=tags, partition_id="train")


@pytest.fixture
def queue(monkeypatch) -> FakeTransferQueue:
    """TransferQueue's functions, replaced for one test."""
    fake = FakeTransferQueue()
    monkeypatch.setattr(transfer_queue, "kv_batch_get", fake.kv_batch_get)
    monkeypatch.setattr(transfer_queue, "kv_batch_put", fake.kv_batch_put)
    return fake


def to_proto(queue: FakeTransferQueue) -> DataProto:
    """What the queue holds, as verl's trainer from before V1 holds it: padded, one output a session."""
    rows = list(queue.store.values())

    def padded(field: str, of: type = float) -> torch.Tensor:
        columns = [row[field].to(torch.float64) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(columns, batch_first=True).to(
            torch.int64 if of is int else torch.float32
        )

    infos = [row["extra_fields"]["reward_extra_info"] for row in rows]
    return DataProto.from_dict(
        tensors={
            "old_log_probs": padded("old_log_probs"),
            "response_mask": padded("response_mask", int),
            "rm_scores": padded("rm_scores"),
            "token_level_rewards": padded("rm_scores"),
        },
        non_tensors={
            "uid": np.array([row["uid"] for row in rows], dtype=object),
            "data_source": np.array([row["data_source"] for row in rows], dtype=object),
            **{key: np.array([info[key] for info in infos]) for key in infos[0]},
        },
        meta_info={"reward_extra_keys": list(infos[0])},
    )


@pytest.fixture(name="to_proto")
def to_proto_fixture() -> Callable[[FakeTransferQueue], DataProto]:
    """The function above."""
    return to_proto


@pytest.fixture
def config() -> DictConfig:
    """The parts of verl's configuration that a trainer's advantage computation reads."""
    return OmegaConf.create(
        {
            "algorithm": {
                "adv_estimator": "dipo",
                "observe": ["dipo"],
                "jagged_advantages": True,
                "norm_adv_by_std_in_grpo": True,
                "use_kl_in_reward": False,
                "gamma": 1.0,
                "lam": 1.0,
                "dipo": {"alpha": 0.1, "queue_batches": 2, "confidence": None, "group_perplexity": "any"},
            },
            "actor_rollout_ref": {"rollout": {"n": 4}, "model": {"path": "unused"}},
            "reward": {"reward_manager": {"name": "groupwise"}, "reward_kwargs": {"max_failure_share": 0.01}},
            "trainer": {
                "default_local_dir": "unused",
                "resume_mode": "auto",
                "rollout_data_dir": None,
                "logger": ["console"],
                "v1": {"trainer_mode": "sync"},
            },
        }
    )
