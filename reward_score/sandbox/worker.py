"""Runs what could hang or eat memory in processes that can be killed, callable from any thread.

verl calls a reward function from the threads of an executor, where no alarm can be set, in a process that may hold CUDA
and Ray, which must not be forked. `multiprocessing` is no way out: it imports `__main__` again, is refused in daemonic
processes, and a `concurrent.futures` pool is of no use once one of its processes was killed. So each place of a pool is
a plain subprocess, `sandbox.server`, that forks a child for the jobs and renews it when it had to die.
The bounds are held twice: by the kernel's timers in the child, and by the caller, who has the server kill it.
"""

import atexit
import contextlib
import os
import queue
import weakref
from collections.abc import Iterable
from typing import Any, Final

from reward_score.sandbox.protocol import Limits
from reward_score.sandbox.slot import Slot

JOBS_PER_CHILD: Final = 20_000
"""Bounds what the caches of a job's libraries can grow to."""


class WorkerPool:
    """Calls one function in other processes, at most `size` jobs at once, each under hard bounds.

    Servers start at the first calls, and end with `close` or with this process, however that ends. A process forked
    from this one gets servers of its own. The job's module must not start threads when it is imported. A job that
    swallows MemoryError hides that it had too little memory; one that uses SIGALRM itself leaves its deadline to the
    server, SERVER_GRACE later.
    """

    def __init__(
        self,
        job: str,
        *,
        size: int,
        wall_seconds: float,
        cpu_seconds: float,
        memory_bytes: int,
        jobs_per_child: int = JOBS_PER_CHILD,
    ) -> None:
        """Prepares the pool and starts nothing.

        `job` is "package.module:function", importable in a fresh interpreter with this one's `sys.path`; the function
        takes what pickles and gives what JSON can hold. A function `prepare` of that module, if there is one, is called
        in the server with what a request needs. At most `size` jobs run at once, each with a server and a child of its
        own, which is renewed after `jobs_per_child` jobs. `wall_seconds` count from when a job is taken, waiting for a
        turn or for a server to start does not; after that a call returns or raises within about CHILD_GRACE seconds.
        `cpu_seconds` are user and system time. `memory_bytes` of address space may be taken beside the interpreter and
        what is loaded; where the platform does not bound it (macOS) this is best effort. Raises ValueError if the name
        or a number cannot be one.
        """
        module, _, function = job.partition(":")
        if not module or not function.isidentifier() or module == "__main__":
            raise ValueError(f"job must be 'package.module:function', not in __main__, got {job!r}: name a module's")
        self._limits = Limits(wall_seconds, cpu_seconds)
        bounds = (*self._limits, memory_bytes, jobs_per_child)
        if size < 1 or not all(0 < bound < float("inf") for bound in bounds):
            raise ValueError(f"size and limits must be positive and finite, got {size} and {bounds}: correct them")
        self._slots = [Slot(job, memory_bytes, jobs_per_child) for _ in range(size)]
        self._forget()
        atexit.register(self.close)
        forget = weakref.WeakMethod(self._forget)
        os.register_at_fork(after_in_child=lambda: (method := forget()) and method())

    def call(self, request: object, *, needs: Iterable[str] = (), limits: Limits | None = None) -> Any:
        """Runs the job on a request that pickles to at most 16 MiB; from any thread, waiting for a turn first.

        The server loads what the job `needs` first, once, which does not count as the job's time. Gives what the
        function gave, as JSON makes it: tuples are lists, keys are strings. Raises a WorkerError (`sandbox.protocol`)
        where there is nothing, TypeError if the request does not pickle, and ValueError if it is too long.
        """
        slot = self._idle.get()
        try:
            return slot.call(request, limits or self._limits, needs)
        finally:
            self._idle.put(slot)

    def warm_up(self, needs: Iterable[str] = ()) -> None:
        """Starts the servers that are not up, all at once, and waits until they have loaded the job and its `needs`.

        A later request that needs what could not be loaded is told so. Raises WorkerUnavailableError if a server cannot
        be had.
        """
        idle = self._take_idle()
        try:
            for slot in idle:
                slot.start()
            for slot in idle:
                slot.wait_ready(needs)
        finally:
            for slot in idle:
                self._idle.put(slot)

    def close(self) -> None:
        """Ends every process of the pool at once; calls under way, and all later ones, raise a WorkerError."""
        atexit.unregister(self.close)
        for slot in self._slots:
            slot.refuse("the worker pool must be open, it was closed: make another")
        for slot in self._take_idle():
            slot.drop()
            self._idle.put(slot)

    def _take_idle(self) -> list[Slot]:
        """Takes all slots that no caller holds."""
        idle: list[Slot] = []
        with contextlib.suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        return idle

    def _forget(self) -> None:
        """Makes all slots idle and empty: in a forked process, servers and the threads that held slots are away."""
        # Last in, first out: no more servers are started than callers need at once.
        self._idle: queue.LifoQueue[Slot] = queue.LifoQueue()
        for slot in self._slots:
            slot.forget()
            self._idle.put(slot)
