"""What `reward_score.worker` and `reward_score.worker_server` say to each other: lines of JSON, and what they mean.

One request or reply is under way at a time. No pickle, so that what a job gives cannot be code.
"""

import json
import socket
import time
from typing import Any, Final, NamedTuple

MAX_LINE_BYTES: Final = 1 << 24

SERVER_GRACE: Final = 0.1
"""Seconds after the wall-clock deadline at which the server kills a child whose own timer did not."""

CALLER_GRACE: Final = 0.25
"""Seconds after the wall-clock deadline at which the caller kills a server that did not answer."""


class WorkerError(Exception):
    """A call has no result; the next call is not affected, unless this is a WorkerUnavailableError."""


class WorkerTimeoutError(WorkerError):
    """The job ran past its seconds of wall clock or CPU, and was killed."""


class WorkerMemoryError(WorkerError):
    """The job ran out of the memory that it may use."""


class WorkerCrashError(WorkerError):
    """The job's process, or its server, died: a fault in C code, an exit, or a kill from outside."""


class WorkerUnavailableError(WorkerError):
    """No server can be had: the job cannot be imported, the process cannot be started, or the pool was closed."""


class JobError(WorkerError):
    """The job raised an exception.

    Attributes:
        type_name: The name of the exception's class.
        message: Its text, cut to 1,000 characters.
    """

    def __init__(self, type_name: str, message: str) -> None:
        """Keeps both as arguments, so that it pickles."""
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        """Gives both on one line."""
        return f"the job raised {self.type_name}: {self.message}"


READY: Final = "ready"
OK: Final = "ok"
ERROR: Final = "error"
TIMEOUT: Final = "timeout"
MEMORY: Final = "memory"
CRASH: Final = "crash"
UNAVAILABLE: Final = "unavailable"

FAILURES: Final[dict[str, type[WorkerError]]] = {
    ERROR: JobError,
    TIMEOUT: WorkerTimeoutError,
    MEMORY: WorkerMemoryError,
    CRASH: WorkerCrashError,
    UNAVAILABLE: WorkerUnavailableError,
}
"""What a reply raises; the rest of it are the exception's arguments."""


class Limits(NamedTuple):
    """What one job may use (bytes are of the child's address space), and after how many the child is renewed."""

    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int
    jobs_per_child: int


def encode(message: object) -> bytes:
    """Gives a message as one line of ASCII.

    Args:
        message: What JSON can hold.

    Returns:
        The line, with its end.

    Raises:
        TypeError: If JSON cannot hold it.
        ValueError: If the line is longer than MAX_LINE_BYTES, or the message contains itself.
    """
    line = json.dumps(message).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"a message must have at most {MAX_LINE_BYTES} bytes as JSON, got {len(line)}: send less")
    return line


def ask(channel: socket.socket, line: bytes, seconds: float) -> bytes:
    """Sends a line (nothing if empty) and waits for the one that answers it.

    Args:
        channel: To the other side.
        line: The request.
        seconds: How long both may take together.

    Returns:
        The reply.

    Raises:
        TimeoutError: If it took longer.
        EOFError: If the other side is gone; or another OSError.
    """
    deadline = time.monotonic() + seconds
    channel.settimeout(seconds)
    channel.sendall(line)
    return receive_line(channel, deadline)


def receive_line(channel: socket.socket, deadline: float | None) -> bytes:
    """Waits for one line.

    Args:
        channel: Where from; nothing follows the line.
        deadline: On the clock of `time.monotonic`; None waits for ever.

    Returns:
        The line, with its end.

    Raises:
        TimeoutError: If the deadline has passed.
        EOFError: If the other side is gone; or another OSError.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        # A time-out of zero would mean "do not wait", with another exception.
        channel.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-6))
        part = channel.recv(1 << 16)
        if not part:
            raise EOFError("the other side closed the connection")
        line += part
    return bytes(line)


def decode(line: bytes) -> Any:
    """Gives the message of a line."""
    return json.loads(line)
