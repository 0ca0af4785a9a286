"""When the plug-in acts, when it does not, and what check says."""

import importlib.metadata
import mmap

import pytest
import torch
from verl.plugin.platform import PlatformRegistry
from verl.plugin.platform.platform_cuda import PlatformCUDA

import verl_cpu
from verl_cpu import checks, device, platform

# What a process looks like that has imported verl: platforms, the one in use, and every trace the plug-in can leave.
STATE = """
import os, sys, torch, verl
from verl.plugin.platform import PlatformRegistry, get_platform
print("cpu" in PlatformRegistry.registered_names(), type(get_platform()).__name__, os.environ.get("VERL_ENGINE_DEVICE"),
      hasattr(torch.distributed.init_process_group, "_verl_cpu_patch"), "verl_cpu.after_import" in sys.modules)
"""
UNTOUCHED = ["False", "PlatformCUDA", "None", "False"]


@pytest.fixture
def gpu_machine(tmp_path, monkeypatch) -> str:
    """PATH with an nvidia-smi that answers. torch sees no device: a Ray actor without a GPU, on such a host."""
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\nexit 0\n")
    command.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    return path


@pytest.fixture
def no_choice(monkeypatch) -> None:
    monkeypatch.delenv("VERL_PLATFORM", raising=False)


@pytest.fixture
def cpu_only(no_choice) -> None:
    if platform.accelerator_present():
        pytest.skip("this machine has an accelerator, and the plug-in does nothing here")


@pytest.mark.slow  # each imports verl anew, which takes five seconds
@pytest.mark.usefixtures("cpu_only")
class TestFreshProcess:
    def test_without_the_plugin_verl_falls_back_to_nvidia(self, run_python):
        state = run_python(STATE, plugins=False).stdout.split()
        assert state == [*UNTOUCHED, "False"], "verl has a CPU platform by now: see whether verl_cpu is still needed"

    def test_verl_takes_the_platform_without_any_environment_variable(self, run_python):
        assert run_python(STATE).stdout.split() == ["True", "PlatformCPU", "cuda", "True", "True"]

    def test_nothing_happens_in_a_ray_actor_on_a_gpu_machine(self, run_python, gpu_machine):
        assert run_python(STATE, PATH=gpu_machine).stdout.split()[:4] == UNTOUCHED

    def test_a_failure_is_loud(self, run_python):
        code = "import torch.distributed\ndel torch.distributed.init_process_group\nimport verl"
        assert "verl_cpu could not set verl up" in run_python(code).stderr

    @pytest.mark.vllm
    def test_check_finds_nothing(self, run_python):
        finished = run_python("import verl_cpu; print(verl_cpu.check())")
        assert finished.stdout.splitlines()[-1] == "[]", finished.stderr

    def test_check_says_that_the_platform_is_not_registered(self, run_python):
        code = "import verl; from verl_cpu import checks; print(*checks._check_selection())"
        problems = run_python(code, plugins=False).stdout
        assert "verl must have loaded verl_cpu.plugin" in problems


@pytest.mark.usefixtures("cpu_only")
def test_the_fsdp_engines_are_found(monkeypatch):
    from verl.workers.engine import EngineRegistry

    monkeypatch.setattr("verl.workers.engine.base.get_device_name", lambda: "cpu")
    monkeypatch.setenv("VERL_ENGINE_DEVICE", "cuda")
    assert EngineRegistry.get_engine_cls("language_model", "fsdp2").__name__ == "FSDPEngineWithLMHead"
    assert EngineRegistry.get_engine_cls("value_model", "fsdp2").__name__ == "FSDPEngineWithValueHead"
    monkeypatch.delenv("VERL_ENGINE_DEVICE")
    with pytest.raises(ValueError, match="No engine registered for device='cpu'"):
        pytest.fail(
            str(EngineRegistry.get_engine_cls("language_model", "fsdp2")) + ": drop the variable from the plug-in"
        )


@pytest.mark.parametrize(("chosen", "present"), [("cpu", False), (" CPU ", False), ("nvidia", True), ("huawei", True)])
def test_the_users_choice_of_platform_decides(monkeypatch, chosen, present):
    monkeypatch.setenv("VERL_PLATFORM", chosen)
    assert platform.accelerator_present() is present


def test_an_accelerator_seen_only_by_its_tool_counts(no_choice, gpu_machine, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert platform.accelerator_present()


def test_with_a_visible_accelerator_no_tool_is_started(no_choice, monkeypatch):
    asked = []

    def answer(self, use_smi_check=False):
        asked.append(use_smi_check)
        return True

    monkeypatch.setattr(PlatformCUDA, "is_platform_available", answer)
    assert platform.accelerator_present()
    assert asked == [False]


@pytest.mark.parametrize(
    ("group", "variable", "value"),
    [
        ("verl.plugins", "VERL_USE_EXTERNAL_PLUGINS", "none"),
        ("verl.plugins", "VERL_USE_EXTERNAL_PLUGINS", "other"),
        ("vllm.general_plugins", "VLLM_PLUGINS", ""),
        ("vllm.general_plugins", "VLLM_PLUGINS", "other"),
        # vLLM knows no word for all and trims no names.
        ("vllm.general_plugins", "VLLM_PLUGINS", "auto"),
        ("vllm.general_plugins", "VLLM_PLUGINS", "other, verl_cpu"),
    ],
)
def test_check_names_a_plugin_that_is_switched_off(monkeypatch, group, variable, value):
    assert checks._check_entry_point(group) == []
    monkeypatch.setenv(variable, value)
    [problem] = checks._check_entry_point(group)
    assert problem.startswith(f"{variable} must be unset or name verl_cpu")


@pytest.mark.parametrize(
    ("group", "variable", "value"),
    [
        ("verl.plugins", "VERL_USE_EXTERNAL_PLUGINS", "other, VERL_CPU"),
        ("verl.plugins", "VERL_USE_EXTERNAL_PLUGINS", " Auto"),
        ("vllm.general_plugins", "VLLM_PLUGINS", "other,verl_cpu"),
    ],
)
def test_a_plugin_that_is_named_passes(monkeypatch, group, variable, value):
    monkeypatch.setenv(variable, value)
    assert checks._check_entry_point(group) == []


def test_check_names_a_missing_entry_point(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [])
    [problem] = checks._check_entry_point("verl.plugins")
    assert problem.startswith("The entry point verl_cpu.plugin of group verl.plugins must be installed and is not")


def test_check_is_silent_with_an_accelerator(no_choice, monkeypatch):
    monkeypatch.setattr(PlatformCUDA, "is_platform_available", lambda self, use_smi_check=False: True)
    monkeypatch.setattr(checks, "_check_entry_point", lambda group: [])
    assert verl_cpu.check() == []


def test_check_names_too_little_shared_memory(monkeypatch):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 64 << 20}))
    [problem] = checks._check_shared_memory()
    assert "must have 512 MiB free" in problem
    assert "has 64 MiB" in problem


def test_the_platforms_answers():
    cpu = platform.PlatformCPU()
    assert cpu.device_name == cpu.vendor_name == "cpu"
    assert cpu.current_device() == torch.device("cpu")
    assert torch.ones(1).to(cpu.current_device()).device.type == "cpu"
    assert cpu.device_count() == 1
    assert cpu.communication_backend_name() == "gloo"
    assert cpu.ray_resource_options(0.5) == {"num_gpus": 0.5}
    assert cpu.get_device_capability() == (None, None)
    assert not cpu.is_ipc_supported()
    assert cpu.is_available()
    with cpu.nvtx_range("name"):
        cpu.synchronize()
    assert PlatformRegistry.get("nvidia") is PlatformCUDA


def test_rollout_variables_give_way_to_the_users(monkeypatch):
    monkeypatch.delenv("TORCHDYNAMO_DISABLE", raising=False)
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0-3")
    variables = platform.PlatformCPU().rollout_env_vars()
    assert variables == {"VLLM_CPU_OMP_THREADS_BIND": "0-3", "TORCHDYNAMO_DISABLE": "1"}


def test_random_state_is_torchs_own():
    device.manual_seed(3)
    state = device.get_rng_state()
    first = torch.rand(2)
    device.set_rng_state(state)
    assert torch.equal(torch.rand(2), first)
    device.manual_seed_all(3)
    assert torch.equal(torch.rand(2), first)


def test_memory_is_that_of_the_process():
    size = 64 << 20
    # New pages of the operating system's: an allocator would hand out again what earlier tests freed, resident already.
    with mmap.mmap(-1, size) as block:
        before = device.memory_allocated()
        for page in range(0, size, mmap.PAGESIZE):
            block[page] = 1
        # 64 MiB are touched; other allocations of the test process are far smaller.
        assert 60 << 20 < device.memory_allocated() - before < 80 << 20
    assert device.max_memory_allocated() > size
    free, total = device.mem_get_info()
    assert 0 < free < total
    assert device.get_device_properties().total_memory == total


def test_a_question_nobody_answered_raises():
    with pytest.raises(AttributeError):
        _ = device.ipc_handle
