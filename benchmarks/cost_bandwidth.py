"""Memory bandwidth of this machine: reading, writing and copying arrays far larger than its caches."""

import time
from collections.abc import Callable

import torch

GIB = 2**30


def measure_bandwidth(*, threads: int, rounds: int, size: int = GIB) -> dict[str, float]:
    """Measures the bandwidth that `threads` threads of torch reach; the best round counts, as in STREAM.

    Args:
        threads: Threads.
        rounds: Measured rounds of all three, in turn, after an unmeasured one.
        size: Bytes of each of the two arrays; must be well beyond the largest cache.

    Returns:
        Bytes a second by `read` (sum of 64-bit floats), `write` (fill) and `copy` (read and write counted).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    source, target = torch.ones(size // 8, dtype=torch.float64), torch.ones(size // 8, dtype=torch.float64)
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "read": (source.sum, size),
        "write": (lambda: target.fill_(2.0), size),
        "copy": (lambda: target.copy_(source), 2 * size),
    }
    best = dict.fromkeys(calls, 0.0)
    for number in range(rounds + 1):
        for name, (call, moved) in calls.items():
            start = time.perf_counter()
            call()
            if number > 0:
                best[name] = max(best[name], moved / (time.perf_counter() - start))
    torch.set_num_threads(before)
    return best


def limit_seconds(responses: int, tokens: int, bandwidth: dict[str, float]) -> float:
    """Computes the time of one read of log-probs and mask and one write of advantages.

    Args:
        responses: B.
        tokens: T; all arrays are padded to it.
        bandwidth: Bytes a second by `read` and `write`.

    Returns:
        Seconds: 4 bytes of a float32 log-prob and 8 of the int64 mask read, 4 of a float32 advantage written.
    """
    return responses * tokens * (12 / bandwidth["read"] + 4 / bandwidth["write"])
