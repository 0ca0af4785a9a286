"""Defaults, ranges, and what of verl's configuration contradicts a method."""

import dataclasses
import math
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

import recipe.neighbours
from groupwise.method import METHODS, build

DEFAULTS = yaml.safe_load((Path(recipe.neighbours.__file__).parent / "neighbours.yaml").read_text())
BROKEN = [
    ("lens", "alpha", -0.1, "a number of at least 0"),
    ("lens", "mixed", "yes", "true or false"),
    ("rl_zvp", "alpha", math.nan, "a number of at least 0"),
    ("ngrpo", "virtual", 1.5, "a whole number of at least 0"),
    ("ngrpo", "reward", math.inf, "a number"),
    ("avspo", "threshold", 0.95, "a number of at least 0.1 and at most 0.9"),
    ("avspo", "rate", -1, "a number of at least 0 and at most 1"),
    ("avspo", "sensitivity", 0, "a number above 0 and at most 1"),
    ("avspo", "anchor", 0.0, "a number above 0"),
    ("nsr", "positive", 1.1, "a number of at least 0 and at most 1"),
    ("dace", "scale", None, "a number of at least 0"),
    ("dace", "threshold", 2, "a number of at least 0 and at most 1"),
    ("cde", "kappa", 0.5, "a number of at least 1"),
    ("cde", "alpha", True, "a number of at least 0"),
    ("cde", "weight", "1", "a number of at least 0"),
    ("cde", "until_step", 0, "a whole number of at least 1"),
    ("cde", "signed", 1, "true or false"),
    ("unlikeliness", "beta", 1.5, "a number of at least 0 and at most 1"),
    ("unlikeliness", "released", None, "true or false"),
    ("unlikeliness", "easy", 0, "true or false"),
    ("ema_baseline", "coefficient", 0, "a number above 0 and at most 1"),
    ("a_grae", "alpha", 0, "a number above 0 and at most 1"),
    ("a_grae", "released", 0, "true or false"),
    ("ppl_shaping", "alpha", 2, "a number of at least 0 and at most 1"),
    ("ppl_shaping", "favour", "middle", "one of low, high"),
    ("position_shaping", "gamma", -1, "a number of at least 0"),
    ("position_shaping", "from_step", 0, "a whole number of at least 1"),
    ("position_shaping", "to_step", 201, "a whole number of at least 202"),
    ("xrpo", "scale", -1, "a number of at least 0"),
    ("xrpo", "cap", -1, "a number of at least 0"),
    ("edge_eda", "floor", 0, "a number above 0 and at most 1"),
    ("pass_k", "k", 0, "a whole number of at least 1"),
    ("random_reward", "probability", 1.2, "a number of at least 0 and at most 1"),
    ("random_reward", "seed", -1, "a whole number of at least 0"),
    ("max_ppl_reward", "alpha", -0.1, "a number of at least 0"),
    ("max_ppl_penalty", "alpha", -0.1, "a number of at least 0"),
]


def test_the_yaml_holds_every_default_and_nothing_else(neighbour):
    fields = {field.name for field in dataclasses.fields(METHODS[neighbour].Config)}
    assert set(DEFAULTS[neighbour]) == fields == set(METHODS[neighbour].defaults())
    assert dataclasses.asdict(build(neighbour).config) == DEFAULTS[neighbour]


def test_every_method_of_the_yaml_is_installed():
    assert set(DEFAULTS) == {name for name in METHODS if METHODS[name].__module__.startswith("recipe.neighbours.")}


@pytest.mark.parametrize(("name", "key", "value", "range_"), BROKEN)
def test_refuses_and_names_key_range_and_value(name, key, value, range_):
    with pytest.raises(ValueError, match="must be") as refused:
        build(name, {key: value})
    assert str(refused.value) == f"algorithm.{name}.{key} must be {range_}, but is {value!r}."


def test_every_key_has_a_range():
    keys = {(name, key) for name, settings in DEFAULTS.items() for key in settings}
    assert {(name, key) for name, key, *_ in BROKEN} == keys


def verl(**changes):
    config = OmegaConf.create(
        {
            "algorithm": {"filter_groups": {"enable": False}},
            "actor_rollout_ref": {"actor": {"clip_ratio_low": 0.2, "clip_ratio_high": 0.28}, "rollout": {"n": 8}},
            "trainer": {"total_training_steps": None},
        }
    )
    for key, value in changes.items():
        OmegaConf.update(config, key, value, force_add=True)
    return config


def test_a_sound_configuration_has_no_fault(neighbour):
    assert list(METHODS[neighbour].faults(verl())) == []


def test_dynamic_sampling_contradicts_those_that_need_groups_without_variance(neighbour):
    faults = list(METHODS[neighbour].faults(verl(**{"algorithm.filter_groups.enable": True})))
    ignores = {"unlikeliness", "a_grae", "ppl_shaping", "position_shaping", "xrpo", "edge_eda", "pass_k", "max_rl"}
    assert len(faults) == (neighbour not in ignores)
    assert all("drops every group without variance" in fault for fault in faults)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        (
            "ngrpo",
            {"actor_rollout_ref.actor.clip_ratio_high": 0.2},
            "tighter below than above",
        ),
        ("pass_k", {"algorithm.pass_k": {"k": 9}}, "pass_k.k must be at most actor_rollout_ref.rollout.n, 8, but is 9"),
        (
            "unlikeliness",
            {"algorithm.unlikeliness": {"easy": True}, "algorithm.filter_groups.enable": True},
            "algorithm.unlikeliness.easy=true works on; set one of them to false.",
        ),
        ("position_shaping", {"trainer.total_training_steps": 100}, "from_step must lie in the run, but is 201"),
    ],
)
def test_other_contradictions(name, changes, sentence):
    (fault,) = METHODS[name].faults(verl(**changes))
    assert sentence in fault


def test_position_shaping_takes_its_steps_from_the_configuration():
    settings = {"algorithm.position_shaping": {"from_step": 10, "to_step": 20}, "trainer.total_training_steps": 100}
    assert list(METHODS["position_shaping"].faults(verl(**settings))) == []
