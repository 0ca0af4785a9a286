"""config/device/cpu.yaml on top of verl's own config."""

from importlib.resources import files

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError

# Keys that verl's YAML does not list, and who reads them.
NEW_KEYS = {
    "actor_rollout_ref.model.override_config.attn_implementation",  # verl HFModelConfig, a free-form dict
    "critic.model.override_config.attn_implementation",
    "actor_rollout_ref.rollout.enable_sleep_mode",  # verl RolloutConfig, a dataclass field without a YAML entry
    "actor_rollout_ref.rollout.engine_kwargs.vllm.kv_cache_memory_bytes",  # vLLM's EngineArgs
    "actor_rollout_ref.actor.fsdp_config.mixed_precision.param_dtype",  # verl FSDPEngineConfig, a free-form dict
    "actor_rollout_ref.ref.fsdp_config.mixed_precision.param_dtype",
    "critic.fsdp.mixed_precision.param_dtype",
    "ray_kwargs.ray_init.address",  # ray.init
    "ray_kwargs.ray_init.num_gpus",
    "ray_kwargs.ray_init.object_store_memory",
    "ray_kwargs.ray_init.include_dashboard",
}


def load(*overrides: str) -> DictConfig:
    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides=["hydra.searchpath=[pkg://verl_cpu.config]", *overrides])


def leaves(config: DictConfig) -> dict[str, object]:
    """Dotted names of all values; interpolations and missing values stay as they are written."""

    def walk(tree: dict, path: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in tree.items():
            found |= walk(value, f"{path}{key}.") if isinstance(value, dict) and value else {f"{path}{key}": value}
        return found

    return walk(OmegaConf.to_container(config), "")


@pytest.fixture(scope="module")
def device() -> dict[str, object]:
    config = OmegaConf.load(files("verl_cpu") / "config" / "device" / "cpu.yaml")
    OmegaConf.resolve(config)
    return leaves(config)


def test_every_value_arrives(device):
    composed = load("+device=cpu")
    assert {key: OmegaConf.select(composed, key) for key in device} == device


def test_verl_knows_every_key(device):
    plain = leaves(load())
    assert {key for key in device if key not in plain} == NEW_KEYS


def test_no_value_repeats_verls_default(device):
    plain = leaves(load())
    assert not [key for key, value in device.items() if key in plain and plain[key] == value]


def test_the_command_line_wins():
    composed = load("+device=cpu", "trainer.n_gpus_per_node=2", "ray_kwargs.ray_init.num_cpus=8")
    assert composed.ray_kwargs.ray_init.num_gpus == 2
    assert composed.ray_kwargs.ray_init.num_cpus == 8


def test_the_reference_model_follows():
    assert load("+device=cpu").actor_rollout_ref.ref.strategy == "fsdp2"


def test_verl_builds_its_rollout_config_from_it():
    from verl.utils.config import omega_conf_to_dataclass

    rollout = omega_conf_to_dataclass(load("+device=cpu").actor_rollout_ref.rollout)
    assert rollout.enable_sleep_mode is False
    assert rollout.engine_kwargs["vllm"]["kv_cache_memory_bytes"] == 1 << 30


def test_verl_computes_in_float32():
    import inspect

    from verl.utils.config import omega_conf_to_dataclass
    from verl.utils.torch_dtypes import PrecisionType
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngine

    config = load("+device=cpu")
    for part in (
        config.actor_rollout_ref.actor.fsdp_config,
        config.actor_rollout_ref.ref.fsdp_config,
        config.critic.fsdp,
    ):
        precision = omega_conf_to_dataclass(part).mixed_precision
        assert PrecisionType.to_dtype(precision["param_dtype"]) == torch.float32
    # What the engine takes for its autocast, which it leaves out in float32.
    source = inspect.getsource(FSDPEngine._build_fsdp_module)
    assert 'mixed_precision_config.get("param_dtype"' in source
    assert "self._autocast_dtype = param_dtype" in source


def test_without_the_device_nothing_changes():
    assert load().trainer.device == "cuda"
    with pytest.raises(ConfigAttributeError):
        _ = load().ray_kwargs.ray_init.num_gpus
