"""The far side of `sandbox.worker`: a small process that puts children in place which it can afford to lose.

The server has one thread, imports the job's module once, and forks: a new child costs milliseconds and has everything
loaded. The caller gets a channel to the child itself, so that a job costs one hop, and asks the server only for another
child, or to load something first. The child arms timers before each job whose default action is its death, which the
kernel carries out even inside C code. No channel is a standard stream, so nothing that a job prints can be mistaken for
a reply.
"""

import contextlib
import gc
import importlib
import json
import os
import pickle
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

from reward_score.sandbox.protocol import (
    ERROR,
    NEEDS,
    OK,
    READY,
    UNAVAILABLE,
    UNPREPARED,
    NeedsError,
    decode_request,
    encode,
    receive,
    send,
)

IDLE_SECONDS: Final = 0.5
"""How often an idle server looks whether its caller lives: a process forked by the caller can hold the channel open."""

OUT_OF_MEMORY: Final = 77
"""A child's exit status: a reply would take memory."""

_MAX_ERROR_CHARS: Final = 1000

Job = Callable[[Any], Any]


class Child:
    """The process that does the jobs, as the server sees it."""

    def __init__(self, job: Job, memory_bytes: int, control: socket.socket) -> None:
        """Forks it; the new process never returns from here."""
        self._status: int | None = None
        self.channel, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            # Held open here, they would hide from the caller that the server or this process ended.
            control.close()
            self.channel.close()
            _do_jobs(job, memory_bytes, theirs)
        theirs.close()

    def reap(self) -> None:
        """Takes note of it if it ended by itself."""
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = status if pid else None

    def end(self) -> int:
        """Ends it, however it is, and gives the status of `os.waitpid`: its own if it ended by itself."""
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
            self._status = os.waitpid(self._pid, 0)[1]
        return self._status


def _do_jobs(job: Job, memory_bytes: int, channel: socket.socket) -> NoReturn:
    """Is the child's whole life: bounds itself and does jobs until the caller is gone."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # macOS refuses it; elsewhere a stricter limit may be in force already.
        with contextlib.suppress(OSError, ValueError):
            most = _loaded_bytes() + memory_bytes
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        while True:
            limits, request = decode_request(receive(channel, None))
            _set_timers(*limits)
            reply = _answer(job, request)
            _set_timers(0, 0)
            send(channel, reply, None)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    finally:
        os._exit(1)  # never on into the server's code, whatever was raised


def _loaded_bytes() -> int:
    """The address space that is taken already: a library may map more than a job may use."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _set_timers(wall_seconds: float, cpu_seconds: float) -> None:
    """Arms both timers, or disarms them with zeros; the job before may have changed what their signals do."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)


def _answer(job: Job, request: memoryview) -> bytes:
    """Does one job; what it raises is a reply too, but for MemoryError, which ends the child."""
    try:
        return encode([OK, job(pickle.loads(request))])
    except NeedsError as error:
        return encode([NEEDS, str(error)])
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # the caller raises it
        return encode([ERROR, type(error).__name__, str(error)[:_MAX_ERROR_CHARS]])


def _next_command(control: socket.socket, child: Child, caller: int) -> list[Any]:
    """Waits for a command as long as the caller lives."""
    while not select.select([control], [], [], IDLE_SECONDS)[0]:
        if os.getppid() != caller:
            raise EOFError("the caller is gone")
        child.reap()
    return json.loads(receive(control, IDLE_SECONDS))


def _serve(control: socket.socket, job: Job, prepare: Job | None, memory_bytes: int, caller: int) -> None:
    """Puts children in place until the caller is gone; a command is what to load first, "" for nothing, and a path."""
    status = None
    child = Child(job, memory_bytes, control)
    try:
        while True:
            with child.channel as channel:  # the caller's from here on
                # Short enough for the other side's queue.
                socket.send_fds(control, [encode([READY, status])], [channel.fileno()])
            while fault := _prepare(prepare, *_next_command(control, child, caller)):
                send(control, encode([UNPREPARED, fault]), IDLE_SECONDS)
            status = child.end()
            child = Child(job, memory_bytes, control)
    finally:
        child.end()


def _prepare(prepare: Job | None, needed: str, path: list[str]) -> str:
    """Loads something into the server; gives what went wrong, "" for nothing."""
    if not needed:
        return ""
    sys.path[:] = path
    try:
        if prepare is None:
            raise LookupError("the job's module has no function `prepare`")
        prepare(needed)
        gc.freeze()
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever an import may do, the caller is told
        return f"{type(error).__name__}: {str(error)[:_MAX_ERROR_CHARS]}"
    return ""


def _load(name: str) -> tuple[Job, Job | None]:
    """Imports "module:function", and `prepare` from there if there is one."""
    module_name, _, function = name.partition(":")
    module = importlib.import_module(module_name)
    job = getattr(module, function)
    if not callable(job):
        raise TypeError(f"{function} is a {type(job).__name__}, not a function")
    return job, getattr(module, "prepare", None)


def main() -> None:
    """Runs the server. Arguments: the job, the caller's process id, a child's memory; fd 0 is the channel to there."""
    name, caller, memory_bytes = sys.argv[2:]
    # What the caller ignores or blocks is inherited. Ctrl-C is the caller's to decide on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    with control, contextlib.suppress(EOFError, OSError):  # both mean that the caller is gone
        try:
            job, prepare = _load(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever an import may do, the caller raises it
            found = f"{type(error).__name__}: {str(error)[:_MAX_ERROR_CHARS]}"
            text = (
                f"a fresh interpreter must import the job {name!r}, got {found}: correct it, or install what it needs"
            )
            send(control, encode([UNAVAILABLE, text]), IDLE_SECONDS)
            return
        gc.freeze()  # the collector would write to every page that a child shares, and so copy it
        _serve(control, job, prepare, int(memory_bytes), int(caller))
