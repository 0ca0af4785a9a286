"""How engines share a machine, and what vLLM is told."""

import types
from pathlib import Path
from typing import Any

import pytest
import verl.plugin.platform

from groupwise.errors import GroupwiseError
from groupwise.evaluation.machine import engine_arguments, environments
from groupwise.evaluation.options import parse


@pytest.fixture
def machine(monkeypatch) -> types.SimpleNamespace:
    """A machine with four GPUs, as verl's platform describes one."""
    platform = types.SimpleNamespace(
        device_name="cuda",
        visible_devices_envvar=lambda: "CUDA_VISIBLE_DEVICES",
        device_count=lambda: 4,
        rollout_env_vars=lambda: {"NCCL_CUMEM_ENABLE": "0"},
    )
    monkeypatch.setattr(verl.plugin.platform, "get_platform", lambda: platform)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return platform


def gpus_of(found: list[dict[str, str]]) -> list[str | None]:
    return [variables.get("CUDA_VISIBLE_DEVICES") for variables in found]


@pytest.mark.parametrize(
    ("gpus", "size", "expected"),
    [
        (None, 1, ["0", "1", "2", "3"]),
        (None, 2, ["0,1", "2,3"]),
        # The fourth has no partner.
        (None, 3, ["0,1,2"]),
        (2, 1, ["0", "1"]),
        (4, 4, ["0,1,2,3"]),
    ],
)
def test_gpus_are_divided_among_engines(machine, gpus, size, expected):
    found = environments(gpus=gpus, tensor_parallel_size=size)
    assert gpus_of(found) == expected
    assert all(variables["NCCL_CUMEM_ENABLE"] == "0" for variables in found)


def test_only_visible_gpus_are_used(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc, 1")
    assert gpus_of(environments(gpus=2, tensor_parallel_size=1)) == ["3", "GPU-abc"]
    assert len(environments(gpus=None, tensor_parallel_size=1)) == 3


@pytest.mark.parametrize(("gpus", "size", "needed"), [(5, 1, 5), (None, 8, 8), (2, 4, 4), (8, 8, 8)])
def test_more_gpus_than_there_are_is_refused(machine, gpus, size, needed):
    with pytest.raises(GroupwiseError, match=f"needs {needed} GPUs, but 4 are visible"):
        environments(gpus=gpus, tensor_parallel_size=size)


def test_no_visible_gpu_is_refused(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(GroupwiseError, match="0 are visible"):
        environments(gpus=None, tensor_parallel_size=1)


@pytest.mark.parametrize(("gpus", "engines"), [(None, 1), (2, 2)])
def test_a_cpu_has_as_many_engines_as_asked_for(machine, gpus, engines):
    machine.device_name = "cpu"
    machine.rollout_env_vars = lambda: {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    found = environments(gpus=gpus, tensor_parallel_size=1)
    assert gpus_of(found) == [None] * engines
    assert all(variables["VLLM_CPU_OMP_THREADS_BIND"] == "nobind" for variables in found)


def arguments_of(*given: str) -> dict[str, Any]:
    return engine_arguments(parse(["model", *given]), Path("/m"), max_model_len=100)


def test_a_gpus_engine_is_told_verls_precision(machine):
    assert arguments_of("--tensor-parallel-size", "2", "--seed", "5") == {
        **{"model": "/m", "max_model_len": 100, "tensor_parallel_size": 2, "seed": 5},
        **{"dtype": "bfloat16", "gpu_memory_utilization": 0.85},
    }


def test_a_cpus_engine_is_told_what_verl_cpu_found_to_work(machine):
    machine.device_name = "cpu"
    assert arguments_of() == {
        **{"model": "/m", "max_model_len": 100, "tensor_parallel_size": 1, "seed": 0},
        **{"dtype": "float32", "enforce_eager": True, "kv_cache_memory_bytes": 2**30},
    }


def test_an_option_of_the_user_comes_last(machine):
    given = arguments_of("--engine-option", "dtype=float16", "--engine-option", "max_num_seqs=8")
    assert (given["dtype"], given["max_num_seqs"]) == ("float16", 8)
