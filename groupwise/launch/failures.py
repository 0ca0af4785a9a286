"""From an exception to what its user reads first: a sentence."""

import errno
import re
from collections.abc import Iterator

from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError

from groupwise.errors import GroupwiseError

STREAM_WRITER = "PytorchStreamWriter"
"""torch.save reports a full disk through this class, without an error number."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walks from an exception to what caused it, the outermost first; Ray's wrappers are left out."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        # Ray's wrapper poses as an instance of what it wraps, with a traceback for its message.
        if not isinstance(current, RayTaskError):
            yield current
        inner = current.cause if isinstance(current, RayTaskError) else None
        current = inner or current.__cause__ or current.__context__


def _is_full_disk(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or (
        STREAM_WRITER in str(error) or "No space left on device" in str(error)
    )


LOSSES = (RayActorError, WorkerCrashedError, NodeDiedError, OutOfMemoryError)
"""What Ray raises where a process or a node of the run is gone."""


def _describe_loss(error: BaseException, *, checkpoint_folder: str) -> str:
    text = str(error)
    # Ray describes the process in lines of its message, and nowhere else.
    told = {key: value.rpartition(".")[2] for key, value in re.findall(r"^[ \t]*(class_name|pid): (\S+)$", text, re.M)}
    address = re.search(r"^[ \t]*ip: (\S+)$", text, re.M)
    process = f"{told.get('class_name', 'a worker')} (pid {told.get('pid', 'unknown')})"
    where = f" on node {address[1]}" if address else ""
    return (
        f"A process of the run died{where}: {process}. Where it ran out of memory, that node's `dmesg` says so; else "
        "its log is in /tmp/ray/session_latest/logs there. Start the same command again: the run resumes from its last "
        f"whole checkpoint in {checkpoint_folder}."
    )


def describe(error: BaseException, *, checkpoint_folder: str) -> tuple[str, bool]:
    """Puts an exception that ended a run into a sentence; and whether that says everything, without a traceback."""
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, GroupwiseError):
            return str(cause), True
    if any(_is_full_disk(cause) for cause in chain):
        return (
            f"A checkpoint could not be written to trainer.default_local_dir={checkpoint_folder}: the disk is full. "
            "Free some space or name another folder; the run resumes from its last whole checkpoint."
        ), True
    for cause in chain:
        if isinstance(cause, LOSSES):
            return _describe_loss(cause, checkpoint_folder=checkpoint_folder), True
    last = chain[-1] if chain else error
    lines = [line for line in str(last).strip().splitlines() if line.strip()]
    return f"The run ended with {type(last).__name__}: {lines[-1] if lines else 'no message'}", False
