"""Advantages without verl's phase are those of verl's phase, to the bit, and verl's phase does nothing else."""

import inspect
import math
import re

import pytest
import torch
import transfer_queue
from omegaconf import OmegaConf
from verl.trainer.ppo.rollout_corr_helper import compute_offpolicy_metrics
from verl.trainer.ppo.v1 import PPOTrainerColocateAsync, PPOTrainerSeparateAsync, PPOTrainerSync
from verl.trainer.ppo.v1.trainer_base import PPOTrainer

from groupwise.hook import without_padding
from groupwise.hook.batch_store import Columns
from groupwise.hook.trainer import MethodTrainerMixin

NAN = math.nan
CORRECTION = {"rollout_is": None, "rollout_rs": None, "bypass_mode": False, "rollout_is_threshold": 2.0}
UNJUDGED = {"acc": NAN, "reason": "timeout: 3 s", "error": "row 7: timeout: 3 s"}


@pytest.fixture
def make_trainer(config, monkeypatch):
    config.reward.reward_kwargs.max_failure_share = 0.5

    def verl_init(self, config):
        self.config, self.parameter_sync_step, self.global_steps = config, 1, 0

    for trainer in (PPOTrainer, PPOTrainerSeparateAsync):
        monkeypatch.setattr(trainer, "__init__", verl_init)

    def make(verl_trainer=PPOTrainerSync, **algorithm):
        merged = OmegaConf.merge(config, {"algorithm": {"rollout_correction": CORRECTION}}, {"algorithm": algorithm})
        return type("Trainer", (MethodTrainerMixin, verl_trainer), {})(merged)

    return make


def fill(queue, seed: int, *, with_rollout: bool) -> None:
    """Groups of all kinds, and rows of all kinds: padding, partly or wholly masked, an earlier output, unjudged."""
    draw = torch.Generator().manual_seed(seed)

    def put(key: str, *, acc: float, info=None, masked: float = 0.2) -> None:
        length = int(torch.randint(1, 9, (), generator=draw))
        mask = (torch.rand(length, generator=draw) >= masked).long().tolist()
        log_probs = (-torch.rand(length, generator=draw) * (1 if acc else 2)).tolist()
        # What is masked may be anything.
        kept = [value if keep else NAN for value, keep in zip(log_probs, mask, strict=True)]
        queue.add(key, log_probs=kept, mask=mask, score=acc, info=info or {"acc": acc, "reason": "", "error": ""})
        if with_rollout:
            noise = torch.randn(length, generator=draw) * 0.01
            queue.store[key]["rollout_log_probs"] = torch.tensor(kept) + noise

    for group, accs in enumerate([(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 0, 1), (0, 0, 1, 1), (1, 1, 1, 1)]):
        for session, acc in enumerate(accs):
            unjudged = (group, session) == (3, 1)
            put(f"g{group}_{session}_0", acc=float(acc), info=UNJUDGED if unjudged else None)
    # An earlier output of a session, behind its last one, and one whose tokens are all masked.
    put("g0_1_1", acc=0.0)
    put("g4_3_1", acc=1.0, masked=1.0)
    for place in range(3):
        queue.add(f"pad_{place}_0", log_probs=[NAN], mask=[0], score=0.0, info={"acc": 1.0})
        queue.store[f"pad_{place}_0"]["rollout_log_probs"] = torch.tensor([NAN])
    if not with_rollout:
        for row in queue.store.values():
            row.pop("rollout_log_probs", None)


def run(queue, trainer, seed: int, *, with_rollout: bool) -> tuple[dict, dict]:
    queue.store.clear()
    fill(queue, seed, with_rollout=with_rollout)
    metrics = {}
    trainer._compute_advantage(queue.batch(), metrics)
    return {key: dict(row) for key, row in queue.store.items()}, metrics


@pytest.mark.parametrize("with_rollout", [True, False])
@pytest.mark.parametrize("verl_trainer", [PPOTrainerSync, PPOTrainerColocateAsync, PPOTrainerSeparateAsync])
def test_every_field_is_verls_to_the_bit(queue, make_trainer, verl_trainer, with_rollout):
    jagged, padded = make_trainer(verl_trainer), make_trainer(verl_trainer, jagged_advantages=False)
    reallocated = 0.0
    # Several steps, because the queue of perplexities is compared as well.
    for seed in range(4):
        ours, logged = run(queue, jagged, seed, with_rollout=with_rollout)
        verls, verls_logged = run(queue, padded, seed, with_rollout=with_rollout)
        assert ours.keys() == verls.keys()
        for key, row in verls.items():
            assert ours[key].keys() == row.keys()
            for field, value in row.items():
                is_tensor = isinstance(value, torch.Tensor)
                same = torch.equal(*(v[field].nan_to_num() for v in (ours[key], row))) if is_tensor else None
                assert same if is_tensor else ours[key][field] == value, (key, field)
                if is_tensor:
                    assert ours[key][field].dtype == value.dtype
        assert (logged.pop("advantages/without_padding"), verls_logged.pop("advantages/without_padding")) == (1, 0)
        assert logged.keys() == verls_logged.keys()
        assert any(name.startswith("rollout_corr/") for name in logged) == with_rollout
        # The means of the rollout's log-probs are put together from blocks.
        assert logged == pytest.approx(verls_logged, rel=1e-4, abs=1e-6)
        reallocated += logged["dipo/reallocated_total/up"] + logged["dipo/reallocated_total/down"]
    assert reallocated > 0


def test_verls_phase_is_not_called_and_is_with_its_own_estimator(queue, make_trainer, monkeypatch):
    called, real = [], PPOTrainer._compute_advantage

    def spy(self, batch, metrics):
        called.append(self.config.algorithm.adv_estimator)
        return real(self, batch, metrics)

    monkeypatch.setattr(PPOTrainer, "_compute_advantage", spy)
    fill(queue, 0, with_rollout=True)
    for estimator in ("dipo", "grpo"):
        make_trainer(adv_estimator=estimator)._compute_advantage(queue.batch(), {})
    assert called == ["grpo"]


def test_one_request_reads_what_is_needed_and_no_more(queue, make_trainer, monkeypatch):
    fill(queue, 0, with_rollout=True)
    asked, get = [], queue.kv_batch_get
    monkeypatch.setattr(
        transfer_queue, "kv_batch_get", lambda **named: asked.append(named["select_fields"]) or get(**named)
    )
    needed = ["response_mask", "old_log_probs", "rm_scores", "extra_fields"]
    for changes, fields in (
        ({}, [*needed, "rollout_log_probs"]),
        # No log-probs of the rollout are compared then.
        ({"rollout_correction": {"bypass_mode": True}}, needed),
    ):
        make_trainer(**changes)._compute_advantage(queue.batch(), {})
        assert asked.pop() == fields
        assert asked == []


class TestVerlsPart:
    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"jagged_advantages": False}, "algorithm.jagged_advantages=false"),
            ({"use_kl_in_reward": True}, "algorithm.use_kl_in_reward=true changes the rewards"),
            ({"rollout_correction": {"rollout_is": "token"}}, "algorithm.rollout_correction weights or rejects tokens"),
            (
                {"rollout_correction": {"rollout_rs": "token_k1"}},
                "algorithm.rollout_correction weights or rejects tokens",
            ),
            ({"adv_estimator": "rl_zvp"}, "needed for each token by rl_zvp"),
        ],
    )
    def test_what_it_must_run_for_is_named_once(self, queue, make_trainer, monkeypatch, caplog, changes, why):
        fill(queue, 0, with_rollout=False)
        for key, row in queue.store.items():
            queue.add_entropies(key, [0.5] * len(row["response_mask"]))
        called, metrics = [], {}
        monkeypatch.setattr(PPOTrainer, "_compute_advantage", lambda self, batch, metrics: called.append(batch))
        trainer = make_trainer(**changes)
        for _ in range(2):
            trainer._compute_advantage(queue.batch(), metrics)
        assert len(called) == 2
        assert metrics["advantages/without_padding"] == 0.0
        told = f"Advantages are padded and spread by verl's own phase: {why}."
        assert [message for message in caplog.messages if "phase" in message] == [told]

    def test_a_trainers_own_phase_is_respected(self, queue, make_trainer):
        class Own(PPOTrainerSync):
            def _compute_advantage(self, batch, metrics):
                return "its own"

        fill(queue, 0, with_rollout=False)
        assert make_trainer(Own)._compute_advantage(queue.batch(), {}) == "its own"


class TestSeams:
    """What verl's phase does, so that a change there is seen here."""

    def test_it_writes_what_is_written_here(self):
        source = inspect.getsource(PPOTrainer._compute_advantage)
        written = source.partition("# 4. write")[2]
        assert re.findall(r'fields = \[(.*?)\]|fields\.append\("(\w+)"\)', written) == [
            ('"advantages", "returns"', ""),
            # With a penalty in the reward.
            ("", "token_level_rewards"),
            # Where the rollout's log-probs are compared: the mask, changed by rejection alone, and weights.
            ("", "response_mask"),
            ("", "rollout_is_weights"),
        ]

    def test_it_does_four_things(self):
        source = inspect.getsource(PPOTrainer._compute_advantage)
        assert re.findall(r"# \d\. (\w+ \w+)", source) == [
            "apply kl",
            "Compute rollout",
            "compute advantages",
            "write nested",
        ]
        assert re.findall(r"metrics\.update\((\w+)\)", source) == ["kl_metrics", "is_metrics"]

    @pytest.mark.parametrize("trainer", [PPOTrainerSync, PPOTrainerColocateAsync, PPOTrainerSeparateAsync])
    def test_no_mode_has_a_phase_of_its_own(self, trainer):
        assert trainer._compute_advantage is PPOTrainer._compute_advantage


class TestRolloutMetrics:
    def columns(self, lengths: list[int], mask: torch.Tensor) -> Columns:
        draw = torch.Generator().manual_seed(0)
        old = -torch.rand(sum(lengths), generator=draw)
        rollout = old + 0.05 * torch.randn(sum(lengths), generator=draw)
        return Columns(torch.tensor(lengths), old, mask, torch.zeros(len(lengths)), [], [], None, rollout)

    @pytest.mark.parametrize(
        ("lengths", "first_masked", "last_masked"),
        # Several blocks; blocks without a token of the policy at the beginning, and at the end; a single block.
        [([9000] * 20, 0, 0), ([70_000, 5, 70_000, 3, 70_000], 70_005, 70_000), ([3, 1, 2], 0, 2), ([5], 4, 0)],
    )
    def test_blocks_say_what_verl_says_of_the_whole_batch(self, lengths, first_masked, last_masked):
        mask = torch.rand(sum(lengths), generator=torch.Generator().manual_seed(1)) < 0.8
        mask[:first_masked] = False
        mask[len(mask) - last_masked :] = False
        mask[first_masked] = True
        columns = self.columns(lengths, mask)
        padded = (
            torch.nn.utils.rnn.pad_sequence(values.split(lengths), batch_first=True)
            for values in (columns.old_log_probs, columns.rollout_log_probs, mask)
        )
        # All names are compared: one that verl adds is taken for a mean over responses, which must be seen to be right.
        expected = {f"rollout_corr/{name}": value for name, value in compute_offpolicy_metrics(*padded).items()}
        assert without_padding.rollout_metrics(columns) == pytest.approx(expected, rel=2e-4, abs=1e-6)

    def test_a_batch_without_a_token_or_without_such_log_probs_has_none(self):
        columns = self.columns([2, 3], torch.zeros(5, dtype=torch.bool))
        assert without_padding.rollout_metrics(columns) == {}
        assert without_padding.rollout_metrics(columns._replace(rollout_log_probs=None)) == {}
