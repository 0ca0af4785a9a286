"""What cost_growth.py measures on one batch: DiPO's advantage phase, verl's GRPO estimator, and the controller's whole.

Each measurement runs the recipe's and verl's own functions. The `controller` ones are the trainer's whole
`_compute_advantage`, with TransferQueue's own serialisation but without its sockets: what is stored lies in memory.
`controller_padded` is DiPO with `algorithm.jagged_advantages=false`, which goes through verl's own phase.
"""

from collections.abc import Callable, Collection
from functools import partial
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

from groupwise.hook.batch_store import Columns
from groupwise.hook.estimator import Bound, spread_over_tokens
from groupwise.hook.rollouts import Rollouts, to_responses
from groupwise.maths.perplexity import sum_log_probs
from groupwise.method import Method, build, compute

GROUP_SIZE = 8
TOGETHER = (("dipo", "verl_grpo"), ("controller_dipo", "controller_padded", "controller_grpo"))
"""The names of the measurements, those that are timed in turn together."""


def run_dipo(columns: Columns, group: torch.Tensor, correct: torch.Tensor, method: Method) -> torch.Tensor:
    """DiPO's advantage phase, from the tokens as they are read to the advantage of each.

    Args:
        columns: B responses of N tokens in all; the verdicts are not looked at.
        group: (B,) int64.
        correct: (B,) bool.
        method: DiPO; its queue moves on by the batch.

    Returns:
        Advantages, (N,).
    """
    size = len(group)
    columns = columns._replace(response_mask=columns.response_mask.bool())
    rollouts = Rollouts(
        response_of_row=torch.arange(size),
        rows=torch.arange(size),
        columns=columns,
        sums=sum_log_probs(columns.old_log_probs, columns.response_mask, columns.lengths),
        group=group,
        reward=columns.reward,
        correct=correct,
        failed=torch.zeros(size, dtype=torch.bool),
        failures=(),
        keys=[],
        uids=[],
        data_sources=[],
        verdicts=[],
    )
    outcome = compute(method, to_responses(rollouts, step=1))
    bound = Bound(rollouts.response_of_row, outcome.advantage)
    return spread_over_tokens(bound.of_rows(), columns.response_mask, columns.lengths)


def to_columns(batch: Batch) -> Columns:
    """Takes the padding off a batch; the mask stays in the dtype in which it is read."""
    is_token = batch.response_mask.bool()
    return Columns(
        lengths=is_token.sum(dim=-1),
        old_log_probs=batch.log_probs[is_token],
        response_mask=batch.response_mask[is_token],
        reward=batch.token_level_rewards.sum(dim=-1),
        verdicts=[],
        data_sources=[],
    )


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
        jagged: `algorithm.jagged_advantages`.
    """

    def __init__(self, batch: Batch, estimator: str, *, jagged: bool = True) -> None:
        self.store, self.trainer = SerializedQueue(batch), make_trainer(estimator)
        self.trainer.config.algorithm.jagged_advantages = jagged
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
        "dipo": lambda: partial(run_dipo, to_columns(batch), batch.group, batch.correct, method),
        "verl_grpo": lambda: lambda: run_verl(batch),
        "controller_dipo": lambda: Controller(batch, "dipo"),
        "controller_padded": lambda: Controller(batch, "dipo", jagged=False),
        "controller_grpo": lambda: Controller(batch, "grpo"),
    }
    return {name: make() for name, make in makers.items() if name in only}
