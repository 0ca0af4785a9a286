"""Memory in use on a GPU while a stage runs, whoever holds it: what its estimate is compared with."""

import subprocess
import threading

SECONDS = 0.5


class GpuMemory:
    """Keeps the largest use of the fullest GPU while it is entered.

    Attributes:
        peak_bytes: The largest use so far; None where there is no GPU to ask.
    """

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
        while (used := ask("memory.used")) and not self._over.wait(SECONDS):
            self.peak_bytes = max(self.peak_bytes or 0, *(int(line) * 2**20 for line in used if line.isdecimal()))


def ask(fields: str) -> list[str]:
    """Asks nvidia-smi for fields of each GPU; a line each, none where there is no GPU."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.splitlines() if line.strip()]
