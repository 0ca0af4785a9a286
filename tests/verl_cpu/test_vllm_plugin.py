"""Each test of a patch shows first what vLLM does without it. If that part fails, delete the patch."""

import os
import threading

import pytest
import torch

from verl_cpu import vllm_plugin
from verl_cpu.replacing import is_patched

pytestmark = pytest.mark.vllm
FIXED = "vLLM works without it by now: delete verl_cpu.vllm_plugin."


def original(function):
    return getattr(function, "__wrapped__", function)


@pytest.fixture
def vllm(monkeypatch):
    """vLLM's patched modules, with the originals put back for the length of a test."""
    from vllm.distributed.device_communicators import shm_broadcast
    from vllm.model_executor.layers import linear, utils
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        pytest.skip("this vLLM is not a CPU build, and the plug-in does nothing here")
    dispatch = original(utils.dispatch_cpu_unquantized_gemm)
    monkeypatch.setattr(utils, "dispatch_cpu_unquantized_gemm", dispatch)
    queue = shm_broadcast.MessageQueue
    monkeypatch.setattr(queue, "wait_until_ready", original(queue.wait_until_ready))
    return type("Vllm", (), {"linear": linear, "utils": utils, "queue": queue})


def layer_of_ones(vllm) -> torch.nn.Module:
    layer = torch.nn.Module()
    layer.weight = torch.nn.Parameter(torch.ones(32, 32), requires_grad=False)
    vllm.linear.UnquantizedLinearMethod().process_weights_after_loading(layer)
    return layer


def test_linear_weights_stay_live(vllm):
    assert layer_of_ones(vllm).weight.numel() == 0, FIXED + "keep_linear_weights"
    vllm_plugin.register()
    layer = layer_of_ones(vllm)
    layer.weight.mul_(2)
    # Ones times a row of 32 twos.
    assert vllm.linear.UnquantizedLinearMethod().apply(layer, torch.ones(1, 32)).tolist() == [[64.0] * 32]


def test_a_layer_that_is_not_linear_is_left_to_vllm(vllm, monkeypatch):
    seen = []
    monkeypatch.setattr(vllm.utils, "dispatch_cpu_unquantized_gemm", lambda layer, remove_weight: seen.append(layer))
    vllm_plugin.register()
    layer = torch.nn.Module()
    layer.weight = torch.nn.Parameter(torch.ones(2, 2, 2))
    vllm.utils.dispatch_cpu_unquantized_gemm(layer, True)
    assert seen == [layer]
    assert not hasattr(layer, "cpu_linear")


def name_stays(vllm) -> bool:
    """Whether a queue is visible in /dev/shm once its reader and its writer are connected."""
    writer = vllm.queue(1, 1, max_chunk_bytes=1024, max_chunks=2)
    name = writer.buffer.shared_memory.name
    reader = vllm.queue.create_from_handle(writer.export_handle(), 0)
    thread = threading.Thread(target=reader.wait_until_ready)
    thread.start()
    writer.wait_until_ready()
    thread.join(timeout=60)
    writer.enqueue("message")
    assert reader.dequeue(timeout=60) == "message"
    return os.path.exists(f"/dev/shm/{name}")


# A failure in vLLM's __del__ would show as a warning of this kind.
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_queue_has_no_name_once_connected(vllm):
    assert name_stays(vllm), FIXED + "unlink_connected_queues"
    vllm_plugin.register()
    assert not name_stays(vllm)


def test_applied_once(vllm):
    vllm_plugin.register()
    once = vllm.utils.dispatch_cpu_unquantized_gemm, vllm.queue.wait_until_ready
    vllm_plugin.register()
    assert once == (vllm.utils.dispatch_cpu_unquantized_gemm, vllm.queue.wait_until_ready)
    assert all(is_patched(function) for function in once)


def test_nothing_happens_off_the_cpu(vllm, monkeypatch):
    from vllm.platforms import current_platform

    monkeypatch.setattr(type(current_platform), "is_cpu", lambda self: False)
    vllm_plugin.register()
    assert not is_patched(vllm.utils.dispatch_cpu_unquantized_gemm)


@pytest.mark.parametrize("damage", ["dispatch gone", "dispatch held by a caller", "queue has no such method"])
def test_a_vllm_that_does_not_fit_stops_the_engine(vllm, monkeypatch, damage):
    from vllm import plugins

    if damage == "dispatch gone":
        monkeypatch.delattr(vllm.utils, "dispatch_cpu_unquantized_gemm")
    elif damage == "dispatch held by a caller":
        monkeypatch.setattr(vllm.linear, "dispatch_cpu_unquantized_gemm", print, raising=False)
    else:
        monkeypatch.delattr(vllm.queue, "wait_until_ready")
    monkeypatch.setattr(plugins, "plugins_loaded", False)
    with pytest.raises(RuntimeError, match=r"vLLM.* must .*; install the pinned vLLM"):
        plugins.load_general_plugins()


def test_importing_the_plugin_imports_nothing_that_can_fail(run_python):
    code = "import sys, verl_cpu.vllm_plugin; print(sorted({'torch', 'verl', 'vllm'} & set(sys.modules)))"
    assert run_python(code).stdout.strip() == "[]"
