"""Settings of every method are keys of the composed configuration, whoever brings the method."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.object_type import ObjectType
from hydra.errors import ConfigCompositionException

import groupwise.config
import groupwise.preflight
from groupwise.config.methods import build_configured
from groupwise.config.sections import MethodSections
from groupwise.launch.command_line import explain
from groupwise.method import METHODS, Method, Methods
from groupwise.preflight import method


@dataclass(frozen=True)
class Config:
    coefficient: float = 0.1


class Scaled(Method):
    name, Config = "scaled", Config


@pytest.fixture
def scaled(monkeypatch):
    """A method that is registered for one test."""
    monkeypatch.setattr(METHODS, "_registered", {**METHODS._registered})
    return METHODS.register(Scaled)


def composed(*overrides: str):
    with initialize_config_module("recipe.dipo.config", version_base=None):
        return compose("dipo_trainer", overrides=list(overrides))


def test_a_key_of_a_registered_method_needs_no_plus(scaled):
    config = composed("algorithm.scaled.coefficient=0.2", "algorithm.adv_estimator=scaled")
    assert build_configured(config, "scaled").config == Config(0.2)
    assert composed().algorithm.scaled == {"coefficient": 0.1}


def test_a_mistyped_one_is_refused_with_the_nearest(scaled):
    with pytest.raises(ConfigCompositionException) as refused:
        composed("algorithm.scaled.coeficient=0.2")
    assert "did you mean algorithm.scaled.coefficient?" in explain(refused.value, [])


def test_a_key_that_was_added_to_a_method_that_is_not_computed_is_refused_too(scaled):
    config = composed("++algorithm.scaled.coeficient=0.2")
    sentence = "algorithm.scaled has no key 'coeficient'; did you mean 'coefficient'?"
    assert sentence in list(method.find_faults(config))
    config = composed("algorithm.scaled.coefficient=0.3", "actor_rollout_ref.rollout.n=8")
    assert list(method.find_faults(config)) == []


def test_a_method_that_is_gone_has_no_section():
    assert "scaled" not in composed().algorithm


def test_a_package_that_cannot_be_imported_keeps_no_run_from_starting(monkeypatch, caplog):
    class Broken(Methods):
        def __getitem__(self, name):
            raise ImportError(f"no module {name}")

    monkeypatch.setattr("groupwise.method.METHODS", Broken())
    with caplog.at_level(logging.WARNING):
        assert composed().algorithm.adv_estimator == "dipo"
    assert "The method dipo must be importable, but fails with ImportError('no module dipo')" in caplog.text


def test_what_hydra_asks_of_a_source():
    source = MethodSections("main", "methods://")
    assert source.available()
    assert source.list("", ObjectType.CONFIG) == source.list("", None) == ["method_sections"]
    assert source.list("", ObjectType.GROUP) == source.list("algorithm", None) == []
    assert source.is_config("method_sections")
    assert not source.is_config("ppo_trainer")
    assert source.is_group("")
    assert not source.is_group("algorithm")


@pytest.mark.parametrize("package", [groupwise.config, groupwise.preflight])
def test_the_framework_knows_no_method_by_name(package):
    texts = [file for end in ("py", "yaml") for file in Path(package.__file__).parent.rglob(f"*.{end}")]
    assert texts
    assert [file.name for file in texts if "dipo" in file.read_text(encoding="utf-8").lower()] == []
