"""Plug-ins that are left out, Ray clusters that are joined or missing, GPUs and CPUs that a new Ray would lack."""

import re
from functools import cache
from types import SimpleNamespace

import pytest
import ray
from ray._private import services

from groupwise.preflight import environment
from groupwise.preflight.environment import REFUSED_WHEN_JOINING, find_cluster, find_cluster_faults, find_faults

INIT = "ray_kwargs.ray_init"
SEPARATE = ["trainer.v1.trainer_mode=separate_async", "actor_rollout_ref.rollout.nnodes=1"]


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine of the device under test, with 64 CPUs, no Ray, and no variable that matters here."""
    for name in ("VERL_USE_EXTERNAL_PLUGINS", "VLLM_PLUGINS", "RAY_ADDRESS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    running = SimpleNamespace(device_name="cuda", cluster=None, cpus=64)
    monkeypatch.setattr(environment, "get_platform", lambda: running)
    monkeypatch.setattr(environment, "_count_cpus", lambda: running.cpus)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda folder: running.cluster)

    @cache
    def found() -> set[str]:
        return set()

    monkeypatch.setattr(services, "find_gcs_addresses", found)
    return running


@pytest.fixture
def faults(machine, shipped):
    """Finds the faults of the shipped configuration for a device, with overrides, on a machine of that device."""

    def faults_(device: str, *overrides: str) -> list[str]:
        machine.device_name = "cpu" if device == "cpu" else "cuda"
        config = shipped(device, *overrides)
        return [*find_faults(config.trainer.device), *find_cluster_faults(config)]

    return faults_


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_shipped_configuration_is_sound(faults, device):
    assert faults(device) == []


class TestPlugins:
    @pytest.mark.parametrize(
        ("device", "variable", "value"),
        [
            ("cpu", "VERL_USE_EXTERNAL_PLUGINS", "auto"),
            ("cpu", "VERL_USE_EXTERNAL_PLUGINS", "groupwise,verl_cpu"),
            # As verl reads it (verl/__init__.py): lower-cased and stripped.
            ("cpu", "VERL_USE_EXTERNAL_PLUGINS", " Verl_CPU , GroupWise, other"),
            ("gpu", "VERL_USE_EXTERNAL_PLUGINS", "groupwise"),
            ("cpu", "VLLM_PLUGINS", "other,verl_cpu"),
            ("gpu", "VLLM_PLUGINS", ""),
        ],
    )
    def test_what_names_ours_is_sound(self, faults, monkeypatch, device, variable, value):
        monkeypatch.setenv(variable, value)
        assert faults(device) == []

    @pytest.mark.parametrize(
        ("device", "variable", "value", "sentence"),
        [
            ("gpu", "VERL_USE_EXTERNAL_PLUGINS", "none", "must be unset or name groupwise, .* add groupwise"),
            ("gpu", "VERL_USE_EXTERNAL_PLUGINS", "", "must be unset or name groupwise, .* is ''"),
            ("gpu", "VERL_USE_EXTERNAL_PLUGINS", "groupwise2", "add groupwise"),
            ("cpu", "VERL_USE_EXTERNAL_PLUGINS", "groupwise", "name groupwise, verl_cpu, .* add verl_cpu"),
            ("cpu", "VERL_USE_EXTERNAL_PLUGINS", "other", "add groupwise, verl_cpu"),
            ("cpu", "VLLM_PLUGINS", "", "must be unset or name verl_cpu"),
            # vLLM splits at commas and strips nothing, and has no word for all.
            ("cpu", "VLLM_PLUGINS", "other, verl_cpu", "without spaces"),
            ("cpu", "VLLM_PLUGINS", "auto", "must be unset or name verl_cpu"),
        ],
    )
    def test_what_leaves_ours_out_is_a_fault(self, faults, monkeypatch, device, variable, value, sentence):
        monkeypatch.setenv(variable, value)
        (fault,) = faults(device)
        assert fault.startswith(variable)
        assert re.search(sentence, fault), fault


class TestCluster:
    @pytest.mark.parametrize(
        ("address", "variable", "running", "found"),
        [
            (None, None, None, None),
            (None, None, "10.0.0.1:6379", "10.0.0.1:6379"),
            (None, "10.0.0.2:6379", "10.0.0.1:6379", "10.0.0.2:6379"),
            ("auto", "10.0.0.2:6379", None, "10.0.0.2:6379"),
            ("local", "10.0.0.2:6379", "10.0.0.1:6379", None),
            (None, "local", "10.0.0.1:6379", None),
            ("10.0.0.3:6379", "10.0.0.2:6379", None, "10.0.0.3:6379"),
            (None, "ray://10.0.0.2:10001", None, "ray://10.0.0.2:10001"),
        ],
    )
    def test_the_address_is_found_by_rays_rules(self, machine, monkeypatch, address, variable, running, found):
        machine.cluster = running
        if variable:
            monkeypatch.setenv("RAY_ADDRESS", variable)
        assert find_cluster(address) == found

    def test_resources_of_a_new_ray_are_refused_where_one_is_joined(self, faults, machine, monkeypatch):
        assert faults("gpu", f"{INIT}.num_cpus=40") == []
        machine.cluster = "10.0.0.1:6379"
        (fault,) = faults("gpu", f"{INIT}.num_cpus=40")
        assert "joins a Ray cluster (10.0.0.1:6379)" in fault
        assert f"but {INIT}.num_cpus would be refused by Ray; set it to null" in fault
        assert faults("gpu") == []

    def test_the_cpu_configuration_joins_none_unless_told_to(self, faults, monkeypatch):
        monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
        assert faults("cpu") == []
        (fault,) = faults("cpu", f"{INIT}.address=null")
        for key in ("num_cpus", "num_gpus", "object_store_memory"):
            assert f"{INIT}.{key}" in fault
        nulls = [f"{INIT}.{key}=null" for key in ("address", "num_cpus", "num_gpus", "object_store_memory")]
        assert faults("cpu", *nulls) == []

    def test_auto_without_a_cluster_and_a_broken_address_are_faults(self, faults):
        (fault,) = faults("gpu", f"{INIT}.address=auto")
        assert "address=auto must lead to a running Ray cluster" in fault
        (fault,) = faults("gpu", f"{INIT}.address=nowhere")
        assert "address=nowhere must lead to" in fault

    def test_the_variable_is_named_where_it_gave_the_address(self, faults, monkeypatch):
        monkeypatch.setenv("RAY_ADDRESS", "nowhere")
        (fault,) = faults("gpu")
        assert fault.startswith("RAY_ADDRESS=nowhere must lead to a running Ray cluster")
        assert fault.endswith("or unset the variable.")

    def test_ray_refuses_these_arguments(self):
        # What ray.init really does with each, before it connects to anything.
        values = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 10**8, "resources": {"a": 1}}
        values |= {"labels": {"a": "b"}, "_system_config": {"a": 1}, "_node_name": "a"}
        assert set(values) == set(REFUSED_WHEN_JOINING)
        for key, value in values.items():
            with pytest.raises(ValueError, match="existing cluster"):
                ray.init(address="127.0.0.1:1", **{key: value})


class TestOwnRay:
    @pytest.mark.parametrize(
        ("device", "overrides", "visible"),
        [
            ("gpu", [], "0,1,2,3,4,5,6,7"),
            ("gpu", ["trainer.n_gpus_per_node=2"], "4,5,6"),
            # Slots of one machine that pose as nodes: verl packs each group of workers, and both fit.
            ("cpu", ["trainer.nnodes=2", f"{INIT}.num_gpus=2"], None),
            ("cpu", ["trainer.n_gpus_per_node=2", f"{INIT}.num_cpus=9"], None),
            # The counts are wrong, which batch.py says.
            ("gpu", ["trainer.nnodes=0"], None),
            ("gpu", ["trainer.nnodes='2'"], None),
        ],
    )
    def test_what_is_enough_is_sound(self, faults, monkeypatch, device, overrides, visible):
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert faults(device, *overrides) == []

    @pytest.mark.parametrize(
        ("device", "overrides", "visible", "sentence"),
        [
            ("gpu", ["trainer.nnodes=2"], None, "trainer.nnodes=2 needs a Ray cluster, .* RAY_ADDRESS"),
            ("cpu", ["trainer.nnodes=2"], None, "trainer.nnodes=2 needs a Ray cluster"),
            ("gpu", [], "0,1,2,3", "must name at least 8 devices .* but names 4 .* lower trainer.n_gpus_per_node"),
            ("gpu", ["trainer.n_gpus_per_node=1"], "", "must name at least 1 devices .* but names 0"),
            # Ray counts visible devices even where there are none: "Attempting to start raylet with 1 GPU".
            ("cpu", [], "", r"must name at least 1 .* but names 0 \(''\); unset it"),
            ("cpu", [f"{INIT}.num_gpus=0"], None, "num_gpus must be at least the 1 GPUs .* but is 0"),
            ("gpu", [*SEPARATE, f"{INIT}.num_gpus=8"], None, "num_gpus must be at least the 16 GPUs .* but is 8"),
            # 3 x 2 workers, 1 storage unit of the CPU's overlay, 2 more.
            (
                "cpu",
                ["trainer.n_gpus_per_node=2", f"{INIT}.num_cpus=8"],
                None,
                "must have at least 9 CPUs .* but has 8 .*num_cpus=9",
            ),
            # 3 x 8 workers, verl's 8 storage units and their controller, 1 more.
            ("gpu", [f"{INIT}.num_cpus=16"], None, "must have at least 34 CPUs .* but has 16"),
            # The trainer from before V1 keeps rollouts to itself.
            ("gpu", [f"{INIT}.num_cpus=16", "trainer.use_v1=false"], None, "must have at least 25 CPUs .* but has 16"),
        ],
    )
    def test_what_is_not_is_a_fault(self, faults, monkeypatch, device, overrides, visible, sentence):
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        (fault,) = faults(device, *overrides)
        assert re.search(sentence, fault), fault

    def test_this_machines_cpus_count_where_no_number_is_given(self, faults, machine):
        machine.cpus = 33
        (fault,) = faults("gpu")
        assert "at least 34 CPUs" in fault
        machine.cpus = 34
        assert faults("gpu") == []

    def test_a_dry_run_elsewhere_is_not_judged_by_its_own_machine(self, shipped, machine, monkeypatch):
        machine.device_name, machine.cpus = "cpu", 2
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert list(find_cluster_faults(shipped("gpu"))) == []

    def test_several_nodes_are_sound_on_a_cluster(self, faults, machine):
        machine.cluster = "10.0.0.1:6379"
        assert faults("gpu", "trainer.nnodes=4") == []


def test_verls_reservation_is_the_one_reckoned_with():
    from verl.single_controller.ray import ResourcePoolManager

    pools = ResourcePoolManager(resource_pool_spec={}, mapping={})
    assert pools.max_colocate_count == environment.CPUS_PER_WORKER
