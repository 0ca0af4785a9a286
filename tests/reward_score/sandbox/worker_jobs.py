"""Jobs for the tests of the worker pool, and what other processes run there; imported in fresh interpreters."""

import ctypes
import os
import re
import signal
import sys
import time

import reward_score.sandbox.server
from reward_score.sandbox.protocol import NeedsError
from reward_score.sandbox.worker import WorkerPool


def echo(request):
    return request


def pids(request):
    return {"server": os.getppid(), "child": os.getpid(), "session": os.getsid(0)}


def sleep(seconds):
    """Gives when it began and ended, on a clock that all processes share."""
    began = time.monotonic()
    time.sleep(seconds)
    return [began, time.monotonic()]


def misbehave(how):
    """Does what its argument names, or echoes it."""
    return MISBEHAVIOURS[how]() if isinstance(how, str) and how in MISBEHAVIOURS else how


def pids_or_raise(how):
    """Does the same, and tells its processes too."""
    return pids(how) if how == "pids" else misbehave(how)


def pids_or_sleep(seconds):
    return pids(seconds) if seconds == "pids" else sleep(seconds)


_loaded = []


def prepare(needed):
    """Is called in the server with what a request needs."""
    if needed == "bad":
        raise ValueError("no such thing")
    if needed == "slow":
        time.sleep(0.4)
    _loaded.append(needed)


def loaded(request):
    """Gives what was loaded; "needs X" has X loaded first, "pid" gives the child's number instead."""
    needed = request.removeprefix("needs ")
    if needed != request and needed not in _loaded:
        raise NeedsError(needed)
    return os.getpid() if request == "pid" else _loaded


def burn(seconds):
    """Uses the CPU for some time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return "burnt"


def _loop():
    while True:
        pass


def _ignore_alarm():
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(60)


def _block_alarm():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGPROF})
    _loop()


def _ignore_alarm_and_return():
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    return "done"


def _grow():
    grown = []
    while True:
        grown.append(bytes(10**6))


def _grow_small():
    grown = [None]
    while True:
        grown.append([grown])


def _fork_and_exit():
    # The channel stays open in the grandchild: the end of the child does not show on it.
    if os.fork() == 0:
        time.sleep(1.5)
        os._exit(0)
    os._exit(3)


def _raise(error):
    raise error


MISBEHAVIOURS = {
    "loop": _loop,
    "sum in C": lambda: sum(range(10**12)),
    "power in C": lambda: 10**10**8 % 7,
    "re": lambda: re.match(r"(a+)+$", "a" * 60 + "b"),
    "sleep": lambda: time.sleep(60),
    "ignore alarm": _ignore_alarm,
    "block alarm": _block_alarm,
    "ignore alarm and return": _ignore_alarm_and_return,
    "one bomb": lambda: bytearray(10**11),
    "grow": _grow,
    "grow small": _grow_small,
    "raise memory": lambda: _raise(MemoryError()),
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: sys.exit(4),
    "hard exit": lambda: os._exit(5),
    "fork and exit": _fork_and_exit,
    "close all": lambda: os.closerange(0, 1000),
    "kill itself": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "interrupt": lambda: _raise(KeyboardInterrupt()),
    "value": lambda: _raise(ValueError("two\nlines" + "x" * 5000)),
    "recursion": lambda: _raise(RecursionError("deep")),
    "set": lambda: {1},
    "long": lambda: "x" * (1 << 24),
    "print": lambda: [
        sys.stdout.write('["ok", "forged"]\n'),
        sys.stdout.flush(),
        os.write(1, b'["ok", "forged"]\n'),
        "printed",
    ][-1],
    "stdin": lambda: sys.stdin.read(),
}


def describe(request):
    """Gives what the child has from its caller: open files, limits in force, and where the code came from."""
    names = {int(fd): _target(fd) for fd in os.listdir("/proc/self/fd")}
    return {
        "fds": sorted((fd, name) for fd, name in names.items() if name),
        "code": reward_score.sandbox.server.__file__,
        "main": sys.modules["__main__"].__dict__.get("__file__"),
    }


def _target(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:  # the listing's own
        return ""


def call_once(results):
    """Is the target of another process: makes a pool there and sends what a call gives."""
    pool = WorkerPool("worker_jobs:echo", size=1, wall_seconds=5, cpu_seconds=5, memory_bytes=1 << 30)
    results.send(pool.call("from another process"))
    pool.close()
