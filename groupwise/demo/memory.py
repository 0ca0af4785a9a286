"""Memory of a run: a driver and every process below it."""

import psutil


class MemoryMeter:
    """Keeps the largest sum that `measure` has seen of a driver and its processes, `peak_bytes`.

    The proportional set size is summed, which counts a page that processes share once.
    """

    def __init__(self, pid: int):
        self.pid = pid
        self.peak_bytes = 0

    def measure(self) -> int:
        """Gives the bytes of now; 0 where the driver has ended."""
        try:
            driver = psutil.Process(self.pid)
            processes = [driver, *driver.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0
        total = sum(map(_proportional_set_size, processes))
        self.peak_bytes = max(self.peak_bytes, total)
        return total


def _proportional_set_size(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        # It ended meanwhile.
        return 0
