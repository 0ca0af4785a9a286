"""Ends a run that would wait for ever for a process that is gone.

verl notices the death of a worker that it waits for, but not that of a vLLM engine: the actor around it lives on, and
the next update of the weights waits for an answer without a limit. A reward worker or a storage of rollouts that dies
is waited for likewise. So a thread of the launching process looks after the run's actors and, where one is lost, ends
the task runner, so that the run ends with a sentence and can be resumed.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util import list_named_actors

from groupwise.hook.batch_store import ACTORS as STORE

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 10.0
PATIENCE_SECONDS = 60.0
"""How long a lost actor is put up with: verl may be about to say so itself, or the run about to end."""

ANSWER_SECONDS = 5.0
"""How long servers are waited for that are asked whether their engines live."""

ACTORS = re.compile(rf"vllm_server|sglang_server|agent_loop_worker|reward_loop_worker|WorkerDict|{STORE}", re.I)
"""Names that verl gives to actors which live as long as the run."""

SERVERS = re.compile(r"vllm_server")


def has_failed_engine(server: Any) -> bool:
    """Asks verl's vLLMHttpServer, in its own process, whether its engine is dead (vLLM's AsyncLLM.errored)."""
    engine = getattr(server, "engine", None)
    return engine is not None and engine.errored


class Watch:
    """Looks after a run's actors from the launching process, every `period` seconds.

    `end` ends the run; it is called once, in the watch's thread, after `fault` was set. `names` lists the living
    actors, of which one may be missing for `patience` seconds; `failed_engines` says whose engines are dead, by name.
    """

    def __init__(
        self,
        end: Callable[[], None],
        *,
        names: Callable[[], list[str]] = list_named_actors,
        failed_engines: Callable[[list[str]], list[str]] | None = None,
        period: float = PERIOD_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ):
        self.fault: str | None = None
        self._end, self._names, self._failed_engines = end, names, failed_engines or ask_servers
        self._period, self._patience = period, patience
        self._known: set[str] = set()
        self._missing_since: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, *__: object) -> None:
        self._stop.set()
        self._thread.join(timeout=self._period)
        if isinstance(error, Exception) and self.fault is None:
            # A dead engine may end the run before the next look, with what followed from it: verl puts up with each
            # failed request, and raises once no response is left to train on.
            self._look_now()

    def _run(self) -> None:
        while not self._stop.wait(self._period):
            self._look_now()
            if self.fault and not self._stop.is_set():
                self._end()
                return

    def _look_now(self) -> None:
        # Listing actors would otherwise start a Ray of its own.
        if not ray.is_initialized():
            return
        try:
            self.fault = self.look(time.monotonic())
        except RayError as error:
            # Ray itself is in trouble, or shutting down; the launching thread hears of it.
            logger.debug("the run's actors could not be listed: %s", error)

    def look(self, now: float) -> str | None:
        """Says what is lost, in a sentence, at a second of a clock that never goes back; None where nothing is."""
        living = {name for name in self._names() if ACTORS.search(name)}
        self._known |= living
        for name in self._known - living:
            since = self._missing_since.setdefault(name, now)
            if now - since >= self._patience:
                return _sentence(f"its actor {name} is gone")
        for name in living:
            self._missing_since.pop(name, None)
        servers = sorted(name for name in living if SERVERS.search(name))
        if servers and (failed := self._failed_engines(servers)):
            return _sentence(f"the vLLM engine of {', '.join(failed)} is dead")
        return None


def ask_servers(names: list[str]) -> list[str]:
    """Lists those of this run's vLLM servers that say that their engine is dead, all asked at once.

    One that does not answer within seconds, as while it loads the model, is not among them; all of them together are
    waited for no longer than one would be.
    """
    asked = {}
    for name in names:
        # Gone between the listing and now
        with suppress(ValueError):
            asked[ray.get_actor(name).__ray_call__.remote(has_failed_engine)] = name
    if not asked:
        return []
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
    return [asked[reference] for reference in answered if _answer(reference)]


def _answer(reference: Any) -> bool:
    """What a server said; False where it died instead."""
    try:
        return ray.get(reference)
    except RayError:
        return False


def _sentence(what: str) -> str:
    return (
        f"The run cannot go on: {what}. Where a node ran out of memory its `dmesg` says so; else the log is in "
        "/tmp/ray/session_latest/logs there. Start the same command again: the run resumes from its last whole "
        "checkpoint."
    )
