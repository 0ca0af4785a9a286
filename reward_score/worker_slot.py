"""The caller's side of one `reward_score.worker_server`: starts it, asks it, and replaces it when it is lost."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any, Final

from reward_score.worker_protocol import (
    CALLER_GRACE,
    CRASH,
    READY,
    TIMEOUT,
    Limits,
    WorkerUnavailableError,
    ask,
    decode,
)

START_SECONDS: Final = 60.0
"""How long a server may take to import the job's module: cold network file systems are slow."""

_BOOTSTRAP: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from reward_score.worker_server import main; main()"
)

# A library with a thread pool would make the server's fork unsafe, and fill the address space with stacks.
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Slot:
    """The place of one server, started at need. One caller holds it at a time; `refuse` may come from any thread."""

    def __init__(self, job: str, limits: Limits) -> None:
        self._job = job
        self._limits = limits
        self._refusal = ""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts a server unless one lives, and does not wait for it."""
        with self._lock:
            if self._refusal:
                raise WorkerUnavailableError(self._refusal)
            if self._process is not None and self._process.poll() is not None:
                self._channel.close()
                self._process = None
            if self._process is None:
                self._channel, theirs = socket.socketpair()
                with theirs:
                    self._process = self._popen(theirs.fileno())
                self._ready = False

    def _popen(self, channel: int) -> "subprocess.Popen[bytes]":
        path = json.dumps([str(entry) for entry in sys.path])
        limits = (str(limit) for limit in self._limits)
        try:
            return subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, path, self._job, str(os.getpid()), *limits],
                stdin=channel,
                stdout=subprocess.DEVNULL,
                env=os.environ | _ONE_THREAD,
                start_new_session=True,
            )
        except OSError as error:
            self._channel.close()
            raise WorkerUnavailableError(
                f"{sys.executable!r} must start as a worker server, got {error}: see what the system refuses"
            ) from error

    def wait_ready(self) -> None:
        """Starts a server unless one lives, and waits until it has loaded the job."""
        self.start()
        if self._ready:
            return
        try:
            kind, *found = decode(ask(self._channel, b"", START_SECONDS))
        except (OSError, EOFError) as error:
            raise WorkerUnavailableError(
                f"a worker server must start within {START_SECONDS} s, got {error or type(error).__name__}"
                f" (exit status {self.drop()}): see what it wrote to stderr"
            ) from error
        except BaseException:
            self.drop()
            raise
        if kind != READY:
            # Another try would find the same.
            self.refuse(found[0])
            self.drop()
            raise WorkerUnavailableError(found[0])
        self._ready = True

    def call(self, request: bytes) -> list[Any]:
        """Gives the server's reply to a request, or what to say for it."""
        self.wait_ready()
        try:
            return decode(ask(self._channel, request, self._limits.wall_seconds + CALLER_GRACE))
        except TimeoutError:
            kind = TIMEOUT
        except (OSError, EOFError):
            kind = CRASH
        except BaseException:  # an interrupted caller must not leave its reply to the next
            self.drop()
            raise
        status = self.drop()
        with contextlib.suppress(WorkerUnavailableError):  # the next call says so
            self.start()  # loads while nobody waits
        return [kind, f"the job's server must answer in time, got nothing (exit status {status}): see what ended it"]

    def drop(self) -> int | None:
        """Ends the server, for the caller that holds it, and gives its exit status."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return None
            self._channel.close()
            return _kill(process)

    def refuse(self, text: str) -> None:
        """Ends the server for good; a caller that waits for its reply finds it gone, and drops it."""
        with self._lock:
            self._refusal = self._refusal or text
            if self._process is not None:
                _kill(self._process)

    def forget(self) -> None:
        """Leaves the server to the process that this one was forked from, where another thread may hold the lock."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            self._channel.close()
            process.returncode = 0  # not this process's child: nothing to wait for or to warn of


def _kill(process: "subprocess.Popen[bytes]") -> int | None:
    """Ends a server and its child; the slot's lock is held, so that no other thread reaps it in between."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
    return process.returncode
