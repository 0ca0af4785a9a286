"""Responses from several vLLM engines on this machine, each in a process of its own with its own GPUs.

A process that dies ends the run with a sentence; each has a pipe of its own, which is watched together with it.
"""

import math
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from groupwise.errors import GroupwiseError
from groupwise.evaluation.replica import Engine, Failed, Generated, Ready, Request, serve

GOODBYE_SECONDS: Final = 30.0
"""vLLM takes a few seconds to end; what takes longer is killed."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at whether the processes live."""


@contextmanager
def _in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Torch reads some when it is imported, so a process must be born with them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Replica:
    """A process with an engine, seen from this side.

    Args:
        number: Its number, for sentences.
        build: Makes the engine; importable, since the process is started anew.
        arguments: The engine's arguments.
        environment: Variables that the process gets.
        log: File for what it prints.
    """

    def __init__(
        self,
        number: int,
        build: Callable[..., Engine],
        arguments: Mapping[str, Any],
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.number, self.log = number, log
        self.capacity = 0
        self.in_flight = 0
        self.connection, theirs = multiprocessing.get_context("spawn").Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(theirs, build, dict(arguments), log), name=f"replica-{number}"
        )
        with _in_environment(environment):
            self.process.start()
        # Held here as well, the pipe would not end when the process does.
        theirs.close()

    def send(self, request: Request) -> None:
        """Hands a request over."""
        try:
            self.connection.send(request)
        except OSError as error:
            raise self._died() from error
        self.in_flight += request.samples

    def receive(self) -> Generated | None:
        """Takes a message that is there; None where it only said that it is ready."""
        try:
            # Its process ended, and left nothing in the pipe.
            if not self.connection.poll():
                raise EOFError
            message = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if isinstance(message, Failed):
            raise GroupwiseError(
                f"vLLM could not run (replica {self.number}): {message.reason}. Its log is {self.log}."
            )
        if isinstance(message, Ready):
            self.capacity = message.capacity
            return None
        self.in_flight -= len(message.responses)
        return message

    def _died(self) -> GroupwiseError:
        code = self._wait()
        why = f"signal {-code}, as for want of memory" if code is not None and code < 0 else f"exit code {code}"
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        said = f"; its last line: {lines[-1].strip()[:300]}" if lines else ""
        return GroupwiseError(
            f"vLLM ended before it was done (replica {self.number}, {why}). Its log is {self.log}{said}"
        )

    def _wait(self) -> int | None:
        # Not join: it watches a pipe that something the process left behind may hold open.
        deadline = time.monotonic() + GOODBYE_SECONDS
        while self.process.exitcode is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.process.exitcode

    def end(self, *, at_once: bool) -> None:
        """Ends the process and all that it started.

        Args:
            at_once: Whether it is killed without being asked first.
        """
        with suppress(OSError):
            self.connection.send(None)
        if not at_once:
            self._wait()
        self.connection.close()
        # Its session is its own, so the group holds the engine's processes, also those that outlive it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()


class Replicas:
    """Engines that share the work; a context manager, which starts and ends them.

    Args:
        build: Makes an engine, from `arguments`.
        arguments: The engine's arguments.
        environments: Variables of each replica, its GPUs among them; one replica for each.
        logs: Folder for what the engines print, one file each.
    """

    def __init__(
        self,
        build: Callable[..., Engine],
        arguments: Mapping[str, Any],
        environments: Sequence[Mapping[str, str]],
        logs: Path,
    ) -> None:
        self._start = [
            (number, build, arguments, environment, logs / f"engine_{number}.log")
            for number, environment in enumerate(environments)
        ]
        self._replicas: list[Replica] = []

    def __enter__(self) -> "Replicas":
        try:
            for arguments in self._start:
                self._replicas.append(Replica(*arguments))
        except BaseException:
            self._end(at_once=True)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._end(at_once=kind is not None)

    def _end(self, *, at_once: bool) -> None:
        for replica in self._replicas:
            replica.end(at_once=at_once)

    def generate(self, requests: Sequence[Request]) -> Iterator[Generated]:
        """Answers requests, in whatever order they are done.

        Args:
            requests: Taken up in this order.

        Yields:
            The responses to each.

        Raises:
            GroupwiseError: An engine failed, or its process ended.
        """
        waiting = deque(requests)
        # No more than an equal share: the first engine that is up must not take everything.
        share = math.ceil(sum(request.samples for request in requests) / len(self._replicas))
        missing = len(waiting)
        while missing:
            for replica in self._replicas:
                limit = min(replica.capacity, share)
                while waiting and replica.in_flight < limit:
                    replica.send(waiting.popleft())
            for replica in self._with_news():
                generated = replica.receive()
                if generated is not None:
                    missing -= 1
                    yield generated

    def _with_news(self) -> list[Replica]:
        # A pipe tells its process's end at once, unless something that the process left behind holds it open.
        spoken = wait([replica.connection for replica in self._replicas], timeout=LOOK_SECONDS)
        return [replica for replica in self._replicas if replica.connection in spoken or not replica.process.is_alive()]
