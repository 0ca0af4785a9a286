"""Judging off the event loop, each call for a bounded time.

A thread cannot be killed: a function that never returns keeps its thread for ever. The threads are therefore the reward
manager's own, so that verl's default executor is not starved; they are few, and once all of them are held by calls that
overran, a further call fails at once instead of waiting for ever.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

MAX_THREADS: Final = 32
"""As many as asyncio's default executor has at most, in which verl's own reward managers score."""


class OverdueError(Exception):
    """A call did not return in time."""


class ScoringThreads:
    """Threads in which blocking calls are made, each for `timeout_s` from its start; waiting for one does not count."""

    def __init__(self, *, timeout_s: float, max_threads: int = MAX_THREADS) -> None:
        self.timeout_s, self.max_threads = timeout_s, max_threads
        self._executor = ThreadPoolExecutor(max_threads, thread_name_prefix="reward")
        self._overdue: list[Future[Any]] = []

    async def run(self, call: Callable[[], Any]) -> Any:
        """Makes a call in a thread, and returns or raises what it does.

        Raises:
            OverdueError: It did not return in time, or found no thread because none will be free again.
        """
        started: list[float] = []

        def timed() -> Any:
            started.append(time.monotonic())
            return call()

        job = self._executor.submit(timed)
        future = asyncio.wrap_future(job)
        try:
            remaining = self.timeout_s
            while not (await asyncio.wait({future}, timeout=remaining))[0]:
                remaining = self._remaining(started, job)
            return future.result()
        finally:
            # Takes a job that has not started out of the queue; has no effect on one that ended.
            future.cancel()

    def _remaining(self, started: list[float], job: Future[Any]) -> float:
        if started:
            remaining = started[0] + self.timeout_s - time.monotonic()
            if remaining > 0:
                return remaining
            self._overdue = [*self._still_overdue(), job]
            raise OverdueError(f"no verdict within {self.timeout_s:g} s")
        if len(self._still_overdue()) >= self.max_threads:
            raise OverdueError(f"all {self.max_threads} threads are held by calls that took over {self.timeout_s:g} s")
        return self.timeout_s

    def _still_overdue(self) -> list[Future[Any]]:
        return [job for job in self._overdue if not job.done()]


async def await_within(coroutine: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
    """Awaits a coroutine on the event loop; one that blocks the loop instead of awaiting cannot be bounded.

    Unlike asyncio.wait_for it does not wait for a cancelled coroutine to end, which may never happen.

    Raises:
        OverdueError: It did not return in time.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        if not (await asyncio.wait({task}, timeout=timeout_s))[0]:
            raise OverdueError(f"no verdict within {timeout_s:g} s")
        if task.cancelled():
            raise RuntimeError("the reward function was cancelled from within")
        return task.result()
    finally:
        task.cancel()
