"""The caller's side of one `sandbox.server`: starts it, asks its child, and replaces what is lost."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Any, Final

from reward_score.sandbox.protocol import (
    CHILD_GRACE,
    ERROR,
    OK,
    READY,
    SERVER_GRACE,
    UNPREPARED,
    JobError,
    Limits,
    WorkerCrashError,
    WorkerError,
    WorkerMemoryError,
    WorkerPreparationError,
    WorkerTimeoutError,
    WorkerUnavailableError,
    encode,
    encode_request,
    receive,
    send,
)
from reward_score.sandbox.server import OUT_OF_MEMORY

START_SECONDS: Final = 60.0
"""How long a server may take to import the job's module, or what a job needs: cold network file systems are slow."""

MAX_TRIES: Final = 4
"""How often a request is sent: again after something was loaded for it, or where the child ended before it began."""

_BOOTSTRAP: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from reward_score.sandbox.server import main; main()"
)

# A library with a thread pool would make the server's fork unsafe, and fill the address space with stacks.
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Slot:
    """The place of one server, started at need. One caller holds it at a time; `refuse` may come from any thread."""

    def __init__(self, job: str, memory_bytes: int, jobs_per_child: int) -> None:
        self._job = job
        self._memory_bytes = memory_bytes
        self._jobs_per_child = jobs_per_child
        self._refusal = ""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._jobs = 0
        self._prepared: set[str] = set()

    def start(self) -> None:
        """Starts a server unless one lives, and does not wait for it."""
        with self._lock:
            if self._refusal:
                raise WorkerUnavailableError(self._refusal)
            if self._process is not None and _ended(self._process):
                self._release(self._process)
            if self._process is None:
                self._control, theirs = socket.socketpair()
                with theirs:
                    self._process = self._popen(theirs.fileno())
                self._prepared = set()

    def _popen(self, control: int) -> "subprocess.Popen[bytes]":
        try:
            arguments = [json.dumps(_path()), self._job, str(os.getpid()), str(self._memory_bytes)]
            return subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, *arguments],
                stdin=control,
                stdout=subprocess.DEVNULL,
                env=os.environ | _ONE_THREAD,
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            raise WorkerUnavailableError(
                f"{sys.executable!r} must start as a worker server, got {error}: see what the system refuses"
            ) from error

    def wait_ready(self, needs: Iterable[str] = ()) -> str:
        """Starts a server unless one lives, and waits until it has loaded the job and what a request needs.

        Gives why something could not be loaded, "" where all was.
        """
        self.start()
        if self._channel is None:
            self._take_child()
        for needed in needs:
            if needed not in self._prepared:
                fault = self._take_child(needed)
                if fault:
                    return f"{needed}: {fault}"
                self._prepared.add(needed)
        return ""

    def _take_child(self, needed: str = "") -> str:
        """Waits for a child of a server that just started, or that loads something first; gives why it did not."""
        sockets: list[socket.socket] = []
        try:
            if needed:
                # The path may have grown since the server started.
                send(self._control, encode([needed, _path()]), START_SECONDS)
            kind, found = json.loads(receive(self._control, START_SECONDS, sockets))
        except (OSError, EOFError) as error:
            raise WorkerUnavailableError(
                f"a worker server must start within {START_SECONDS} s, got {error or type(error).__name__}"
                f" (exit status {self.drop()}): see what it wrote to stderr"
            ) from error
        except BaseException:
            self.drop()
            raise
        if kind == UNPREPARED:
            return found
        if kind != READY:
            # Another try would find the same.
            self.refuse(found)
            self.drop()
            raise WorkerUnavailableError(found)
        self._set_channel(sockets[0])
        return ""

    def _set_channel(self, channel: socket.socket | None) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel, self._jobs = channel, 0

    def call(self, request: object, limits: Limits, needs: Iterable[str] = ()) -> Any:
        """Gives what the job gave for a request; raises the WorkerError that says why there is nothing."""
        frame = encode_request(request, limits)
        needed = list(needs)
        for _ in range(MAX_TRIES):
            if fault := self.wait_ready(needed):
                raise WorkerPreparationError(fault)
            if self._jobs >= self._jobs_per_child:
                self._renew()
                self.wait_ready()
            kind, *found = self._ask(frame, limits) or ["", ""]
            if kind == OK:
                return found[0]
            if kind == ERROR:
                raise JobError(*found)
            needed += filter(None, found)  # NEEDS
        raise WorkerCrashError("the job's process must live until it is asked, it ended: see what ended it")

    def _ask(self, frame: bytes, limits: Limits) -> list[Any] | None:
        """Gives the child's reply; None if the job did not begin."""
        channel, seconds = self._channel, limits.wall_seconds + CHILD_GRACE
        if channel is None:
            return None
        try:
            send(channel, frame, seconds)
        except ConnectionError:  # the child ended between two calls
            self._renew()
            return None
        try:
            reply = json.loads(receive(channel, seconds))
        except TimeoutError:
            self._renew()
            raise _late(f"{limits.wall_seconds} s of wall clock and did not heed SIGALRM") from None
        except (OSError, EOFError):
            raise self._death(self._renew(), limits) from None
        except BaseException:  # an interrupted caller must not leave its reply to the next
            self.drop()
            raise
        self._jobs += 1
        return reply

    def _renew(self) -> int | None:
        """Has another child put in the place of this one; gives the status that this one ended with, None for none."""
        sockets: list[socket.socket] = []
        try:
            send(self._control, encode(["", _path()]), SERVER_GRACE)
            _, status = json.loads(receive(self._control, SERVER_GRACE, sockets))
            self._set_channel(sockets[0])
            return status
        except (OSError, EOFError):
            self.drop()
            with contextlib.suppress(WorkerUnavailableError):  # the next call says so
                self.start()  # loads while nobody waits
            return None

    def _death(self, status: int | None, limits: Limits) -> WorkerError:
        """Reads from a child's status what to raise for it."""
        if status is None:
            return WorkerCrashError("the job's server must live as long as its caller, it ended: see what ended it")
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if number == signal.SIGALRM:
            return _late(f"{limits.wall_seconds} s of wall clock")
        if number == signal.SIGPROF:
            return _late(f"{limits.cpu_seconds} s of CPU time")
        if not number and os.WEXITSTATUS(status) == OUT_OF_MEMORY:
            room = f"{self._memory_bytes} bytes of address space"
            return WorkerMemoryError(f"the job must do with {room}, it asked for more: give it less to do")
        found = f"signal {number}" if number else f"exit status {os.WEXITSTATUS(status)}"
        return WorkerCrashError(f"the job's process must live until it replies, got {found}: see what ended it")

    def drop(self) -> int | None:
        """Ends the server, for the caller that holds it, and gives its exit status."""
        with self._lock:
            process = self._process
            return None if process is None else self._release(process)

    def _release(self, process: "subprocess.Popen[bytes]") -> int | None:
        """Ends a server and forgets it; the lock is held."""
        self._process = None
        self._control.close()
        self._set_channel(None)
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
            self._control.close()
            self._set_channel(None)
            process.returncode = 0  # not this process's child: nothing to wait for or to warn of


def _path() -> list[str]:
    return [str(entry) for entry in sys.path]


def _late(found: str) -> WorkerTimeoutError:
    return WorkerTimeoutError(f"the job must end in time, it was killed after {found}: give it less to do")


def _ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether a server ended; it is not reaped, so that its number stands for it and its child until `_kill`."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # where the caller ignores SIGCHLD
        return process.poll() is not None


def _kill(process: "subprocess.Popen[bytes]") -> int | None:
    """Ends a server and its child; the slot's lock is held, so that no other thread reaps it in between."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
    return process.returncode
