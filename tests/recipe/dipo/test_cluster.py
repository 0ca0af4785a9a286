"""What a node answers, and the sentences made of it; the probe itself runs in the end-to-end tests."""

import json
import os
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from recipe.dipo.cluster import (
    environment_to_forward,
    faults_of_capacity,
    faults_of_node,
    inspect_registrations,
    missing_paths,
    shared_paths,
)

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


def node(name: str, *, gpus: float) -> dict:
    """A node as Ray describes it, as far as it is read."""
    return {
        "NodeManagerHostname": name,
        "NodeManagerAddress": "192.0.2.1",
        "NodeID": f"{name}-0123456789",
        "Resources": {"GPU": gpus} if gpus else {},
    }


class TestCapacity:
    def test_enough(self):
        nodes = [node("n1", gpus=8), node("n2", gpus=8), node("head", gpus=0)]
        assert faults_of_capacity(nodes, wanted_nodes=2, gpus_per_node=8) == []

    @pytest.mark.parametrize(
        "nodes",
        [
            [node("n1", gpus=8)],
            # 16 GPUs in all, but no two nodes with 8.
            [node("n1", gpus=12), node("n2", gpus=4)],
            [node("n1", gpus=8), node("head", gpus=0)],
        ],
    )
    def test_too_few(self, nodes):
        (fault,) = faults_of_capacity(nodes, wanted_nodes=2, gpus_per_node=8)
        assert "must have 2 nodes with 8 GPUs each" in fault
        assert "n1 (192.0.2.1, id n1-01234) has" in fault


class TestPaths:
    def test_lists_what_every_node_must_see(self):
        config = OmegaConf.create(
            {
                "actor_rollout_ref": {"model": {"path": "Qwen/Qwen2.5-7B"}},
                "data": {"train_files": "/d/train.parquet", "val_files": ["/d/a.parquet", "hdfs://c/b.parquet"]},
                "trainer": {"default_local_dir": "/c"},
            }
        )
        # A name on the hub and a remote file are fetched by each node itself.
        assert shared_paths(config) == ["/d/train.parquet", "/d/a.parquet", "/c"]

    def test_finds_what_is_missing(self, tmp_path):
        there = tmp_path / "there"
        there.touch()
        assert missing_paths([str(there), "/not/there"]) == ["/not/there"]


def test_forwards_what_decides_on_plug_ins(monkeypatch):
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "dipo,verl_cpu")
    monkeypatch.delenv("VERL_PLATFORM", raising=False)
    forwarded = environment_to_forward()
    assert forwarded["VERL_USE_EXTERNAL_PLUGINS"] == "dipo,verl_cpu"
    assert "VERL_PLATFORM" not in forwarded


@pytest.mark.parametrize("name", ["NCCL_SOCKET_IFNAME", "VERL_ENGINE_DEVICE", "VLLM_PLUGINS", "HF_HUB_OFFLINE"])
def test_forwards_what_must_be_alike_on_all_nodes(monkeypatch, name):
    monkeypatch.setenv(name, "value")
    assert environment_to_forward()[name] == "value"


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "HF_TOKEN", "VLLM_HOST_IP", "VLLM_API_KEY", "HOME", "PATH"])
def test_keeps_secrets_and_what_belongs_to_a_node(monkeypatch, name):
    monkeypatch.setenv(name, "value")
    assert name not in environment_to_forward()


def test_does_not_repeat_what_the_job_was_submitted_with(monkeypatch):
    monkeypatch.setenv("VERL_PLATFORM", "cuda")
    monkeypatch.setenv("NCCL_DEBUG", "INFO")
    submitted = {"runtime_env": {"env_vars": {"VERL_PLATFORM": "cuda"}, "working_dir": "gcs://code.zip"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(submitted))
    forwarded = environment_to_forward()
    assert "VERL_PLATFORM" not in forwarded
    assert forwarded["NCCL_DEBUG"] == "INFO"


def test_a_job_without_variables_of_its_own(monkeypatch):
    monkeypatch.setenv("VERL_PLATFORM", "cuda")
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"runtime_env": null}')
    assert environment_to_forward()["VERL_PLATFORM"] == "cuda"
