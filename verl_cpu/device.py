"""What verl asks of ``torch.<device>``, answered for the CPU.

verl calls these names on ``torch.cuda`` or ``torch.npu``; ``torch.cpu`` has only some of them. A name that is missing
here raises AttributeError, as it should: nobody has decided yet what it means on a CPU.
"""

import os
import resource
from types import SimpleNamespace

import torch
from torch.cpu import Stream, current_stream, is_available, stream, synchronize

__all__ = ["Stream", "current_stream", "is_available", "stream", "synchronize"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def current_device() -> torch.device:
    """The device itself, not an index: ``tensor.to(0)`` would mean the first accelerator."""
    return torch.device("cpu")


def device_count() -> int:
    """One: the whole CPU is a single device."""
    return 1


def set_device(device: object) -> None:
    """Nothing to select."""


def get_device_name(device: object = None) -> str:
    """Name that verl looks up in its table of peak FLOP/s; "CPU" is not in it, so no utilisation is reported."""
    return "CPU"


def get_device_properties(device: object = None) -> SimpleNamespace:
    """``total_memory`` alone, in bytes."""
    return SimpleNamespace(name="CPU", total_memory=mem_get_info()[1])


def memory_allocated(device: object = None) -> int:
    """Resident memory of this process, in bytes."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * _PAGE_BYTES


def max_memory_allocated(device: object = None) -> int:
    """Highest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# A CPU allocator keeps no reserve of its own that could be told apart from what is in use.
memory_reserved = memory_allocated
max_memory_reserved = max_memory_allocated


def mem_get_info(device: object = None) -> tuple[int, int]:
    """Free and total memory of the machine, in bytes."""
    return os.sysconf("SC_AVPHYS_PAGES") * _PAGE_BYTES, os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES


def reset_peak_memory_stats(device: object = None) -> None:
    """The operating system's peak cannot be reset."""


def reset_accumulated_memory_stats(device: object = None) -> None:
    """No such statistics."""


def empty_cache() -> None:
    """No cache to empty."""


def ipc_collect() -> None:
    """No handles to collect."""


def manual_seed(seed: int) -> None:
    """Seed torch's one CPU generator."""
    torch.manual_seed(seed)


manual_seed_all = manual_seed


def get_rng_state(device: object = None) -> torch.Tensor:
    """State of torch's one CPU generator."""
    return torch.get_rng_state()


def set_rng_state(new_state: torch.Tensor, device: object = None) -> None:
    """Restore the state of torch's one CPU generator."""
    torch.set_rng_state(new_state)
