"""Malformed rollouts through the trainer's mixin and verl's own advantage computation: a sentence or a defined result.

Each batch holds healthy groups and one group that is malformed in one way. What must come out is said per kind, below:
a sentence that stops the run, or finite advantages that leave the healthy groups as verl's GRPO has them.

    python benchmarks/rollout_fuzz.py
    python benchmarks/rollout_fuzz.py --rollouts 100000 --seed 1
"""

import argparse
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import transfer_queue
from omegaconf import OmegaConf
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1 import PPOTrainerSync
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from groupwise.errors import GroupwiseError
from groupwise.hook.trainer import MethodTrainerMixin

NAN, INFINITY = math.nan, math.inf
GROUP_SIZE = 4
HEALTHY_GROUPS = 3

Row = dict[str, Any]


class Kind(NamedTuple):
    """One way to be malformed.

    Attributes:
        spoil: Changes the rows of a group in place; may take rows away or add some.
        sentence: Part of the sentence that must stop the run; None where a result is defined.
    """

    spoil: Callable[[dict[str, Row], random.Random], None]
    sentence: str | None


def make_row(uid: str, log_probs: list[float], score: float) -> Row:
    """A rollout as verl's TransferQueue holds it, its reward on the last token."""
    rewards = torch.zeros(len(log_probs))
    rewards[-1] = score
    return {
        "uid": uid,
        "data_source": "math",
        "response_mask": torch.ones(len(log_probs), dtype=torch.int64),
        "old_log_probs": torch.tensor(log_probs),
        "rm_scores": rewards,
        "extra_fields": {"reward_extra_info": {"acc": score, "reason": "", "error": ""}},
    }


def make_group(uid: str, draw: random.Random, verdicts: list[float]) -> dict[str, Row]:
    """A group by key; wrong responses tend to a higher perplexity."""
    group = {}
    for session, verdict in enumerate(verdicts):
        scale = 0.3 if verdict else 1.5
        log_probs = [-draw.random() * scale for _ in range(draw.randint(1, 6))]
        group[f"{uid}_{session}_0"] = make_row(uid, log_probs, verdict)
    return group


def one_of(group: dict[str, Row], draw: random.Random) -> Row:
    """Any row of a group."""
    return group[draw.choice(list(group))]


def put_log_prob(value: float) -> Callable[[dict[str, Row], random.Random], None]:
    """Sets the log-prob of a token."""

    def spoil(group: dict[str, Row], draw: random.Random) -> None:
        log_probs = one_of(group, draw)["old_log_probs"]
        log_probs[draw.randrange(len(log_probs))] = value

    return spoil


def put_reward(value: float) -> Callable[[dict[str, Row], random.Random], None]:
    """Sets the reward of a response."""

    def spoil(group: dict[str, Row], draw: random.Random) -> None:
        one_of(group, draw)["rm_scores"][-1] = value

    return spoil


def put_reward_everywhere(group: dict[str, Row], draw: random.Random) -> None:
    """Sets all rewards of a group to the same huge number."""
    for row in group.values():
        row["rm_scores"][-1] = 1e30


def put_verdict(**verdict: Any) -> Callable[[dict[str, Row], random.Random], None]:
    """Changes the verdict on a response."""

    def spoil(group: dict[str, Row], draw: random.Random) -> None:
        one_of(group, draw)["extra_fields"]["reward_extra_info"].update(verdict)

    return spoil


def take_verdict_away(group: dict[str, Row], draw: random.Random) -> None:
    """Leaves a response without its verdict."""
    del one_of(group, draw)["extra_fields"]["reward_extra_info"]["acc"]


def mask_all(group: dict[str, Row], draw: random.Random) -> None:
    """Leaves a response without a token of the policy."""
    one_of(group, draw)["response_mask"].zero_()


def mask_all_of_all(group: dict[str, Row], draw: random.Random) -> None:
    """Leaves all responses of a group without a token of the policy."""
    for row in group.values():
        row["response_mask"].zero_()


def hide_nan(group: dict[str, Row], draw: random.Random) -> None:
    """Puts NaN where the mask says that it does not count."""
    for row in group.values():
        row["old_log_probs"] = torch.cat([row["old_log_probs"], torch.tensor([NAN])])
        row["response_mask"] = torch.cat([row["response_mask"], torch.tensor([0])])
        row["rm_scores"] = torch.cat([row["rm_scores"], torch.zeros(1)])


def empty(group: dict[str, Row], draw: random.Random) -> None:
    """Empties a response: no token at all, and so no place for its reward."""
    row = one_of(group, draw)
    for name in ("response_mask", "old_log_probs", "rm_scores"):
        row[name] = row[name][:0]


def leave_one(group: dict[str, Row], draw: random.Random) -> None:
    """Leaves a group with one response."""
    for key in list(group)[1:]:
        del group[key]


def share_uid(group: dict[str, Row], draw: random.Random) -> None:
    """Adds the responses of another prompt that has the same uid."""
    uid = next(iter(group.values()))["uid"]
    for key, row in make_group(uid, draw, [1.0, 0.0]).items():
        group[key.replace(f"{uid}_", f"{uid}_1")] = row


def add_outputs(group: dict[str, Row], draw: random.Random) -> None:
    """Gives a session an earlier output, with NaN in all that must not be read of it."""
    key = next(iter(group))
    row = make_row(group[key]["uid"], [NAN, NAN], 0.0)
    # Ahead of the last output, which has the higher index.
    group[f"{key.rpartition('_')[0]}_1"] = group.pop(key)
    group[key] = row


def lengthen(group: dict[str, Row], draw: random.Random) -> None:
    """Makes one response much longer than all others."""
    row = one_of(group, draw)
    score = row["rm_scores"].sum()
    row["old_log_probs"] = -torch.rand(2048, generator=torch.Generator().manual_seed(draw.randrange(2**31)))
    row["response_mask"] = torch.ones(2048, dtype=torch.int64)
    row["rm_scores"] = torch.zeros(2048)
    row["rm_scores"][-1] = score


KINDS = {
    "NaN log-prob": Kind(put_log_prob(NAN), "Log-probs under the mask must be finite"),
    "-inf log-prob": Kind(put_log_prob(-INFINITY), "Log-probs under the mask must be finite"),
    "positive log-prob": Kind(put_log_prob(0.7), "A log-prob is at most 0"),
    "log-prob of -1e30": Kind(put_log_prob(-1e30), None),
    "NaN under a masked token": Kind(hide_nan, None),
    "all tokens masked": Kind(mask_all, None),
    "all tokens of a group masked": Kind(mask_all_of_all, None),
    "empty response": Kind(empty, None),
    "one long response": Kind(lengthen, None),
    "one-member group": Kind(leave_one, None),
    "two prompts of one uid": Kind(share_uid, None),
    "earlier output of a session": Kind(add_outputs, None),
    "reward of 1e30": Kind(put_reward(1e30), None),
    "all rewards 1e30": Kind(put_reward_everywhere, None),
    "reward of -1e38": Kind(put_reward(-1e38), None),
    "NaN reward": Kind(put_reward(NAN), "reward must be finite"),
    "infinite reward": Kind(put_reward(INFINITY), "reward must be finite"),
    "no verdict": Kind(take_verdict_away, "classified by the verdict `acc`"),
    "graded verdict": Kind(put_verdict(acc=0.5), "`acc` must be 0 or 1"),
    "NaN verdict": Kind(put_verdict(acc=NAN), "`acc` must be 0 or 1"),
    "unjudged": Kind(put_verdict(reason="timeout: 3 s", error="row 7: timeout"), None),
    "unknown data source": Kind(put_verdict(reason="unknown data source: x", error="row 7: x"), "row 7: x"),
}


class MemoryQueue:
    """TransferQueue's functions over a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def get(self, keys: list[str], partition_id: str, select_fields: list[str]) -> Any:
        """Hands out fields as TransferQueue does: tokens nested, anything else stacked."""
        rows = [self.rows[key] for key in keys]
        present = [field for field in select_fields if field in rows[0]]
        data = list_of_dict_to_tensordict([{field: row[field] for field in present} for row in rows])
        for field in present:
            if isinstance(rows[0][field], torch.Tensor):
                data[field] = torch.nested.as_nested_tensor([row[field] for row in rows], layout=torch.jagged)
        return data

    def put(self, keys: list[str], partition_id: str, fields: Any = None, tags: Any = None) -> KVBatchMeta:
        """Takes fields."""
        for place, key in enumerate(keys):
            for field in fields.keys():  # noqa: SIM118 -- iterating over a TensorDict goes over its rows
                self.rows[key][field] = fields[field][place]
        return KVBatchMeta(keys=list(keys), tags=[{} for _ in keys], partition_id=partition_id)


def make_trainer(estimator: str) -> PPOTrainer:
    """The mixin over verl's trainer, without the workers that verl's __init__ asks for."""
    config = OmegaConf.create(
        {
            "algorithm": {
                "adv_estimator": estimator,
                "observe": ["dipo"],
                "jagged_advantages": True,
                "norm_adv_by_std_in_grpo": True,
                "use_kl_in_reward": False,
                "gamma": 1.0,
                "lam": 1.0,
                "dipo": {"alpha": 0.1, "queue_batches": 2, "confidence": None, "group_perplexity": "any_group"},
            },
            "actor_rollout_ref": {"rollout": {"n": GROUP_SIZE}},
            "reward": {"reward_manager": {"name": "groupwise"}, "reward_kwargs": {"max_failure_share": 0.5}},
            "trainer": {"rollout_data_dir": None, "logger": []},
        }
    )

    def skip_workers(self: PPOTrainer, config: Any) -> None:
        self.config, self.parameter_sync_step, self.global_steps = config, 1, 0

    original, PPOTrainer.__init__ = PPOTrainer.__init__, skip_workers
    try:
        return type("Trainer", (MethodTrainerMixin, PPOTrainerSync), {})(config)
    finally:
        PPOTrainer.__init__ = original


def advantages(trainer: PPOTrainer, queue: MemoryQueue, rows: dict[str, Row]) -> dict[str, torch.Tensor]:
    """Advantages by key, from verl's own computation under the mixin."""
    queue.rows = {key: dict(row) for key, row in rows.items()}
    batch = KVBatchMeta(keys=list(rows), tags=[{} for _ in rows], partition_id="train")
    trainer._compute_advantage(batch, {})
    return {key: row["advantages"] for key, row in queue.rows.items()}


def fault_of(found: dict[str, torch.Tensor], healthy: dict[str, torch.Tensor], rows: dict[str, Row]) -> str | None:
    """Says what is wrong with advantages, None where nothing is."""
    for key, values in found.items():
        mask = rows[key]["response_mask"].bool()
        if not bool(values.isfinite().all()):
            return "an advantage that is not finite"
        if bool((values[~mask] != 0).any()):
            return "an advantage on a masked token"
    mixed = [key for key in healthy if rows[key]["uid"] == "healthy-0"]
    if any(not torch.allclose(found[key], healthy[key], atol=1e-6) for key in mixed):
        return "another advantage in a healthy group"
    return None


def try_batch(name: str, draw: random.Random, queue: MemoryQueue, trainers: tuple[PPOTrainer, PPOTrainer]) -> str:
    """Runs one batch; says what came out."""
    kind, rows = KINDS[name], {}
    for number in range(HEALTHY_GROUPS):
        verdicts = [[1.0, 1.0, 0.0, 0.0], [0.0] * GROUP_SIZE, [1.0] * GROUP_SIZE][number]
        rows |= make_group(f"healthy-{number}", draw, verdicts)
    dipo, grpo = trainers
    healthy = advantages(grpo, queue, rows)
    group = make_group("spoilt", draw, draw.choice([[1.0, 0.0, 1.0, 0.0], [0.0] * GROUP_SIZE, [1.0] * GROUP_SIZE]))
    kind.spoil(group, draw)
    rows = {**rows, **group} if draw.random() < 0.5 else {**group, **rows}
    try:
        found = advantages(dipo, queue, rows)
    except (GroupwiseError, ValueError) as error:
        if kind.sentence is not None and kind.sentence in str(error):
            return "sentence"
        return f"FAULT: {type(error).__name__}: {error}"
    if kind.sentence is not None:
        return "FAULT: no sentence"
    fault = fault_of(found, healthy, rows)
    return f"FAULT: {fault}" if fault else "result"


def main() -> None:
    """Fuzzes and prints; the exit code is 0 only where all went as it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=10_000, help="malformed rollouts, at least")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    queue, draw = MemoryQueue(), random.Random(asked.seed)
    transfer_queue.kv_batch_get, transfer_queue.kv_batch_put = queue.get, queue.put
    trainers = make_trainer("dipo"), make_trainer("grpo")
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    start = time.monotonic()
    for number in range(asked.rollouts):
        name = list(KINDS)[number % len(KINDS)]
        outcomes[name][try_batch(name, draw, queue, trainers)] += 1
    for name, counts in outcomes.items():
        print(f"{name:30}" + ", ".join(f"{what[:160]} {count:,}" for what, count in counts.items()))
    faults = sum(count for counts in outcomes.values() for what, count in counts.items() if what.startswith("FAULT"))
    print(f"{asked.rollouts:,} batches with a malformed rollout in {time.monotonic() - start:.0f} s: {faults} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
