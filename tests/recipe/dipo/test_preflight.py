"""Each refused configuration, found before Ray starts; verl's defaults with real files have no fault."""

import re
import shutil
from collections import namedtuple

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY

from recipe.dipo import preflight
from recipe.dipo.preflight import TRAINER_MODES, checkpoint_bytes, find_faults, space_fault

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def compose_with(tmp_path, monkeypatch):
    """Composes the real configuration with files that exist, and any overrides on top."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    for name in ("train", "val"):
        (tmp_path / f"{name}.parquet").touch()

    def compose_(*overrides: str):
        with initialize_config_module("recipe.dipo.config", version_base=None):
            return compose(
                "dipo_trainer",
                overrides=[
                    "+device=cpu",
                    f"data.train_files={tmp_path}/train.parquet",
                    f"data.val_files={tmp_path}/val.parquet",
                    f"actor_rollout_ref.model.path={tmp_path}/model",
                    f"trainer.default_local_dir={tmp_path}/checkpoints",
                    "actor_rollout_ref.rollout.n=8",
                    *overrides,
                ],
            )

    return compose_


def test_a_sound_configuration_has_no_fault(compose_with):
    assert find_faults(compose_with()) == []


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("algorithm.filter_groups.enable=true", "drops exactly the groups that DiPO works on"),
        ("actor_rollout_ref.rollout.n=1", "rollout.n must be at least 2, but is 1"),
        ("algorithm.dipo.alpha=-0.1", "alpha must be a number of at least 0, but is -0.1"),
        ("algorithm.dipo.queue_batches=0", "queue_batches must be a whole number of at least 1, but is 0"),
        ("algorithm.dipo.confidence=1.5", "confidence must lie strictly between 0 and 1"),
        ("algorithm.dipo.group_perplexity=average", "must be one of any, median, mean, max"),
        ("+algorithm.dipo.alhpa=0.3", "no key 'alhpa'; did you mean 'alpha'"),
        ("reward.reward_kwargs.timeout_s=0", "timeout_s must be a number of seconds above 0, but is 0"),
        ("reward.reward_kwargs.max_failure_share=1.5", "max_failure_share must be a share between 0 and 1"),
        ("+reward.reward_kwargs.time_out=3", "no key 'time_out'; did you mean 'timeout_s'"),
        ("reward.reward_kwargs.verifier.scale=big", "scale must be one of toolrl, unit, binary, but is 'big'"),
        ("reward.reward_kwargs.verifier.formats=[xml]", r"formats must list .* hermes, .* but is \['xml'\]"),
        ("+reward.reward_kwargs.verifier.sclae=unit", "no key 'sclae'; did you mean 'scale'"),
        ("algorithm.use_kl_in_reward=true", "DiPO never acts"),
        ("reward.reward_model.enable=true", "needs a verdict `acc`"),
        ("trainer.use_v1=false", "trainer.use_v1 is false"),
        ("trainer.v1.trainer_mode=fast", "must be one of sync, colocate_async, separate_async, but is 'fast'"),
        ("trainer.device=cuda", r"add \+device=cpu"),
        ("data.train_files=/no/such.parquet", "data.train_files .* there is no /no/such.parquet"),
        ("data.val_files=[/no/such.parquet]", "data.val_files .* there is no /no/such.parquet"),
        ("actor_rollout_ref.model.path=/no/such/model", "/no/such/model is neither"),
        ("actor_rollout_ref.model.path=./no-such-model", "./no-such-model is neither"),
        ("reward.custom_reward_function.path=/no/such.py", "there is no /no/such.py"),
    ],
)
def test_refuses(compose_with, override, sentence):
    faults = find_faults(compose_with(override))
    assert len(faults) == 1
    assert re.search(sentence, faults[0]), faults[0]


def test_finds_every_fault_at_once(compose_with):
    overrides = ("algorithm.filter_groups.enable=true", "data.train_files=/no/such.parquet", "algorithm.dipo.alpha=-1")
    assert len(find_faults(compose_with(*overrides))) == 3


@pytest.mark.parametrize(
    "override",
    [
        "algorithm.filter_groups.enable=true",
        "actor_rollout_ref.rollout.n=1",
        "algorithm.use_kl_in_reward=true",
        "reward.reward_model.enable=true",
    ],
)
def test_what_only_dipo_cannot_do_is_allowed_with_grpo(compose_with, override):
    assert find_faults(compose_with("algorithm.adv_estimator=grpo", override)) == []


def test_another_reward_manager_may_have_keys_of_its_own(compose_with):
    other = "reward.reward_manager.name=mine"
    assert find_faults(compose_with(other, "+reward.reward_kwargs.budget=3")) == []
    assert len(find_faults(compose_with(other, "reward.reward_kwargs.max_failure_share=2"))) == 1


@pytest.mark.parametrize("path", ["Qwen/Qwen2.5-7B", "gpt2", "hdfs://cluster/model"])
def test_a_model_that_is_not_on_this_machine_is_left_to_verl(compose_with, path):
    assert find_faults(compose_with(f"actor_rollout_ref.model.path={path}")) == []


def test_a_reward_model_with_a_custom_function_may_give_the_verdict(compose_with, tmp_path):
    (tmp_path / "reward.py").touch()
    overrides = ("reward.reward_model.enable=true", f"reward.custom_reward_function.path={tmp_path}/reward.py")
    assert find_faults(compose_with(*overrides)) == []


def test_trainer_modes_are_verls():
    assert sorted(TRAINER_MODES) == sorted(TRAINER_REGISTRY)


class TestDisk:
    def test_estimates_a_checkpoint_from_the_weights(self, tmp_path):
        (tmp_path / "model-1.safetensors").write_bytes(b"0" * 1000)
        (tmp_path / "model-2.safetensors").write_bytes(b"0" * 600)
        # 1600 bytes are 800 parameters of 2 bytes; float32 weights and two moments are 12 bytes each.
        assert checkpoint_bytes(str(tmp_path)) == 9600
        assert checkpoint_bytes("Qwen/Qwen2.5-7B") == 0

    def test_says_how_much_is_needed_and_how_much_is_free(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 2**30))
        assert space_fault(tmp_path, 2**30) is None
        sentence = space_fault(tmp_path / "not" / "yet", 3 * 2**30)
        assert "about 3.00 GiB, but 1.00 GiB are free" in sentence

    def test_a_full_disk_is_refused_only_where_checkpoints_are_asked_for(self, compose_with, monkeypatch, tmp_path):
        (tmp_path / "model" / "model.safetensors").write_bytes(b"0" * 1000)
        monkeypatch.setattr(preflight.shutil, "disk_usage", lambda place: Usage(0, 0, 100))
        assert find_faults(compose_with("trainer.save_freq=-1")) == []
        assert "must have room" in find_faults(compose_with("trainer.save_freq=10"))[0]


def test_defaults_of_verl_are_refused_for_their_files_alone():
    with initialize_config_module("recipe.dipo.config", version_base=None):
        config = compose("dipo_trainer", overrides=["+device=cpu", "actor_rollout_ref.rollout.n=8"])
    OmegaConf.update(config, "data.train_files", "/no/train.parquet")
    OmegaConf.update(config, "data.val_files", "/no/val.parquet")
    faults = find_faults(config)
    assert [fault.split()[0] for fault in faults] == [
        "data.train_files",
        "data.val_files",
        "actor_rollout_ref.model.path",
    ]
