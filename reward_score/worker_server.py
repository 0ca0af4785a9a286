"""The far side of `reward_score.worker`: a small process that runs jobs in a child which it can afford to lose.

The server has one thread, imports the job's module once, and forks: a new child costs milliseconds and has everything
loaded. The child arms timers before each job whose default action is its death, which the kernel carries out even
inside C code; the server waits a little longer and then kills. Neither has the channel as a standard stream, so nothing
that a job prints can be mistaken for a reply.
"""

import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

from reward_score.worker_protocol import (
    CRASH,
    ERROR,
    MEMORY,
    OK,
    READY,
    SERVER_GRACE,
    TIMEOUT,
    UNAVAILABLE,
    Limits,
    ask,
    decode,
    encode,
    receive_line,
)

IDLE_SECONDS: Final = 0.5
"""How often an idle server looks whether its caller lives: a process forked by the caller can hold the channel open."""

_MAX_ERROR_CHARS: Final = 1000
_OUT_OF_MEMORY: Final = 77  # a child's exit status: a reply would take memory

Job = Callable[[Any], Any]


class Child:
    """The process that does the jobs, as the server sees it."""

    def __init__(self, job: Job, limits: Limits, client: socket.socket) -> None:
        """Forks it; the new process never returns from here."""
        self._limits = limits
        self._jobs = 0
        self._alive = True
        self._channel, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            # Held open here, it would hide the server's end from the caller.
            client.close()
            self._channel.close()
            _do_jobs(job, limits, theirs)
        theirs.close()

    def run(self, request: bytes) -> bytes:
        """Gives the reply to a request: the child's, or how it ended instead."""
        self._jobs += 1
        try:
            return ask(self._channel, request, self._limits.wall_seconds + SERVER_GRACE)
        except TimeoutError:
            self.end()
            return _late(f"{self._limits.wall_seconds} s of wall clock and did not heed SIGALRM")
        except (OSError, EOFError):
            return _death(self.end(), self._limits)

    def usable(self) -> bool:
        """Says whether it lives and may do more; reaps it if it has died."""
        if self._alive and os.waitpid(self._pid, os.WNOHANG) != (0, 0):
            self._alive = False
            self._channel.close()
        return self._alive and self._jobs < self._limits.jobs_per_child

    def end(self) -> int:
        """Ends it, however it is, and gives the status of `os.waitpid`: its own if it ended by itself just before."""
        if not self._alive:
            return 0
        self._alive = False
        os.kill(self._pid, signal.SIGKILL)
        self._channel.close()
        return os.waitpid(self._pid, 0)[1]


def _late(found: str) -> bytes:
    return encode([TIMEOUT, f"the job must end in time, it was killed after {found}: give it less to do"])


def _death(status: int, limits: Limits) -> bytes:
    """Reads from a child's status what to reply for it."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGALRM:
        return _late(f"{limits.wall_seconds} s of wall clock")
    if number == signal.SIGPROF:
        return _late(f"{limits.cpu_seconds} s of CPU time")
    if not number and os.WEXITSTATUS(status) == _OUT_OF_MEMORY:
        room = f"{limits.memory_bytes} bytes of address space"
        return encode([MEMORY, f"the job must do with {room}, it asked for more: give it less to do"])
    found = f"signal {number}" if number else f"exit status {os.WEXITSTATUS(status)}"
    return encode([CRASH, f"the job's process must live until it replies, got {found}: see what ended it"])


def _do_jobs(job: Job, limits: Limits, channel: socket.socket) -> NoReturn:
    """Is the child's whole life: bounds itself and does jobs until the server is gone."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # macOS refuses it; elsewhere a stricter limit may be in force already.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        while True:
            request = receive_line(channel, None)
            _set_timers(limits.wall_seconds, limits.cpu_seconds)
            reply = _answer(job, request)
            _set_timers(0, 0)
            channel.sendall(reply)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    finally:
        os._exit(1)  # never on into the server's code, whatever was raised


def _set_timers(wall_seconds: float, cpu_seconds: float) -> None:
    """Arms both timers, or disarms them with zeros; the job before may have changed what their signals do."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)


def _answer(job: Job, request: bytes) -> bytes:
    """Does one job; what it raises is a reply too, but for MemoryError, which ends the child."""
    try:
        return encode([OK, job(decode(request))])
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # the caller raises it
        return encode([ERROR, type(error).__name__, str(error)[:_MAX_ERROR_CHARS]])


def _next_request(client: socket.socket, child: Child, caller: int) -> bytes:
    """Waits for a request as long as the caller lives."""
    while not select.select([client], [], [], IDLE_SECONDS)[0]:
        if os.getppid() != caller:
            raise EOFError("the caller is gone")
        child.usable()
    return receive_line(client, time.monotonic() + IDLE_SECONDS)


def _serve(client: socket.socket, job: Job, limits: Limits, caller: int) -> None:
    """Answers requests until the caller is gone."""
    child = Child(job, limits, client)
    try:
        client.sendall(encode([READY]))
        while True:
            request = _next_request(client, child, caller)
            # Renewed only now if it died between jobs: a child that cannot live would keep a loop busy.
            child = child if child.usable() else Child(job, limits, client)
            reply = child.run(request)
            client.settimeout(IDLE_SECONDS)
            client.sendall(reply)
            if not child.usable():
                child.end()
                child = Child(job, limits, client)
    finally:
        child.end()


def _load(name: str) -> Job:
    """Imports "module:function"."""
    module, _, function = name.partition(":")
    job = getattr(importlib.import_module(module), function)
    if not callable(job):
        raise TypeError(f"{function} is a {type(job).__name__}, not a function")
    return job


def main() -> None:
    """Runs the server. Arguments: the job, the caller's process id, the limits; fd 0 is the channel to the caller."""
    name, caller, wall_seconds, cpu_seconds, memory_bytes, jobs_per_child = sys.argv[2:]
    limits = Limits(float(wall_seconds), float(cpu_seconds), int(memory_bytes), int(jobs_per_child))
    # What the caller ignores or blocks is inherited. Ctrl-C is the caller's to decide on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    client = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    with client, contextlib.suppress(EOFError, OSError):  # both mean that the caller is gone
        try:
            job = _load(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever an import may do, the caller raises it
            found = f"{type(error).__name__}: {str(error)[:_MAX_ERROR_CHARS]}"
            text = (
                f"a fresh interpreter must import the job {name!r}, got {found}: correct it, or install what it needs"
            )
            client.sendall(encode([UNAVAILABLE, text]))
            return
        gc.freeze()  # the collector would write to every page that a child shares, and so copy it
        _serve(client, job, limits, int(caller))
