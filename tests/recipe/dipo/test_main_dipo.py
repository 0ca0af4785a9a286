"""Checks before Ray starts, in order, and the seams to verl's task runner."""

import inspect

import pytest
from hydra import compose, initialize_config_module
from verl.trainer import main_ppo

from recipe.dipo import main_dipo

# verl says so for every estimator but GAE.
pytestmark = pytest.mark.filterwarnings("ignore:Disabled critic")


@pytest.fixture
def config(tmp_path):
    """A configuration without a fault."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "data.parquet").touch()
    with initialize_config_module("recipe.dipo.config", version_base=None):
        return compose(
            "dipo_trainer",
            overrides=[
                "+device=cpu",
                f"data.train_files={tmp_path}/data.parquet",
                f"data.val_files={tmp_path}/data.parquet",
                f"actor_rollout_ref.model.path={tmp_path}",
                "actor_rollout_ref.rollout.n=8",
                "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=8",
                "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=8",
            ],
        )


@pytest.fixture
def cpu_faults(monkeypatch):
    """What verl_cpu finds wrong, for a test to fill; the real check imports vLLM and runs in the end-to-end tests."""
    faults = []
    monkeypatch.setattr(main_dipo.verl_cpu, "check", lambda: faults)
    return faults


def test_a_sound_configuration_passes(config, cpu_faults):
    assert main_dipo.check(config) == []


def test_what_the_cpu_lacks_is_reported_where_a_cpu_is_used(config, cpu_faults):
    cpu_faults.append("/dev/shm must have 512 MiB free")
    assert main_dipo.check(config) == cpu_faults


def test_the_recipes_faults_come_first(config, cpu_faults):
    cpu_faults.append("/dev/shm must have 512 MiB free")
    config.algorithm.dipo.alpha = -1
    (fault,) = main_dipo.check(config)
    assert "alpha" in fault


def test_what_verl_refuses_is_a_sentence(config, cpu_faults):
    config.trainer.n_gpus_per_node = 3
    config.data.train_batch_size = 7
    (fault,) = main_dipo.check(config)
    assert fault.startswith("verl refuses this configuration: ")


def test_the_task_runner_is_verls():
    # TaskRunnerV1 is a Ray actor class; its Python class is reached through Ray's metadata.
    runner = main_dipo.DiPOTaskRunner.__ray_metadata__.modified_class
    assert issubclass(runner, main_ppo.TaskRunnerV1.__ray_metadata__.modified_class)
    source = inspect.getsource(main_ppo.TaskRunnerV1.__ray_metadata__.modified_class.run)
    assert "get_trainer_cls(config.trainer.v1.trainer_mode)" in source
    assert "task_runner_class.remote()" in inspect.getsource(main_ppo.run_ppo)
