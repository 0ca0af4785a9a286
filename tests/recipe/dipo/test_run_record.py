"""What is written beside checkpoints, and that a run of another method is not resumed by accident."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from recipe.dipo import run_record
from recipe.dipo.run_record import METHOD_FILE, METHOD_KEYS


@pytest.fixture
def config(tmp_path):
    """The real configuration with data of a few bytes and a checkpoint folder."""
    (tmp_path / "train.parquet").write_bytes(b"training rows")
    (tmp_path / "val.parquet").write_bytes(b"validation rows")
    with initialize_config_module("recipe.dipo.config", version_base=None):
        composed = compose(
            "dipo_trainer",
            overrides=[
                f"data.train_files={tmp_path}/train.parquet",
                f"data.val_files={tmp_path}/val.parquet",
                "actor_rollout_ref.model.path=/models/Qwen2.5-7B",
                "actor_rollout_ref.rollout.n=8",
                f"trainer.default_local_dir={tmp_path}/checkpoints",
            ],
        )
    OmegaConf.resolve(composed)
    return composed


@pytest.fixture
def checkpoint(config):
    """Checkpoint 7 of a run of that configuration, the latest one."""
    folder = Path(config.trainer.default_local_dir) / "global_step_7"
    folder.mkdir(parents=True)
    run_record.write_method(config, folder)
    (folder.parent / "latest_checkpointed_iteration.txt").write_text("7")
    return folder


def test_every_key_of_the_method_exists(config):
    # A key that verl renamed would be recorded as null for ever.
    missing = [key for key in METHOD_KEYS if OmegaConf.select(config, key, default="missing") == "missing"]
    assert missing == []


def test_the_method_has_values_by_full_name(config):
    method = run_record.method_of(config)
    assert method["algorithm.dipo.alpha"] == 0.1
    assert method["algorithm.adv_estimator"] == "dipo"
    assert method["actor_rollout_ref.rollout.n"] == 8
    assert method["reward.reward_kwargs.verifier.scale"] == "toolrl"
    # By name, since it may lie elsewhere on the next machine.
    assert method["actor_rollout_ref.model.path"] == "Qwen2.5-7B"
    assert method["data.train_files"] == ["sha256:" + hashlib.sha256(b"training rows").hexdigest()]


def test_a_file_elsewhere_has_no_hash(tmp_path):
    assert run_record.hash_of("hdfs://cluster/train.parquet") is None
    assert run_record.hash_of(str(tmp_path / "none.parquet")) is None


class TestStart:
    def test_writes_what_the_run_is(self, config):
        run_record.write_start(config)
        folder = Path(config.trainer.default_local_dir)
        (record,) = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
        assert record["method"]["algorithm.dipo.alpha"] == 0.1
        assert record["versions"]["verl"] == "0.9.1"
        assert record["config"]["actor_rollout_ref"]["rollout"]["n"] == 8
        val_file = config.data.val_files
        assert record["data"]["val_files"] == {val_file: "sha256:" + hashlib.sha256(b"validation rows").hexdigest()}
        written = OmegaConf.load(folder / "config.yaml")
        assert written == config

    def test_a_second_start_adds_a_line(self, config):
        run_record.write_start(config)
        config.algorithm.dipo.alpha = 0.3
        run_record.write_start(config)
        folder = Path(config.trainer.default_local_dir)
        records = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
        assert [record["config"]["algorithm"]["dipo"]["alpha"] for record in records] == [0.1, 0.3]
        assert OmegaConf.load(folder / "config.yaml").algorithm.dipo.alpha == 0.3


class TestRevision:
    def make(self, folder):
        """A repository with a copy of the module, committed."""
        file = folder / "run_record.py"
        file.write_text("original")
        for command in (
            ["git", "init", "--quiet"],
            ["git", "add", "run_record.py"],
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one"],
        ):
            subprocess.run(command, cwd=folder, check=True)
        return file

    def test_is_the_commit_and_says_that_something_changed(self, tmp_path, monkeypatch):
        file = self.make(tmp_path)
        monkeypatch.setattr(run_record, "__file__", str(file))
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert run_record.git_revision() == head.stdout.strip()
        file.write_text("changed")
        assert run_record.git_revision() == head.stdout.strip() + "+changes"

    def test_is_none_for_a_file_that_is_not_part_of_the_checkout(self, tmp_path, monkeypatch):
        self.make(tmp_path)
        inner = tmp_path / "site-packages"
        inner.mkdir()
        (inner / "run_record.py").touch()
        monkeypatch.setattr(run_record, "__file__", str(inner / "run_record.py"))
        assert run_record.git_revision() is None

    def test_is_none_without_git(self, tmp_path, monkeypatch):
        monkeypatch.setattr(run_record, "__file__", str(tmp_path / "run_record.py"))
        monkeypatch.setenv("PATH", "")
        assert run_record.git_revision() is None


class TestResume:
    def test_the_latest_checkpoint_is_resumed(self, config, checkpoint):
        assert run_record.resumed_checkpoint(config) == checkpoint

    def test_a_named_checkpoint_is_resumed(self, config, tmp_path):
        config.trainer.resume_mode = "resume_path"
        config.trainer.resume_from_path = f"{tmp_path}/other/global_step_3"
        assert run_record.resumed_checkpoint(config) == tmp_path / "other" / "global_step_3"

    def test_nothing_is_resumed_where_nothing_is_or_none_is_wanted(self, config, checkpoint):
        config.trainer.resume_mode = "disable"
        assert run_record.resumed_checkpoint(config) is None
        config.trainer.resume_mode = "auto"
        (checkpoint.parent / "latest_checkpointed_iteration.txt").unlink()
        assert run_record.resumed_checkpoint(config) is None

    def test_the_same_method_goes_on(self, config, checkpoint):
        assert run_record.resume_fault(config) is None

    def test_what_is_not_of_the_method_may_change(self, config, checkpoint):
        config.trainer.nnodes = 4
        config.trainer.total_training_steps = 1000
        config.actor_rollout_ref.actor.ppo_max_token_len_per_gpu = 1
        config.actor_rollout_ref.model.path = "/other/place/Qwen2.5-7B"
        assert run_record.resume_fault(config) is None

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("algorithm.dipo.alpha", 0.3, "algorithm.dipo.alpha: 0.1 in the checkpoint, 0.3 now"),
            ("algorithm.adv_estimator", "grpo", "algorithm.adv_estimator: 'dipo' in the checkpoint, 'grpo' now"),
            ("algorithm.dipo.confidence", None, "algorithm.dipo.confidence: 0.95 in the checkpoint, None now"),
            ("actor_rollout_ref.rollout.n", 16, "actor_rollout_ref.rollout.n: 8 in the checkpoint, 16 now"),
            ("actor_rollout_ref.model.path", "/models/other", "'Qwen2.5-7B' in the checkpoint, 'other' now"),
        ],
    )
    def test_another_method_stops(self, config, checkpoint, key, value, words):
        OmegaConf.update(config, key, value)
        fault = run_record.resume_fault(config)
        assert fault is not None
        assert words in fault
        assert "resume.accept_changed_method=true" in fault

    def test_other_rows_to_train_on_stop(self, config, checkpoint):
        Path(config.data.train_files).write_bytes(b"other rows")
        fault = run_record.resume_fault(config)
        assert fault is not None
        assert "data.train_files" in fault

    def test_unless_told_otherwise(self, config, checkpoint):
        config.algorithm.dipo.alpha = 0.3
        config.resume.accept_changed_method = True
        assert run_record.resume_fault(config) is None

    def test_a_checkpoint_of_another_launcher_is_resumed(self, config, checkpoint):
        (checkpoint / METHOD_FILE).unlink()
        config.algorithm.dipo.alpha = 0.3
        assert run_record.resume_fault(config) is None

    @pytest.mark.parametrize("text", ["", "{", "[1]"])
    def test_a_damaged_record_is_a_sentence(self, config, checkpoint, text):
        (checkpoint / METHOD_FILE).write_text(text)
        fault = run_record.resume_fault(config)
        assert fault is not None
        assert METHOD_FILE in fault
        assert "cannot be read" in fault

    def test_a_key_that_only_one_side_records_is_no_change(self, config, checkpoint):
        recorded = json.loads((checkpoint / METHOD_FILE).read_text())
        del recorded["algorithm.dipo.alpha"]
        (checkpoint / METHOD_FILE).write_text(json.dumps({**recorded, "algorithm.dipo.former": 1}))
        assert run_record.resume_fault(config) is None
