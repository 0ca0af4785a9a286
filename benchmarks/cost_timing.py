"""Times calls in turn, and measures how far one lifts the memory of its process."""

import ctypes
import gc
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Seconds(NamedTuple):
    """Of one call: what a clock on the wall shows, and what this process's processor time does.

    Where other processes want the cores, the second says what the call took; it has no waiting in it.
    """

    wall: float
    processor: float


def time_calls(calls: dict[str, Callable[[], object]], *, rounds: int, budget: float) -> dict[str, list[Seconds]]:
    """Times calls in turn, in a new random order each round.

    Args:
        calls: By name; each has been made before, as a first call allocates and compiles.
        rounds: At most so many.
        budget: Seconds after which no further round begins; one is made in any case.

    Returns:
        Of each round, by name.
    """
    order, times = list(calls), {name: list[Seconds]() for name in calls}
    shuffle, start = random.Random(0), time.perf_counter()
    for number in range(rounds):
        if number >= 1 and time.perf_counter() - start > budget:
            break
        shuffle.shuffle(order)
        for name in order:
            begin = time.perf_counter(), time.process_time()
            calls[name]()
            times[name].append(Seconds(time.perf_counter() - begin[0], time.process_time() - begin[1]))
    return times


def peak_bytes(call: Callable[[], object]) -> int:
    """Measures how far a call lifts this process's resident memory above what it was before.

    Args:
        call: What to run.

    Returns:
        Bytes at the peak, less those before.
    """
    gc.collect()
    # The C library keeps what earlier calls freed; a peak that fits into that would not be seen.
    ctypes.CDLL(None).malloc_trim(0)
    # Resets the peak to the current size (proc(5)).
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_bytes("VmRSS")
    call()
    return max(0, _status_bytes("VmHWM") - before)


def _status_bytes(name: str) -> int:
    """Reads a line of /proc/self/status, given in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
