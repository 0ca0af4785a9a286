"""Adapter: the socket and the shared memory through which verl hands weights to vLLM, under names of the run's own.

And where vLLM fails to load them the trainer is told so, which otherwise waits for ever for the engine's answer.

verl names the socket by Ray's job id, which is 01000000 in every Ray that a run starts for itself, and the rank. Two
runs on a machine would share it: each removes the other's socket and binds its own, so one waits for ever, or its
engine is given the other run's weights. The name of a block of shared memory says nothing of its run, so that one which
a kill has left could not be known as its own.
"""

import contextlib
import os
import sys
from types import ModuleType
from typing import Any

from groupwise.launch.leftovers import RUN_MARK
from verl_cpu.after_import import after_import
from verl_cpu.patches import WEIGHT_TRANSFER
from verl_cpu.replacing import replaces

FAILED = b"vLLM must load the weights that the trainer sends, but failed: "


def patch() -> None:
    """Changes both ends, in every process of a run, once verl's module is imported."""
    after_import(WEIGHT_TRANSFER, rename)
    after_import(WEIGHT_TRANSFER, answer_failures)


def rename(module: ModuleType) -> None:
    """Lets a module's senders and receivers take the run's own names; a second call changes nothing."""
    for end in (module.BucketedWeightSender, module.BucketedWeightReceiver):

        @replaces(end, "__init__")
        def init(original: Any, self: Any, zmq_handle: str, *args: Any, **kwargs: Any) -> None:
            original(self, own_name(zmq_handle), *args, **kwargs)

    @replaces(module, "create_shared_memory")
    def create(original: Any, size: int, name: str) -> Any:
        return original(size, own_name(name))

    @replaces(module, "rebuild_shared_memory")
    def rebuild(original: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return original(own_name(name), *args, **kwargs)


def answer_failures(module: ModuleType) -> None:
    """Lets a module's receivers answer where they fail, and its senders raise then; a second call changes nothing."""

    @replaces(module.BucketedWeightReceiver, "_cleanup")
    def cleanup(original: Any, self: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and self.socket is not None:
            with contextlib.suppress(module.zmq.ZMQError):  # where the last word was ours
                self.socket.send(FAILED + repr(error).encode(errors="replace"))
        original(self)

    @replaces(module.BucketedWeightSender, "_init_socket")
    def init_socket(original: Any, self: Any) -> None:
        original(self)
        self.socket = Answered(self.socket)


class Answered:
    """A sender's socket, which raises a RuntimeError where the answer is that the receiver failed."""

    def __init__(self, socket: Any):
        self._socket = socket

    def recv(self) -> bytes:
        """Waits for the answer."""
        answer = self._socket.recv()
        if answer.startswith(FAILED):
            raise RuntimeError(answer.decode(errors="replace"))
        return answer

    def __getattr__(self, name: str) -> Any:
        """Everything else is the socket's."""
        return getattr(self._socket, name)


def own_name(name: str) -> str:
    """Adds the run to a name; outside of a run it stays as it is."""
    run = os.environ.get(RUN_MARK)
    stem, dot, ending = name.partition(".sock")
    return f"{stem}-{run}{dot}{ending}" if run else name
