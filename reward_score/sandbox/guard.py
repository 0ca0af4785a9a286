"""Holds every verdict to its deadline, also one that stands in C code and holds the interpreter's lock.

A thread cannot be killed, and while Python's `re` or a large multiplication runs, no other thread of its process does.
So a verdict is made in a child process (`sandbox.worker`) that the kernel ends when its time is up. One hop costs
about 20 microseconds; what cannot take long whatever it holds is judged here without it (`sandbox.brief`).
"""

import importlib
import importlib.util
import logging
import operator
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from reward_score import plugins, registry
from reward_score.registry import Registered
from reward_score.sandbox.protocol import (
    Limits,
    NeedsError,
    WorkerCrashError,
    WorkerError,
    WorkerMemoryError,
    WorkerPreparationError,
    WorkerTimeoutError,
)
from reward_score.sandbox.worker import WorkerPool
from reward_score.verdict import (
    TIMEOUT,
    UNPARSABLE_GOLD,
    VERIFIER_ERROR,
    ExtraInfo,
    GroundTruthError,
    Verdict,
    VerdictDict,
    failed_verdict,
)

WALL_SECONDS: Final = 1.8
CPU_SECONDS: Final = 1.5
MEMORY_BYTES: Final = 4 << 30
WORKERS: Final = 2
"""Verdicts at once in one process; verl has eight reward workers, each a process."""

LEAST_SECONDS: Final = 0.5
"""What a verdict gets at least whose process was lost."""

JUDGE: Final = "judge"
COMPARE: Final = "compare"
SYMBOLIC: Final = "symbolic"
SYMBOLIC_JOB: Final = "reward_score.math.symbolic_job"

Arguments = tuple[str, object, ExtraInfo]
Outcome = tuple[VerdictDict, str]
"""The verdict, and the traceback of a verifier that failed."""

logger = logging.getLogger(__name__)

_inside = _aside = False
_lock = threading.Lock()
_shared: WorkerPool | None = None
_unguarded: set[str] = set()


def judge(data_source: str, found: Registered, arguments: Arguments, options: dict[str, object]) -> Outcome:
    """Judges a response within its deadline; a verdict that takes too long or too much memory is a "timeout"."""
    if not (_inside or _aside) and not (found.brief and found.brief(*arguments, options)):
        outcome = _judge_elsewhere(data_source, found, arguments, options)
        if outcome is not None:
            return outcome
    return run(found.verifier, arguments, options)


def run(verifier: Callable[..., Verdict], arguments: Arguments, options: dict[str, object]) -> Outcome:
    """Calls a verifier here and now, and makes a verdict of what it raises.

    Raises:
        MemoryError: In a child process, which ends by it.
    """
    try:
        verdict = verifier(*arguments, **options)
        if not isinstance(verdict, Verdict):  # pyright: ignore[reportUnnecessaryIsInstance]  # it may be a user's
            raise TypeError(f"a verifier must return a reward_score.Verdict, got {type(verdict).__name__}")
        return verdict.as_dict(), ""
    except GroundTruthError as error:
        return failed_verdict(UNPARSABLE_GOLD, str(error)).as_dict(), ""
    except Exception as error:  # a verifier's bug must neither stop the other responses nor pass for a verdict
        if _inside and isinstance(error, MemoryError):
            raise
        return _failed(error), traceback.format_exc()


def _failed(error: Exception) -> VerdictDict:
    return failed_verdict(VERIFIER_ERROR, f"{type(error).__name__}: {error}").as_dict()


def _judge_elsewhere(
    data_source: str, found: Registered, arguments: Arguments, options: dict[str, object]
) -> Outcome | None:
    """Judges in a child process; gives None where no other process can have the verifier."""
    if data_source in _unguarded:
        return None
    if found.needs is None:
        return _leave_here(data_source, "it is registered in a script or a function")
    seconds = found.seconds
    limits = Limits(WALL_SECONDS, CPU_SECONDS) if seconds is None else Limits(seconds, seconds)
    try:
        outcome = _ask((JUDGE, found.reference, data_source, arguments, options), found.needs, limits)
    except WorkerTimeoutError:
        return failed_verdict(TIMEOUT, f"no verdict within {limits.wall_seconds:g} s").as_dict(), ""
    except WorkerMemoryError:
        return failed_verdict(TIMEOUT, f"no verdict within {MEMORY_BYTES >> 30} GiB of memory").as_dict(), ""
    except WorkerPreparationError as error:
        return _leave_here(data_source, str(error))
    except (WorkerError, TypeError, ValueError) as error:
        return _failed(error), ""
    if outcome is None:
        return _leave_here(data_source, "a module that is imported afresh does not register it")
    return cast("Outcome", outcome)


def _ask(request: tuple[Any, ...], needs: str, limits: Limits) -> Any:
    needed = (needs,) if needs else ()
    began = time.monotonic()
    try:
        return _pool().call(request, needs=needed, limits=limits)
    except WorkerCrashError:
        # Perhaps it was killed from outside, for want of memory say. What crashes by itself does so again.
        left = max(limits.wall_seconds - (time.monotonic() - began), LEAST_SECONDS)
        return _pool().call(request, needs=needed, limits=Limits(left, min(left, limits.cpu_seconds)))


def _leave_here(data_source: str, why: str) -> None:
    _unguarded.add(data_source)
    logger.warning(
        "the verifier of data source %r must be one that another process can import, to be ended when it hangs, but %s:"
        " it judges in this process, without a deadline",
        data_source,
        why,
    )


def compare(request: dict[str, str]) -> Any:
    """Has the computer algebra system compare two scalars (`math.symbolic_job.answer`) within a verdict's limits.

    Raises WorkerError if there is no result; not in a child process, where such an end is the verdict's.
    """
    if not _inside:
        return _pool().call((COMPARE, request), needs=(SYMBOLIC,))
    job = sys.modules.get(SYMBOLIC_JOB)
    if job is None:
        raise NeedsError(SYMBOLIC)
    return job.answer(request)


def warm_up() -> None:
    """Starts the processes and loads the computer algebra system, so that no first verdict waits for it."""
    _pool().warm_up((SYMBOLIC,))


def renew() -> None:
    """Ends the processes, with all that they remember, and starts others."""
    global _shared
    with _lock:
        ended, _shared = _shared, None
    if ended is not None:
        ended.close()
    warm_up()


def stand_aside() -> None:
    """Has every verdict made in this process, without a deadline, to measure it; comparisons are still guarded."""
    global _aside
    _aside = True


def answer(request: tuple[Any, ...]) -> Any:
    """The job of the child processes: a verdict with a failed verifier's traceback, or a comparison.

    None for a data source that is not known there.
    """
    global _inside
    _inside = True  # this process can be killed, so that it judges itself
    kind, *arguments = request
    if kind == COMPARE:
        return compare(arguments[0])
    reference, data_source, row, options = arguments
    module, _, qualified = reference.partition(":")
    try:
        verifier: Any = (
            operator.attrgetter(qualified)(sys.modules[module])
            if reference
            else registry.find_verifier(data_source, row[2]).verifier
        )
    except registry.UnknownDataSourceError:
        return None
    return run(verifier, row, options)


def prepare(needed: str) -> None:
    """Loads "symbolic", "plugin NAME" or "module NAME FILE" in a server; the file is for a module off the path."""
    global _inside
    _inside = True
    kind, _, rest = needed.partition(" ")
    if kind == SYMBOLIC:
        importlib.import_module(SYMBOLIC_JOB)
    elif kind == "plugin":
        plugins.load([rest])
    else:
        _import(*rest.split(" ", 1))


def _import(name: str, file: str = "") -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        spec = importlib.util.spec_from_file_location(name, file) if Path(file).is_file() else None
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        cast("Any", spec.loader).exec_module(module)


def _pool() -> WorkerPool:
    global _shared
    with _lock:
        if _shared is None:
            _shared = WorkerPool(
                "reward_score.sandbox.guard:answer",
                size=WORKERS,
                wall_seconds=WALL_SECONDS,
                cpu_seconds=CPU_SECONDS,
                memory_bytes=MEMORY_BYTES,
            )
        return _shared
