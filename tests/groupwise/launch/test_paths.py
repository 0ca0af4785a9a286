"""Relative paths become absolute where the run is launched, and interpolations become values."""

import functools

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf, open_dict

from groupwise.launch.paths import INPUTS, OUTPUTS, is_remote, make_absolute, named_files


@functools.cache
def composed() -> DictConfig:
    with initialize_config_module("recipe.dipo.config", version_base=None):
        return compose("dipo_trainer")


@pytest.fixture
def compose_here(tmp_path, monkeypatch):
    """Makes the paths absolute in a folder that holds a model, data and a reward function."""
    monkeypatch.chdir(tmp_path)
    for name in ("train.parquet", "val.parquet", "reward.py"):
        (tmp_path / name).touch()
    (tmp_path / "model").mkdir()

    def compose_(*overrides: str) -> DictConfig:
        # The keys alone: resolving all others takes a tenth of a second.
        config = OmegaConf.create()
        for key in (*OUTPUTS, *INPUTS):
            OmegaConf.update(config, key, OmegaConf.select(composed(), key))
        OmegaConf.set_struct(config, True)
        with open_dict(config):
            config.merge_with_dotlist(list(overrides))
        make_absolute(config)
        return config

    return compose_


def test_every_key_exists():
    # A key that verl renamed would be left relative without a word.
    missing = [key for key in (*OUTPUTS, *INPUTS) if OmegaConf.select(composed(), key, default="no") == "no"]
    assert missing == []


def test_what_exists_becomes_absolute(compose_here, tmp_path):
    config = compose_here(
        "data.train_files=train.parquet",
        "data.val_files=[val.parquet,./train.parquet]",
        "actor_rollout_ref.model.path=model",
        "reward.custom_reward_function.path=reward.py",
        "trainer.rollout_data_dir=rollouts",
        "trainer.default_local_dir=runs/one",
        "trainer.validation_data_dir=answers",
        "actor_rollout_ref.model.tokenizer_path=model",
        "actor_rollout_ref.model.hf_config_path=./model",
        "trainer.resume_from_path=model/../model",
    )
    assert config.data.train_files == f"{tmp_path}/train.parquet"
    assert list(config.data.val_files) == [f"{tmp_path}/val.parquet", f"{tmp_path}/train.parquet"]
    assert config.actor_rollout_ref.model.path == f"{tmp_path}/model"
    assert config.reward.custom_reward_function.path == f"{tmp_path}/reward.py"
    assert config.actor_rollout_ref.model.tokenizer_path == f"{tmp_path}/model"
    assert config.actor_rollout_ref.model.hf_config_path == f"{tmp_path}/model"
    assert config.trainer.resume_from_path == f"{tmp_path}/model"
    # Outputs need not exist yet.
    assert config.trainer.validation_data_dir == f"{tmp_path}/answers"
    assert config.trainer.rollout_data_dir == f"{tmp_path}/rollouts"
    assert config.trainer.default_local_dir == f"{tmp_path}/runs/one"


def test_what_does_not_exist_stays(compose_here):
    config = compose_here("actor_rollout_ref.model.path=Qwen/Qwen2.5-7B", "data.train_files=none.parquet")
    assert config.actor_rollout_ref.model.path == "Qwen/Qwen2.5-7B"
    assert config.data.train_files == "none.parquet"


def test_what_is_not_set_stays_so(compose_here, tmp_path):
    config = compose_here()
    assert config.trainer.rollout_data_dir is None
    assert config.reward.custom_reward_function.path is None
    assert config.trainer.resume_from_path is None


def test_a_home_folder_is_expanded(compose_here, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = compose_here("actor_rollout_ref.model.path=~/model", "trainer.default_local_dir=~/runs")
    assert config.actor_rollout_ref.model.path == f"{tmp_path}/model"
    assert config.trainer.default_local_dir == f"{tmp_path}/runs"


def test_remote_paths_stay(compose_here):
    config = compose_here("trainer.default_local_dir=hdfs://cluster/runs", "data.train_files=hdfs://cluster/t.parquet")
    assert config.trainer.default_local_dir == "hdfs://cluster/runs"
    assert config.data.train_files == "hdfs://cluster/t.parquet"


def test_the_environment_is_read_here_and_not_later(compose_here, monkeypatch):
    monkeypatch.setenv("NNODES", "3")
    config = compose_here("trainer.nnodes=${oc.decode:${oc.env:NNODES,1}}")
    monkeypatch.setenv("NNODES", "5")
    assert config.trainer.nnodes == 3


def test_named_files():
    assert named_files("a.parquet") == ["a.parquet"]
    assert named_files(["a.parquet", "b.parquet"]) == ["a.parquet", "b.parquet"]
    assert named_files(OmegaConf.create(["a.parquet", "b.parquet"])) == ["a.parquet", "b.parquet"]


def test_is_remote():
    assert is_remote("hdfs://cluster/model")
    assert is_remote("s3://bucket/model")
    assert not is_remote("/models/a:b")
