"""Range checks, unknown keys, and that every YAML of the recipe composes into a valid configuration."""

import math
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import recipe.dipo.config
from recipe.dipo.config import DiPOConfig

VALID = {"alpha": 0.1, "queue_batches": 2, "confidence": 0.95, "group_perplexity": "any"}
CONFIG_FOLDER = Path(recipe.dipo.config.__file__).parent
EXPERIMENTS = sorted(path.stem for path in (CONFIG_FOLDER / "experiment").glob("*.yaml"))


@pytest.mark.parametrize(
    "change",
    [{}, {"alpha": 0}, {"alpha": 1.0}, {"queue_batches": 1}, {"confidence": None}, {"group_perplexity": "median"}],
)
def test_accepts(change):
    assert DiPOConfig.from_mapping({**VALID, **change}) == DiPOConfig(**{**VALID, **change})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alpha", -0.1),
        ("alpha", math.nan),
        ("alpha", math.inf),
        ("alpha", "0.1"),
        ("alpha", True),
        ("alpha", None),
        ("queue_batches", 0),
        ("queue_batches", 1.5),
        ("queue_batches", True),
        ("confidence", 0),
        ("confidence", 1),
        ("confidence", 95),
        ("confidence", "high"),
        ("group_perplexity", "average"),
        ("group_perplexity", None),
    ],
)
def test_refuses_and_names_key_and_value(key, value):
    with pytest.raises(ValueError, match=rf"algorithm\.dipo\.{key} must .* is {value!r}"):
        DiPOConfig.from_mapping({**VALID, key: value})


@pytest.mark.parametrize(
    ("typo", "meant"), [("alhpa", "alpha"), ("queue_batch", "queue_batches"), ("group_perplexty", "group_perplexity")]
)
def test_a_mistyped_key_is_refused_and_the_nearest_named(typo, meant):
    with pytest.raises(ValueError, match=f"no key '{typo}'; did you mean '{meant}'"):
        DiPOConfig.from_mapping({**VALID, typo: 1})


def test_a_key_like_no_other_lists_the_keys():
    with pytest.raises(ValueError, match="the keys are alpha, queue_batches, confidence, group_perplexity"):
        DiPOConfig.from_mapping({**VALID, "zzz": 1})


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="lacks confidence"):
        DiPOConfig.from_mapping({key: value for key, value in VALID.items() if key != "confidence"})


def composed(*overrides: str):
    with initialize_config_module("recipe.dipo.config", version_base=None):
        return compose("dipo_trainer", overrides=list(overrides))


def test_the_defaults_are_the_papers():
    config = composed()
    assert DiPOConfig.from_mapping(OmegaConf.to_container(config.algorithm.dipo)) == DiPOConfig(**VALID)
    assert config.algorithm.adv_estimator == "dipo"
    assert config.reward.reward_manager.name == "dipo"
    assert config.actor_rollout_ref.actor.loss_agg_mode == "token-mean"


def test_the_comparison_differs_in_one_key():
    ours, baseline = composed(), composed("algorithm.adv_estimator=grpo")
    baseline.algorithm.adv_estimator = "dipo"
    assert ours == baseline


@pytest.mark.parametrize("overrides", [["+device=cpu"], *([f"+experiment={name}"] for name in EXPERIMENTS)])
def test_every_overlay_composes_into_a_valid_configuration_and_adds_no_key_of_its_own(overrides):
    config = OmegaConf.to_container(composed(*overrides).algorithm.dipo, resolve=True)
    assert isinstance(DiPOConfig.from_mapping(config), DiPOConfig)


def test_every_yaml_is_tested():
    found = {path.relative_to(CONFIG_FOLDER).as_posix() for path in CONFIG_FOLDER.rglob("*.yaml")}
    # The arms are tested with their settings, in test_experiments.py.
    arms = {f"experiment/arm/{name}.yaml" for name in ("dipo", "grpo", "dapo")}
    assert found == {"dipo_trainer.yaml", *(f"experiment/{name}.yaml" for name in EXPERIMENTS), *arms}
