"""One vLLM engine in a process of its own; generate.py starts it and talks to it through a pipe."""

import os
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Request(NamedTuple):
    """A prompt to answer.

    Attributes:
        key: Its name, unique within a run.
        prompt: (P,) token ids.
        samples: How many responses.
        sampling: vLLM's sampling parameters but for `n`.
    """

    key: tuple[str, int]
    prompt: list[int]
    samples: int
    sampling: Mapping[str, Any]


class Response(NamedTuple):
    """One response: its token ids, those of the end included, and why it ended, in vLLM's words."""

    tokens: list[int]
    finish_reason: str


class Generated(NamedTuple):
    """All responses to a request, in the order of their numbers."""

    key: tuple[str, int]
    responses: list[Response]


class Ready(NamedTuple):
    """The engine is up, and works on this many sequences at once."""

    capacity: int


class Failed(NamedTuple):
    """The engine could not go on; why, in one line."""

    reason: str


class Engine(Protocol):
    """What a replica needs of an engine."""

    capacity: int

    def add(self, request: Request) -> None:
        """Takes a request."""
        ...

    def busy(self) -> bool:
        """Whether a request is not answered yet."""
        ...

    def step(self) -> list[Generated]:
        """Generates a little, and gives what is complete."""
        ...

    def close(self) -> None:
        """Ends what the engine started."""
        ...


class VLLMEngine:
    """vLLM, driven step by step, so that a new prompt starts as soon as another one's responses are complete.

    Args:
        **arguments: vLLM's engine arguments.
    """

    def __init__(self, **arguments: Any) -> None:
        from vllm import LLM

        self._engine = LLM(**arguments).llm_engine
        self._requests: dict[str, Request] = {}
        self.capacity = self._engine.vllm_config.scheduler_config.max_num_seqs

    def add(self, request: Request) -> None:
        """Takes a request."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        # As verl decodes them later: ids alone are asked for.
        params = SamplingParams(
            n=request.samples, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY, **request.sampling
        )
        name = "/".join(map(str, request.key))
        self._requests[name] = request
        self._engine.add_request(name, {"prompt_token_ids": request.prompt}, params)

    def busy(self) -> bool:
        """Whether a request is not answered yet."""
        return bool(self._requests)

    def step(self) -> list[Generated]:
        """Generates a token for each sequence, and gives what is complete."""
        finished = [output for output in self._engine.step() if output.finished]
        return [
            Generated(
                self._requests.pop(output.request_id).key,
                [Response(list(each.token_ids), str(each.finish_reason)) for each in output.outputs],
            )
            for output in finished
        ]

    def close(self) -> None:
        """Ends vLLM's own process, for which this one would wait at its end."""
        self._engine.engine_core.shutdown()


def serve(
    connection: Connection,
    build: Callable[..., Engine],
    arguments: Mapping[str, Any],
    log: Path,
) -> None:
    """Answers requests until it is told None, or until the other end is gone.

    Args:
        connection: Requests come in; Ready, Generated and Failed go out.
        build: Makes the engine.
        arguments: Its arguments.
        log: File for what the engine prints.

    Raises:
        SystemExit: The engine failed; Failed was sent.
    """
    # A session of its own: Ctrl-C is the parent's to answer, which then ends the whole group, vLLM's processes too.
    os.setsid()
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # Were both ends to send at once, with full buffers, neither would read; so a thread sends, and this one reads.
    with ThreadPoolExecutor(1) as sender:
        send = partial(sender.submit, connection.send)
        try:
            engine = build(**arguments)
            send(Ready(engine.capacity))
            try:
                _answer(connection, engine, send)
            finally:
                engine.close()
        except (EOFError, ConnectionError):
            return
        except Exception as error:
            traceback.print_exc()
            send(Failed(f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"))
            raise SystemExit(1) from error


def _answer(connection: Connection, engine: Engine, send: Callable[[Generated], object]) -> None:
    while True:
        # Waits where there is nothing to do; a parent that is gone makes poll true and recv raise EOFError.
        while connection.poll(0 if engine.busy() else None):
            request = connection.recv()
            if request is None:
                return
            engine.add(request)
        for generated in engine.step():
            send(generated)
