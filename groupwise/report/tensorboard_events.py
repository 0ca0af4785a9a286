"""Reads the scalars of tensorboard's event files.

Events are parsed by tensorboard's own protocol; its loaders check a sum over each event in Python, which takes longer
than all the rest, so that a file's records are split here: 8 bytes of length, 4 of its check sum, the event, 4 more.
"""

import math
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

HEAD = 12
TAIL = 4
FIRST_EVENTS = 1000
"""More than a step logs: among the first of them is every metric of a step."""

Scalar = tuple[int, str, float]


def read_events(files: Iterable[Path]) -> Iterator[tuple[int, dict[str, float]]]:
    """Reads the records of a run from its event files, one or several for each of its starts.

    Yields:
        Step and metrics, in the order in which they were logged, for `merge_records`. Values are float32, as
        tensorboard keeps them; NaN and infinity are left out. A half-written event ends its file.
    """
    for file in sorted(files, key=_started):
        step, data = None, dict[str, float]()
        for at, name, value in _scalars(_events(file)):
            # The same metric twice in a step is the next start of the run, in the same file.
            if at != step or name in data:
                if step is not None:
                    yield step, data
                step, data = at, {}
            data[name] = value
        if step is not None:
            yield step, data


def adds_to(files: Iterable[Path], steps: dict[int, dict[str, float]]) -> bool:
    """Says whether event files seem to hold something that is not in `steps`, without reading all of them.

    They do where there is a step before or after the known ones, a known step is missing between them, or one of the
    first metrics is unknown.
    """
    known = {name for data in steps.values() for name in data}
    if max(steps) - min(steps) >= len(steps):
        return True
    for file in files:
        events = _events(file)
        first = list(_scalars(islice(events, FIRST_EVENTS)))
        last = list(_scalars(deque(events, maxlen=1)))
        if any(name not in known for _, name, _ in first):
            return True
        if any(not min(steps) <= step <= max(steps) for step, _, _ in first + last):
            return True
    return False


def _started(file: Path) -> tuple[int, str]:
    """The second in which a file was begun, the fourth part of its name."""
    parts = file.name.split(".")
    return (int(parts[3]) if len(parts) > 3 and parts[3].isdecimal() else 0, file.name)


def _events(file: Path) -> Iterator[memoryview]:
    content = memoryview(file.read_bytes())
    place = 0
    while place + HEAD <= len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        end = place + HEAD + length
        if end + TAIL > len(content):
            return
        yield content[place + HEAD : end]
        place = end + TAIL


def _scalars(events: Iterable[memoryview]) -> Iterator[Scalar]:
    # Tensorboard takes a third of a second to import, and most runs have a file of metrics.
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.util.tensor_util import make_ndarray

    for raw in events:
        try:
            event = Event.FromString(bytes(raw))
        except DecodeError:
            return
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            if kind == "simple_value":
                number = value.simple_value
            elif kind == "tensor" and math.prod(dim.size for dim in value.tensor.tensor_shape.dim) == 1:
                # Of one element alone: a few bytes can state the shape of a terabyte, and are made an array of it.
                array = make_ndarray(value.tensor)
                if array.dtype.kind not in "fiu":
                    continue
                number = float(array.item())
            else:
                continue
            if math.isfinite(number):
                yield event.step, value.tag, number
