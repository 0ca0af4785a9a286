"""Memory in use on a GPU while a stage runs, whoever holds it: what its estimate is compared with."""

import threading

from groupwise.preflight.memory import ask_gpus

SECONDS = 0.5


class GpuMemory:
    """Keeps the largest use of the fullest GPU while it is entered: `peak_bytes`, None where there is none to ask."""

    def __init__(self) -> None:
        self.peak_bytes: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "GpuMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while (used := ask_gpus("memory.used")) and not self._over.wait(SECONDS):
            self.peak_bytes = max(self.peak_bytes or 0, *(int(line) * 2**20 for line in used if line.isdecimal()))
