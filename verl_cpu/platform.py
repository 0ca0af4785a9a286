"""The platform "cpu" for verl's platform registry (verl/plugin/platform/platform_base.py)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from verl.plugin.platform import PlatformBase, PlatformRegistry

from verl_cpu import device

PLATFORM_NAME = "cpu"


def accelerator_present() -> bool:
    """Whether verl itself would find an accelerator on this host.

    verl's own question to every registered platform, in the same relaxed form: a Ray actor that was given no GPU on a
    GPU machine answers yes. ``VERL_PLATFORM`` decides where it is set, as it does in verl.
    """
    chosen = os.environ.get("VERL_PLATFORM", "").strip().lower()
    if chosen:
        return chosen != PLATFORM_NAME
    others = [PlatformRegistry.get(name)() for name in PlatformRegistry.registered_names() if name != PLATFORM_NAME]
    # Cheapest first: with a visible accelerator no nvidia-smi is started.
    return any(p.is_platform_available() for p in others) or any(
        p.is_platform_available(use_smi_check=True) for p in others
    )


class PlatformCPU(PlatformBase):
    """CPU as a device of verl: gloo for collectives, shared memory for weights, slots called GPU for Ray."""

    device_name = property(lambda self: "cpu")
    vendor_name = property(lambda self: "cpu")

    @property
    def device_module(self) -> ModuleType:
        """What verl uses in place of ``torch.cuda``."""
        return device

    def is_available(self) -> bool:
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        return not accelerator_present()

    def current_device(self):  # the base class says int; on a CPU an int would mean an accelerator
        return device.current_device()

    def device_count(self) -> int:
        return device.device_count()

    def set_device(self, device_index: int) -> None:
        device.set_device(device_index)

    def synchronize(self, device_index: int | None = None) -> None:
        device.synchronize()

    def manual_seed(self, seed: int) -> None:
        device.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        device.manual_seed_all(seed)

    def set_allocator_settings(self, settings: str) -> None:
        """Settings of the CUDA allocator: nothing to set."""

    def empty_cache(self) -> None:
        device.empty_cache()

    def get_device_capability(self, device_index: int = 0) -> tuple[None, None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        # Ray hands out slots named GPU, and this is where it writes their numbers.
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        yield

    def profiler_start(self) -> None:
        """No device profiler."""

    def profiler_stop(self) -> None:
        """No device profiler."""

    def ray_resource_name(self) -> str:
        # verl reads accelerator ids from Ray, and Ray answers for names it knows only. The slots come from
        # ray_kwargs.ray_init.num_gpus (config/device/cpu.yaml); Ray does not look for the hardware.
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def rollout_env_vars(self) -> dict[str, str]:
        defaults = {
            # vLLM's default binds each engine to all cores but one, so that two engines share the same cores and leave
            # one idle; without binding the operating system spreads them.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            # enforce_eager spares the model, but vLLM's sampler is still compiled at the first request: 20 s, and a C++
            # compiler must be there.
            "TORCHDYNAMO_DISABLE": "1",
        }
        return {name: os.environ.get(name, value) for name, value in defaults.items()}

    def is_ipc_supported(self) -> bool:
        # CUDA's way of handing memory to another process; without it verl takes shared memory.
        return False

    def cudart(self) -> None:
        return None
