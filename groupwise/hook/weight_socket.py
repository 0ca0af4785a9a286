"""Adapter: the socket through which verl hands weights to vLLM, under a name of the run's own.

verl names it by Ray's job id, which is 01000000 in every Ray that a run starts for itself, and the rank. Two runs on a
machine would share it: each removes the other's socket and binds its own, so one waits for ever, or its engine is given
the other run's weights.
"""

import os
from types import ModuleType
from typing import Any

from groupwise.launch.leftovers import RUN_MARK
from verl_cpu.after_import import after_import
from verl_cpu.patches import WEIGHT_TRANSFER
from verl_cpu.replacing import replaces


def patch() -> None:
    """Renames the socket at both ends, in every process of a run, once verl's module is imported."""
    after_import(WEIGHT_TRANSFER, rename_sockets)


def rename_sockets(module: ModuleType) -> None:
    """Lets a module's senders and receivers take the run's own name; a second call changes nothing."""
    for end in (module.BucketedWeightSender, module.BucketedWeightReceiver):

        @replaces(end, "__init__")
        def init(original: Any, self: Any, zmq_handle: str, *args: Any, **kwargs: Any) -> None:
            original(self, own_name(zmq_handle), *args, **kwargs)


def own_name(handle: str) -> str:
    """Adds the run to the name of a socket; outside of a run it stays as it is."""
    run = os.environ.get(RUN_MARK)
    return f"{handle.removesuffix('.sock')}-{run}.sock" if run else handle
