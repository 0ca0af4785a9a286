"""What a node answers, and the sentences made of it; the probe itself runs in the end-to-end tests."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import ray
from omegaconf import OmegaConf
from ray._private import services

from groupwise.errors import GroupwiseError
from groupwise.launch import cluster
from groupwise.launch.cluster import (
    check_nodes,
    environment_to_forward,
    faults_of_capacity,
    faults_of_node,
    inspect_registrations,
    missing_paths,
    shared_paths,
)
from groupwise.preflight import environment

FORWARDED = [
    "NCCL_SOCKET_IFNAME",
    "GLOO_SOCKET_IFNAME",
    "VERL_ENGINE_DEVICE",
    "VLLM_PLUGINS",
    "VLLM_USE_MODELSCOPE",
    "HF_HUB_OFFLINE",
    "HF_ENDPOINT",
    "TRANSFORMERS_OFFLINE",
    "WANDB_MODE",
    "TENSORBOARD_DIR",
]
SOUND = {"installed": "verl-dipo 0.1.0", "estimator": True, "reward manager": True}


def test_this_python_is_sound():
    found = inspect_registrations()
    assert faults_of_node("here", found, found["installed"]) == []
    assert found["installed"] is not None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"installed": None}, "must have verl-dipo 0.1.0 installed, but node n1 has none"),
        ({"installed": "verl-dipo 0.0.9"}, "must have verl-dipo 0.1.0 installed, but node n1 has verl-dipo 0.0.9"),
        ({"estimator": False}, "on node n1 its estimator did not register"),
        ({"reward manager": False}, "on node n1 its reward manager did not register"),
        ({"estimator": False, "reward manager": False}, "its estimator and reward manager did not register"),
    ],
)
def test_a_faulty_node_is_named(change, sentence):
    (fault,) = faults_of_node("n1", {**SOUND, **change}, SOUND["installed"])
    assert sentence in fault


@pytest.mark.slow
def test_a_python_in_which_verl_loads_no_plug_ins_is_found_out():
    # The probe must not itself import what registers.
    code = "from groupwise.launch.cluster import inspect_registrations; print(list(inspect_registrations().values()))"
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


class TestCheckNodes:
    """Ray's answers are made up here; a real cluster is asked in the end-to-end tests."""

    CONFIG = OmegaConf.create(
        {
            "actor_rollout_ref": {"model": {"path": "/models/one"}},
            "data": {"train_files": "/d/train.parquet", "val_files": "/d/val.parquet"},
            "trainer": {"default_local_dir": "/c", "nnodes": 2, "n_gpus_per_node": 8},
        }
    )

    @pytest.fixture
    def nodes(self, monkeypatch):
        """Two sound nodes; a test changes what Ray says of them, what they answer, and what they do not see."""
        names = ("n1", "n2")
        living = [node(name, gpus=8) | {"Alive": True} for name in names]
        for one in living:
            one["Resources"]["CPU"] = 64
        sound = inspect_registrations()
        made = SimpleNamespace(living=living, answers=dict.fromkeys(names, sound), lost={}, sound=sound, asked=[])
        made.now = 0.0

        def sleep(seconds):
            made.now += seconds

        # Nodes are waited for, on a clock that the test does not wait for.
        monkeypatch.setattr(cluster, "time", SimpleNamespace(monotonic=lambda: made.now, sleep=sleep))

        def get(asked, timeout):
            function, name, arguments = asked
            made.asked.append(name)
            if isinstance(made.answers[name], Exception):
                raise made.answers[name]
            if function is inspect_registrations:
                return made.answers[name]
            return [path for path in arguments[0] if path in made.lost.get(name, ())]

        monkeypatch.setattr(cluster, "NodeAffinitySchedulingStrategy", lambda node_id, soft: node_id.split("-")[0])
        monkeypatch.setattr(cluster, "_ask", lambda function, place, *arguments: (function, place, arguments))
        monkeypatch.setattr(ray, "nodes", lambda: made.living)
        monkeypatch.setattr(ray, "get", get)
        return made

    def faults(self) -> list[str]:
        with pytest.raises(GroupwiseError) as refused:
            check_nodes(self.CONFIG)
        return str(refused.value).splitlines()

    def test_sound_nodes_pass(self, nodes):
        check_nodes(self.CONFIG)
        assert set(nodes.asked) == {"n1", "n2"}

    def test_a_node_without_the_recipe_is_at_fault(self, nodes):
        nodes.answers["n2"] = nodes.sound | {"installed": None}
        (fault,) = self.faults()
        assert "but node n2 (192.0.2.1, id n2-01234) has none" in fault

    @pytest.mark.parametrize("path", ["/models/one", "/d/train.parquet", "/d/val.parquet", "/c"])
    def test_so_is_one_that_does_not_see_a_path(self, nodes, path):
        nodes.lost["n1"] = [path]
        (fault,) = self.faults()
        assert fault.startswith(f"Every node must see {path}, but node n1 (192.0.2.1, id n1-01234) does not;")

    @pytest.mark.parametrize(
        "error", [ModuleNotFoundError("No module named 'recipe'"), ray.exceptions.RayError("trace\nlast line")]
    )
    def test_so_is_one_that_cannot_import_it_and_the_others_are_asked_all_the_same(self, nodes, error):
        nodes.answers = {"n1": error, "n2": nodes.sound | {"estimator": False}}
        first, second = self.faults()
        assert "must be able to import this recipe, but node n1 (192.0.2.1, id n1-01234) answered" in first
        assert f"answered {str(error).splitlines()[-1]}; install" in first
        assert "its estimator did not register" in second

    def test_too_few_nodes_are_once_they_were_waited_for(self, nodes):
        del nodes.living[1]
        (fault,) = self.faults()
        assert "must have 2 nodes with 8 GPUs each" in fault
        # A look a second, the last one after the half minute.
        assert nodes.now == cluster.JOIN_SECONDS + 1

    def test_dead_nodes_and_those_without_a_cpu_to_run_on_do_not_count(self, nodes):
        dead, driver = (node(name, gpus=8) for name in ("dead", "driver"))
        nodes.living += [dead | {"Alive": False}, driver | {"Alive": True}]
        # Nothing can be asked of them.
        check_nodes(self.CONFIG)
        assert set(nodes.asked) == {"n1", "n2"}
        nodes.living[1]["Alive"] = False
        assert len(self.faults()) == 1


def test_forwards_what_decides_on_plug_ins(monkeypatch):
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "groupwise,verl_cpu")
    monkeypatch.delenv("VERL_PLATFORM", raising=False)
    forwarded = environment_to_forward()
    assert forwarded["VERL_USE_EXTERNAL_PLUGINS"] == "groupwise,verl_cpu"
    assert "VERL_PLATFORM" not in forwarded


@pytest.mark.parametrize("name", FORWARDED)
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


class TestJoining:
    """Nodes that were just started may join a little later."""

    @pytest.fixture
    def cluster_of(self, monkeypatch):
        """Sets the nodes that Ray lists at each look, on a clock that a look moves by ten seconds; all are sound."""

        def set_(*looks: list[dict]):
            remaining, clock = list(looks), iter(range(0, 10_000, 10))
            monkeypatch.setattr(cluster.ray, "nodes", lambda: remaining.pop(0) if len(remaining) > 1 else remaining[0])
            monkeypatch.setattr(cluster.time, "monotonic", lambda: next(clock))
            monkeypatch.setattr(cluster.time, "sleep", lambda seconds: None)
            monkeypatch.setattr(cluster, "_ask", lambda function, place, *arguments: function(*arguments))
            monkeypatch.setattr(cluster.ray, "get", lambda answer, timeout: answer)

        return set_

    @pytest.fixture
    def config(self, tmp_path):
        return OmegaConf.create(
            {
                "actor_rollout_ref": {"model": {"path": "Qwen/Qwen2.5-7B"}},
                "data": {"train_files": "hdfs://c/t.parquet", "val_files": "hdfs://c/v.parquet"},
                "trainer": {"default_local_dir": str(tmp_path), "nnodes": 2, "n_gpus_per_node": 8},
            }
        )

    def living(self, *names: str) -> list[dict]:
        found = [node(name, gpus=8) for name in names]
        # Ray takes no other id than one of its own shape.
        shared = {"Alive": True, "NodeID": "a" * 56}
        return [{**each, **shared, "Resources": {**each["Resources"], "CPU": 16}} for each in found]

    def test_a_node_that_joins_in_time_is_waited_for(self, cluster_of, config):
        one, two = self.living("n1"), self.living("n1", "n2")
        cluster_of(one, one, two)
        cluster.check_nodes(config)

    def test_one_that_does_not_is_missed(self, cluster_of, config):
        cluster_of(self.living("n1"))
        with pytest.raises(GroupwiseError, match="must have 2 nodes with 8 GPUs each"):
            cluster.check_nodes(config)


class TestThisMachineAlone:
    @pytest.fixture(autouse=True)
    def as_it_was(self, monkeypatch):
        monkeypatch.setenv(cluster.ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "")
        monkeypatch.delenv(cluster.ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR)
        monkeypatch.setattr(cluster.ray_constants, "ENABLE_RAY_CLUSTER", True)
        monkeypatch.setattr(environment, "find_cluster", lambda address: address)
        monkeypatch.setattr(services, "node_ip_address_from_perspective", lambda address: "8.8.8.8")

    @pytest.mark.parametrize(
        ("nodes", "address", "asked", "expected"),
        [
            (1, None, None, "127.0.0.1"),
            (1, None, "0", "127.0.0.1"),
            (1, None, "1", "8.8.8.8"),
            (2, None, None, "8.8.8.8"),
            (1, "10.0.0.1:6379", None, "8.8.8.8"),
        ],
    )
    def test_what_asks_ray_for_an_address_gets_the_loopback_interfaces(
        self, monkeypatch, nodes, address, asked, expected
    ):
        from transfer_queue.utils import zmq_utils

        config = OmegaConf.create({"trainer": {"nnodes": nodes}, "ray_kwargs": {"ray_init": {"address": address}}})
        if asked is not None:
            monkeypatch.setenv(cluster.ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, asked)
        notes = list(environment._public_address_notes(config))
        if environment.is_local(config):
            cluster.keep_to_this_machine()
        assert zmq_utils.get_node_ip_address() == expected
        assert [note.count("8.8.8.8 is a public address") for note in notes] == [1] * (expected == "8.8.8.8")
        if expected == "127.0.0.1":
            # As every process that is started from now on takes it.
            said = subprocess.run(
                [sys.executable, "-c", "from ray._private.ray_constants import *; print(ENABLE_RAY_CLUSTER)"],
                capture_output=True,
                text=True,
            )
            assert said.stdout == "False\n"
