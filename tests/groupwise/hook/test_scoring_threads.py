"""Time limits on calls, and what a call that hangs may take with it."""

import asyncio
import threading
import time

import pytest

from groupwise.hook.scoring_threads import OverdueError, ScoringThreads, await_within


@pytest.fixture
def gate():
    """Calls that hang until the test is over, so that no thread outlives it."""
    event = threading.Event()
    yield event
    event.set()


def fail():
    raise LookupError("as it was")


def test_gives_the_result_and_the_error_of_a_call_in_threads_of_its_own():
    async def main():
        threads = ScoringThreads(timeout_s=5)
        name = await threads.run(lambda: threading.current_thread().name)
        with pytest.raises(LookupError, match="as it was"):
            await threads.run(fail)
        return name

    assert asyncio.run(main()).startswith("reward")


def test_a_call_that_hangs_is_overdue_and_takes_neither_verls_executor_nor_the_other_threads(gate):
    async def main():
        threads = ScoringThreads(timeout_s=0.2, max_threads=2)
        with pytest.raises(OverdueError, match=r"no verdict within 0.2 s"):
            await threads.run(gate.wait)
        loop = asyncio.get_running_loop()
        return await threads.run(lambda: 1), await loop.run_in_executor(None, lambda: 2)

    assert asyncio.run(main()) == (1, 2)


def test_waiting_for_a_thread_does_not_count(gate):
    # Eight calls of 0.2 s in one thread: the last waits 1.4 s for it, longer than the limit of 1.2 s.
    async def main():
        threads = ScoringThreads(timeout_s=1.2, max_threads=1)
        return await asyncio.gather(*(threads.run(lambda: time.sleep(0.2)) for _ in range(8)), return_exceptions=True)

    assert asyncio.run(main()) == [None] * 8


def test_once_every_thread_hangs_a_call_fails_instead_of_waiting_for_ever(gate):
    async def main():
        threads = ScoringThreads(timeout_s=0.1, max_threads=2)
        return await asyncio.gather(*(threads.run(gate.wait) for _ in range(5)), return_exceptions=True)

    began = time.monotonic()
    found = [str(error) for error in asyncio.run(main())]
    assert (
        sorted(found) == ["all 2 threads are held by calls that took over 0.1 s"] * 3 + ["no verdict within 0.1 s"] * 2
    )
    assert time.monotonic() - began < 30


def test_a_thread_that_comes_back_is_used_again(gate):
    async def main():
        threads = ScoringThreads(timeout_s=1, max_threads=1)
        with pytest.raises(OverdueError):
            await threads.run(gate.wait)
        with pytest.raises(OverdueError, match="all 1 threads"):
            await threads.run(lambda: 1)
        gate.set()
        # The last one waits 1.2 s for its turn, past the time at which it looks whether the thread hangs.
        return await asyncio.gather(*(threads.run(lambda: time.sleep(0.3)) for _ in range(5)), return_exceptions=True)

    assert asyncio.run(main()) == [None] * 5


def test_a_coroutine_is_bounded_even_if_it_resists():
    async def resist():
        while True:
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                await asyncio.sleep(90)
                return

    async def answer():
        return 1

    async def give_up():
        raise asyncio.CancelledError

    async def main():
        began = time.monotonic()
        with pytest.raises(OverdueError, match=r"no verdict within 0.1 s"):
            await await_within(resist(), 0.1)
        assert time.monotonic() - began < 40
        with pytest.raises(RuntimeError, match="cancelled from within"):
            await await_within(give_up(), 30)
        return await await_within(answer(), 30)

    assert asyncio.run(main()) == 1
