"""The mixin over verl's trainer from before V1: what it computes is what it computes in V1's."""

import inspect

import pytest
import torch
from verl import DataProto
from verl.trainer import main_ppo_v0
from verl.trainer.ppo import ray_trainer
from verl.trainer.ppo.ray_trainer import RayPPOTrainer
from verl.trainer.ppo.v1 import PPOTrainerSync
from verl.trainer.ppo.v1.trainer_base import PPOTrainer

from groupwise.dumps.reader import read_dump
from groupwise.errors import GroupwiseError
from groupwise.hook import trainer as hook_trainer
from groupwise.hook.legacy_trainer import LegacyTrainer
from groupwise.hook.rollouts import read_rollouts
from groupwise.hook.trainer import MethodTrainerMixin, install

SETTINGS = {"gamma": 1.0, "lam": 1.0, "num_repeat": 4, "norm_adv_by_std_in_grpo": True}
VERLS_COMPUTE = ray_trainer.compute_advantage


@pytest.fixture
def batch(queue, to_proto):
    """A group that is all wrong, one of whose errors is the surest response of all, and a mixed one."""
    rows = {"h": [(0.01, 0), (2.0, 0), (2.1, 0), (2.2, 0)], "m": [(0.14, 1), (0.15, 1), (2.3, 0), (2.4, 0)]}
    for uid, group in rows.items():
        for session, (x, acc) in enumerate(group):
            info = {"acc": float(acc), "reason": "", "error": ""}
            queue.add(f"{uid}_{session}_0", log_probs=[-x] * 2, mask=[1, session % 2], score=float(acc), info=info)
    return to_proto(queue)


@pytest.fixture
def make(config, monkeypatch):
    """A trainer under the mixin, without workers; `fit` is verl's calls of one step."""

    def verl_init(self, config, tokenizer=None):
        self.config, self.tokenizer, self.global_steps, self.total_training_steps = config, tokenizer, 3, 30

    def verl_fit(self):
        batch = ray_trainer.compute_advantage(self.batch, adv_estimator=config.algorithm.adv_estimator, **SETTINGS)
        self.logged = self._update_actor(batch).meta_info["metrics"]

    monkeypatch.setattr(RayPPOTrainer, "__init__", verl_init)
    monkeypatch.setattr(RayPPOTrainer, "fit", verl_fit)
    monkeypatch.setattr(
        RayPPOTrainer, "_update_actor", lambda self, batch: DataProto(meta_info={"metrics": {"actor/loss": [0.5]}})
    )

    def make_(batch, **algorithm):
        config.algorithm.update(algorithm)
        trainer = type("Trainer", (MethodTrainerMixin, LegacyTrainer), {})(config=config, tokenizer="a tokenizer")
        trainer.batch = batch
        return trainer

    return make_


def test_advantages_and_metrics_are_those_of_v1(batch, make, queue, config, monkeypatch, capsys):
    trainer = make(batch)
    trainer.fit()
    monkeypatch.setattr(PPOTrainer, "__init__", lambda self, config: None)
    v1 = type("Trainer", (MethodTrainerMixin, PPOTrainerSync), {"parameter_sync_step": 1, "global_steps": 3})(config)
    v1.config, metrics = config, {}
    v1._compute_advantage(queue.batch(), metrics)
    for place, row in enumerate(queue.store.values()):
        mask = row["response_mask"].bool()
        assert torch.equal(batch.batch["advantages"][place][mask], row["advantages"][mask])
    assert metrics["dipo/reallocated_total/up"] == 1.0
    assert trainer.logged == {"actor/loss": [0.5], **metrics, "advantages/without_padding": 0.0}
    assert capsys.readouterr().out.startswith("step 3/30 dipo: hard 50%")


def test_grpo_is_verls_own_and_is_observed(batch, make):
    trainer = make(batch, adv_estimator="grpo")
    trainer.fit()
    expected = VERLS_COMPUTE(batch.select(), adv_estimator="grpo", **SETTINGS)
    assert torch.equal(batch.batch["advantages"], expected.batch["advantages"])
    assert trainer.logged["dipo/would_reallocate_total/any"] == 1.0


def test_entropies_are_those_of_the_pass_over_the_old_log_probs(batch, make, monkeypatch):
    entropies, read = torch.rand(8, 2), []
    pass_over = DataProto.from_dict({"entropys": entropies}), 0.5
    monkeypatch.setattr(RayPPOTrainer, "_compute_old_log_prob", lambda self, batch: pass_over)

    def reads(*given, **named):
        read.append(read_rollouts(*given, **named))
        return read[-1]

    monkeypatch.setattr(hook_trainer, "read_rollouts", reads)
    trainer = make(batch)
    trainer.needs = frozenset({"entropies"})
    assert trainer._compute_old_log_prob(batch)[0] is pass_over[0]
    trainer.fit()
    assert torch.equal(read[0].padded(read[0].columns.entropies), entropies)
    # The update does not carry them.
    assert "entropy" not in batch.batch
    # A step whose log-probs come from the rollout makes no such pass.
    with pytest.raises(GroupwiseError, match="entrop"):
        trainer.fit()


def test_the_function_of_verls_is_put_back(batch, make, monkeypatch):
    assert ray_trainer.compute_advantage is VERLS_COMPUTE
    make(batch).fit()
    assert ray_trainer.compute_advantage is VERLS_COMPUTE
    monkeypatch.setattr(RayPPOTrainer, "fit", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make(batch).fit()
    assert ray_trainer.compute_advantage is VERLS_COMPUTE


def test_dumps_are_written_beside_verls(batch, make, config, tmp_path):
    config.trainer.rollout_data_dir = str(tmp_path)
    trainer = make(batch)
    trainer._init_dump_executor()
    batch.batch["token_level_scores"] = batch.batch["rm_scores"]
    batch.batch["prompts"] = batch.batch["responses"] = torch.ones(8, 2, dtype=torch.int64)

    class Tokenizer:
        def batch_decode(self, rows, skip_special_tokens):
            return [f"text {place}" for place in range(len(rows))]

    trainer.tokenizer = Tokenizer()
    trainer.fit()
    trainer._log_rollout_data(batch, {"acc": batch.non_tensor_batch["acc"]}, {}, str(tmp_path))
    trainer._shutdown_dump_executor()
    (file,) = tmp_path.rglob("3.parquet")
    assert read_dump(file).table["key"].to_pylist() == [f"{uid}_{session}_0" for uid in "hm" for session in range(4)]
    assert '"uid": "h_0_0"' in (tmp_path / "3.jsonl").read_text()


def test_validation_without_counts(batch, make, monkeypatch):
    seen = []
    monkeypatch.setattr(RayPPOTrainer, "_val_metrics_update", lambda self, *given: seen.append(given) or {"val": 1.0})
    infos = {"acc": [1.0, 0.0], "reason": ["", "timeout: 3 s"], "error": ["", "row 7: timeout"]}
    trainer = make(batch)
    trainer.max_failure_share = 1
    metrics = trainer._val_metrics_update(["math", "math"], ["a", "b"], infos, [])
    assert seen == [(["math"], ["a"], {"acc": [1.0], "reason": [""], "error": [""]}, [])]
    assert (metrics["val"], metrics["val-aux/reward/timeout"]) == (1.0, 0.5)


class TestSeams:
    """Each place where verl's trainer from before V1 is touched."""

    def test_install_takes_the_name_that_verls_task_runner_uses(self, monkeypatch):
        monkeypatch.setattr(main_ppo_v0, "RayPPOTrainer", RayPPOTrainer)
        install(use_v1=False)
        assert issubclass(main_ppo_v0.RayPPOTrainer, MethodTrainerMixin)
        assert issubclass(main_ppo_v0.RayPPOTrainer, RayPPOTrainer)

    def test_verls_fit_makes_the_calls_that_are_led_through_ours(self):
        fit = inspect.getsource(RayPPOTrainer.fit)
        order = ["batch = compute_advantage(", "self._update_actor(batch)", "self._save_checkpoint()"]
        order += ['reduce_metrics(actor_output.meta_info["metrics"])', "self._log_rollout_data(batch, reward_extra"]
        places = [fit.index(call) for call in order]
        assert places == sorted(places)
        assert fit.count("compute_advantage(") == 1
        assert "self._load_checkpoint()" in fit
        assert "self._val_metrics_update(" in inspect.getsource(RayPPOTrainer._validate)
        # What batch_store reads.
        assert 'batch.meta_info.get("reward_extra_keys", [])' in inspect.getsource(ray_trainer.extract_reward)
