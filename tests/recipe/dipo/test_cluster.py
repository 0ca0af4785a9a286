"""What a node answers, and the sentences made of it; the probe itself runs in the end-to-end tests."""

import os
import subprocess
import sys

import pytest

from recipe.dipo.cluster import environment_to_forward, faults_of_node, inspect_registrations

SOUND = {"version": "0.1.0", "estimator": True, "reward manager": True}


def test_this_python_is_sound():
    found = inspect_registrations()
    assert faults_of_node("here", found, found["version"]) == []
    assert found["version"] is not None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": None}, "must have verl-dipo 0.1.0 installed, but node n1 has none"),
        ({"version": "0.0.9"}, "must have verl-dipo 0.1.0 installed, but node n1 has 0.0.9"),
        ({"estimator": False}, "on node n1 its estimator did not register"),
        ({"reward manager": False}, "on node n1 its reward manager did not register"),
        ({"estimator": False, "reward manager": False}, "its estimator and reward manager did not register"),
    ],
)
def test_a_faulty_node_is_named(change, sentence):
    (fault,) = faults_of_node("n1", {**SOUND, **change}, "0.1.0")
    assert sentence in fault


@pytest.mark.slow
def test_a_python_in_which_verl_loads_no_plug_ins_is_found_out():
    # The probe must not itself import what registers.
    code = "from recipe.dipo.cluster import inspect_registrations; print(list(inspect_registrations().values()))"
    environment = {**os.environ, "VERL_USE_EXTERNAL_PLUGINS": "none"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1].endswith(", False, False]")


def test_forwards_what_decides_on_plug_ins(monkeypatch):
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "dipo,verl_cpu")
    monkeypatch.delenv("VERL_PLATFORM", raising=False)
    forwarded = environment_to_forward()
    assert forwarded["VERL_USE_EXTERNAL_PLUGINS"] == "dipo,verl_cpu"
    assert "VERL_PLATFORM" not in forwarded
