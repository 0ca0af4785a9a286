"""What `sandbox.worker` and `sandbox.server` say to each other: frames over sockets, what they mean.

A request is pickled, because its sender is trusted and its values are whatever a data file held. All else is JSON, so
that what a job gives cannot be code. One request or command is under way at a time.
"""

import json
import os
import pickle
import socket
import struct
import time
from typing import Final, NamedTuple

MAX_FRAME_BYTES: Final = 1 << 24

CHILD_GRACE: Final = 0.1
"""Seconds after its deadline at which the caller has a child killed whose own timer did not end it."""

SERVER_GRACE: Final = 0.5
"""Seconds within which a server must have put another child in place; one that does not is killed."""


class WorkerError(Exception):
    """A call has no result; the next call is not affected, unless this is a WorkerUnavailableError."""


class WorkerTimeoutError(WorkerError):
    """The job ran past its seconds of wall clock or CPU, and was killed."""


class WorkerMemoryError(WorkerError):
    """The job ran out of the memory that it may use."""


class WorkerCrashError(WorkerError):
    """The job's process died: a fault in C code, an exit, or a kill from outside."""


class WorkerUnavailableError(WorkerError):
    """No server can be had: the job cannot be imported, the process cannot be started, or the pool was closed."""


class WorkerPreparationError(WorkerError):
    """A server could not load what a request needs besides the job."""


class JobError(WorkerError):
    """The job raised an exception of this class, with this text, cut to 1,000 characters."""

    def __init__(self, type_name: str, message: str) -> None:
        """Keeps both as arguments, so that it pickles."""
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        """Gives both on one line."""
        return f"the job raised {self.type_name}: {self.message}"


class NeedsError(BaseException):
    """What a job raises to have something loaded by its server, and to be run again on the same request.

    No Exception, so that nothing that the job calls swallows it.
    """


# How a child's reply begins, and a server's.
OK: Final = "ok"
NEEDS: Final = "needs"
ERROR: Final = "error"
READY: Final = "ready"
UNAVAILABLE: Final = "unavailable"
UNPREPARED: Final = "unprepared"


class Limits(NamedTuple):
    """What one job may use."""

    wall_seconds: float
    cpu_seconds: float


_SIZE: Final = struct.Struct("<I")
_LIMITS: Final = struct.Struct("<dd")


def encode(message: object) -> bytes:
    """Gives a message as one frame of JSON; TypeError if JSON cannot hold it, ValueError if it is too long."""
    return _framed(json.dumps(message).encode())


def encode_request(request: object, limits: Limits) -> bytes:
    """Gives a request and what its job may use as one frame; TypeError if it does not pickle, else as `encode`."""
    try:
        data = pickle.dumps(request, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, RecursionError) as error:
        raise TypeError(f"a request must be data that pickles, but {error}") from error
    return _framed(_LIMITS.pack(*limits) + data)


def decode_request(payload: bytes) -> tuple[Limits, memoryview]:
    """Gives the limits and, unread, the pickle of a request."""
    return Limits(*_LIMITS.unpack_from(payload)), memoryview(payload)[_LIMITS.size :]


def _framed(payload: bytes) -> bytes:
    if len(payload) + _SIZE.size > MAX_FRAME_BYTES:
        raise ValueError(
            f"a message must have at most {MAX_FRAME_BYTES - _SIZE.size} bytes, got {len(payload)}: send less"
        )
    return _SIZE.pack(len(payload)) + payload


def send(channel: socket.socket, frame: bytes, seconds: float | None) -> None:
    """Sends a frame within some seconds, None for any time; TimeoutError if it took longer."""
    if channel.gettimeout() != seconds:
        channel.settimeout(seconds)
    channel.sendall(frame)


def receive(channel: socket.socket, seconds: float | None, sockets: list[socket.socket] | None = None) -> bytes:
    """Waits some seconds, None for any time, for one frame that nothing follows, and gives what is in it.

    Sockets that come with it are put into `sockets`; None if none may come. Raises TimeoutError if it took longer, and
    EOFError or another OSError if the other side is gone.
    """
    if channel.gettimeout() != seconds:
        channel.settimeout(seconds)
    if sockets is None:
        data = channel.recv(1 << 16)
    else:
        data, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
            sockets.append(socket.socket(fileno=descriptor))
    if len(data) >= _SIZE.size and _SIZE.unpack_from(data)[0] == len(data) - _SIZE.size:
        return data[_SIZE.size :]
    deadline = None if seconds is None else time.monotonic() + seconds
    whole = bytearray(data)
    while data and (len(whole) < _SIZE.size or len(whole) < _SIZE.size + _SIZE.unpack_from(whole)[0]):
        if deadline is not None:
            # A time-out of zero would mean "do not wait", with another exception.
            channel.settimeout(max(deadline - time.monotonic(), 1e-6))
        data = channel.recv(1 << 20)
        whole += data
    if not data:
        raise EOFError("the other side closed the connection")
    return bytes(whole[_SIZE.size :])
