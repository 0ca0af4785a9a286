"""What cost_growth.py measures on one batch: DiPO's advantage phase, verl's GRPO estimator, and the controller's whole.

Each measurement runs the recipe's and verl's own functions. Two of the `controller` ones are the trainer's whole
`_compute_advantage`, with TransferQueue's own serialisation but without its sockets: what is stored lies in memory. The
two differ by less than either varies, so `controller_added` is what the mixin does before it calls verl.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
import transfer_queue
import verl
from core_speed import Batch, make_batch, run_verl
from omegaconf import OmegaConf
from rollout_fuzz import make_trainer
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from transfer_queue.storage.managers.simple_storage_manager import AsyncSimpleStorageManager
from transfer_queue.utils.serial_utils import decode, encode

from groupwise.hook.estimator import Bound, bind, give_advantages
from groupwise.hook.rollouts import Rollouts, to_responses
from groupwise.method import Method, build, compute

GROUP_SIZE = 8
TOGETHER = (("dipo", "verl_grpo"), ("controller_added", "controller_dipo", "controller_grpo"))
"""The names of the measurements, those that are timed in turn together."""


def run_dipo(batch: Batch, method: Method) -> torch.Tensor:
    """DiPO's advantage phase, from the padded tensors as verl has them to the advantage of each token.

    Args:
        batch: B responses of up to T tokens.
        method: DiPO; its queue moves on by the batch.

    Returns:
        Advantages, (B, T).
    """
    size = len(batch.group)
    rollouts = Rollouts(
        response_of_row=torch.arange(size),
        group=batch.group,
        old_log_probs=batch.log_probs,
        response_mask=batch.response_mask.bool(),
        reward=batch.token_level_rewards.sum(dim=-1),
        correct=batch.correct,
        failed=torch.zeros(size, dtype=torch.bool),
        failures=(),
        keys=[],
        uids=[],
        data_sources=[],
        verdicts=[],
    )
    outcome = compute(method, to_responses(rollouts, step=1))
    with bind(Bound(rollouts.response_of_row, outcome.advantage)):
        return give_advantages(batch.token_level_rewards, batch.response_mask)[0]


class SerializedQueue:
    """TransferQueue's client over serialised fields in memory: everything that it does but the sockets.

    Args:
        batch: B responses; only the tokens of each are stored, as verl stores them.
    """

    def __init__(self, batch: Batch) -> None:
        lengths = batch.response_mask.sum(dim=-1).tolist()
        tokens = {
            "response_mask": batch.response_mask,
            "old_log_probs": batch.log_probs,
            "rollout_log_probs": batch.log_probs,
            "rm_scores": batch.token_level_rewards,
        }
        fields: dict[str, list[Any]] = {
            name: [row[:length].clone() for row, length in zip(values, lengths, strict=True)]
            for name, values in tokens.items()
        }
        fields["uid"] = batch.uid.tolist()
        fields["data_source"] = ["math"] * len(lengths)
        fields["extra_fields"] = [
            {"reward_extra_info": {"acc": float(acc), "format": 1.0, "pred": "72", "reason": "correct", "error": ""}}
            for acc in batch.correct.tolist()
        ]
        self.frames = {name: encode(values) for name, values in fields.items()}
        self.written: dict[str, Any] = {}

    def get(self, keys: list[str], partition_id: str, select_fields: list[str]) -> TensorDict:
        """Hands out the fields that there are, all rows in their order."""
        found = {
            name: AsyncSimpleStorageManager._pack_field_values(decode(self.frames[name]))
            for name in select_fields
            if name in self.frames
        }
        return TensorDict(found, batch_size=len(keys))

    def put(self, keys: list[str], partition_id: str, fields: TensorDict) -> KVBatchMeta:
        """Serialises fields, as for sending."""
        self.written = {name: encode(values) for name, values in fields.items()}
        return KVBatchMeta(keys=keys, tags=[{} for _ in keys], partition_id=partition_id)


class Controller:
    """The trainer's whole `_compute_advantage`, without workers and sockets.

    Args:
        batch: B responses.
        estimator: "dipo", or "grpo" for plain verl, in which the mixin does not even observe.
    """

    def __init__(self, batch: Batch, estimator: str) -> None:
        self.store, self.trainer = SerializedQueue(batch), make_trainer(estimator)
        self.trainer.has_verdicts = estimator == "dipo"
        self.trainer.config.algorithm.rollout_correction = OmegaConf.load(find_config())
        keys = [f"{uid}_{row % GROUP_SIZE}_0" for row, uid in enumerate(batch.uid)]
        self.meta = KVBatchMeta(keys=keys, tags=[{} for _ in keys], partition_id="train")

    def __call__(self) -> None:
        """Computes the advantages, and lets them go."""
        self.compute()
        self.store.written = {}

    def compute(self) -> dict[str, Any]:
        """Computes the advantages.

        Returns:
            What is written to TransferQueue, serialised, by field.
        """
        transfer_queue.kv_batch_get, transfer_queue.kv_batch_put = self.store.get, self.store.put
        self.trainer._compute_advantage(self.meta, {})
        return self.store.written


class Skipped:
    """Stands for verl's trainer, behind the mixin."""

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        return batch


def make_added(batch: Batch) -> Controller:
    """Makes the controller's `_compute_advantage` with DiPO, without verl's own part of it.

    Args:
        batch: B responses.
    """
    controller = Controller(batch, "dipo")
    kind = type(controller.trainer)
    controller.trainer.__class__ = type("MixinAlone", (kind.__bases__[0], Skipped, *kind.__bases__[1:]), {})
    return controller


def find_config() -> Path:
    """Finds verl's defaults for comparing vLLM's log-probs with its own, which is a part of the phase by default."""
    return Path(verl.__file__).parent / "trainer" / "config" / "algorithm" / "rollout_correction.yaml"


def make_calls(responses: int, tokens: int, only: Collection[str]) -> dict[str, Callable[[], object]]:
    """Makes a batch and what is measured on it.

    Args:
        responses: B.
        tokens: T.
        only: Names of the measurements that are wanted, of TOGETHER.

    Returns:
        The calls by their names.
    """
    batch = make_batch(responses, tokens, GROUP_SIZE)
    method = build("dipo")
    makers: dict[str, Callable[[], Callable[[], object]]] = {
        "dipo": lambda: lambda: run_dipo(batch, method),
        "verl_grpo": lambda: lambda: run_verl(batch),
        "controller_added": lambda: make_added(batch),
        "controller_dipo": lambda: Controller(batch, "dipo"),
        "controller_grpo": lambda: Controller(batch, "grpo"),
    }
    return {name: make() for name, make in makers.items() if name in only}
