"""Every YAML of the recipe composes into a valid configuration."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import recipe.dipo.config
from groupwise.config.methods import build_configured
from recipe.dipo.method import DiPO

CONFIG_FOLDER = Path(recipe.dipo.config.__file__).parent
EXPERIMENTS = sorted(path.stem for path in (CONFIG_FOLDER / "experiment").glob("*.yaml"))


def composed(*overrides: str):
    with initialize_config_module("recipe.dipo.config", version_base=None):
        return compose("dipo_trainer", overrides=list(overrides))


def test_the_defaults_are_the_papers():
    config = composed()
    assert OmegaConf.to_container(config.algorithm.dipo) == DiPO.defaults()
    assert config.algorithm.adv_estimator == "dipo"
    assert config.reward.reward_manager.name == "groupwise"
    assert config.actor_rollout_ref.actor.loss_agg_mode == "token-mean"


def test_the_comparison_differs_in_one_key():
    ours, baseline = composed(), composed("algorithm.adv_estimator=grpo")
    baseline.algorithm.adv_estimator = "dipo"
    assert ours == baseline


@pytest.mark.parametrize("overrides", [["+device=cpu"], *([f"+experiment={name}"] for name in EXPERIMENTS)])
def test_every_overlay_composes_into_a_valid_configuration_and_adds_no_key_of_its_own(overrides):
    assert isinstance(build_configured(composed(*overrides), "dipo"), DiPO)


def test_every_yaml_is_tested():
    found = {path.relative_to(CONFIG_FOLDER).as_posix() for path in CONFIG_FOLDER.rglob("*.yaml")}
    # The arms are tested with their settings, in test_experiments.py.
    arms = {f"experiment/arm/{name}.yaml" for name in ("dipo", "grpo", "dapo")}
    assert found == {"dipo_trainer.yaml", *(f"experiment/{name}.yaml" for name in EXPERIMENTS), *arms}
