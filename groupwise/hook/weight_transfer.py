"""Adapter: the socket and the shared memory through which verl hands weights to vLLM, under names of the run's own.

verl names the socket by Ray's job id, which is 01000000 in every Ray that a run starts for itself, and the rank. Two
runs on a machine would share it: each removes the other's socket and binds its own, so one waits for ever, or its
engine is given the other run's weights. The name of a block of shared memory says nothing of its run, so that one which
a kill has left could not be known as its own.
"""

import os
from types import ModuleType
from typing import Any

from groupwise.launch.leftovers import RUN_MARK
from verl_cpu.after_import import after_import
from verl_cpu.patches import WEIGHT_TRANSFER
from verl_cpu.replacing import replaces


def patch() -> None:
    """Renames both at both ends, in every process of a run, once verl's module is imported."""
    after_import(WEIGHT_TRANSFER, rename)


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


def own_name(name: str) -> str:
    """Adds the run to a name; outside of a run it stays as it is."""
    run = os.environ.get(RUN_MARK)
    stem, dot, ending = name.partition(".sock")
    return f"{stem}-{run}{dot}{ending}" if run else name
