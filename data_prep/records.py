"""Raw records, one at a time, from JSON Lines, a JSON array or parquet: a file may be larger than memory.

What is wrong with a record is given in its place as a `Fault`, and reading goes on; what is wrong with a file as a
whole is raised.
"""

# pyarrow brings no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from data_prep.errors import DataError, short, unreadable
from reward_score.json_line import MAX_LINE_BYTES, JsonLineError, parse_object

SUFFIXES: Final = (".jsonl", ".json", ".parquet")
ROWS_PER_BATCH: Final = 1024

MAX_ARRAY_BYTES: Final = 512 * 1024 * 1024
"""A JSON array is taken into memory whole, at several times its size."""


Item = TypeVar("Item")


class Record(NamedTuple):
    """One record: where it is from, for the sentence about a fault, its number in its split, from 0, and its fields."""

    where: str
    number: int
    fields: dict[str, object]


class Fault(NamedTuple):
    """What could not be read or used: a sentence that begins with the place."""

    message: str


Records = Callable[[], Iterator[Record | Fault]]
"""Gives the records from the beginning each time it is called."""


def read_files(paths: Sequence[Path]) -> Iterator[Record | Fault]:
    """Reads files one after another, showing the progress in each.

    Args:
        paths: The parts of one split, in order; names end in one of SUFFIXES. A `.json` file holds one object a line,
            or one array of objects, or is one object.

    Yields:
        The records, numbered through, and the faults where they are. A place is "FILE line N" (from 1), "FILE item N"
        of an array (from 1) or "FILE row N" of a parquet file (from 0).

    Raises:
        DataError: If a file is empty or not of its kind.
        OSError: If a file cannot be read.
    """
    number = 0
    for path in paths:
        empty = True
        for item in _read_file(path):
            empty = False
            yield item if isinstance(item, Fault) else Record(item[0], number, item[1])
            number += 1
        if empty:
            raise DataError(f"{path}: must hold at least one record, it is empty")


def _read_file(path: Path) -> Iterator[tuple[str, dict[str, object]] | Fault]:
    if path.suffix == ".parquet":
        return _read_parquet(path)
    return _read_lines(path) if path.suffix != ".json" or _is_lines(path) else _read_whole(path)


def _is_lines(path: Path) -> bool:
    """Tells JSON Lines from an array and from one object that goes on over several lines, as MATH's own files."""
    with path.open("rb") as file:
        line = b"\n"
        while line and not line.strip():
            line = file.readline(MAX_LINE_BYTES)
        second = file.readline(MAX_LINE_BYTES).strip()
    if line.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return False
    try:
        parse_object(line)
    except JsonLineError:
        return second[:1] in (b"", b"{")
    return True


def _read_lines(path: Path) -> Iterator[tuple[str, dict[str, object]] | Fault]:
    size = path.stat().st_size
    with path.open("rb") as file, _bar(path.name, size, "B") as bar:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            bar.update(len(line))
            place = f"{path} line {number}"
            if len(line) > MAX_LINE_BYTES:
                raise DataError(f"{place}: must have at most {MAX_LINE_BYTES} bytes: write one JSON object a line")
            if not line.strip():
                continue
            try:
                fields = parse_object(line)
            except JsonLineError as error:
                yield Fault(f"{place}: {error}")
            else:
                yield place, fields


def _read_whole(path: Path) -> Iterator[tuple[str, dict[str, object]] | Fault]:
    if path.stat().st_size > MAX_ARRAY_BYTES:
        raise DataError(
            f"{path}: a JSON array must have at most {MAX_ARRAY_BYTES} bytes, it has more: write one object a line"
        )
    try:
        value: object = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: must be UTF-8, but byte {error.start + 1} is 0x{error.object[error.start]:02x}"
        ) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} line {error.lineno}: must be JSON, but {error.msg} at character {error.colno} of the line:"
            " complete or correct the file"
        ) from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"{path}: must be JSON of ordinary depth and numbers, but {error}") from None
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    for number, item in enumerate(progress(items, len(items), path.name), start=1):
        place = f"{path} item {number}" if isinstance(value, list) else str(path)
        if isinstance(item, dict):
            yield place, cast("dict[str, object]", item)
        else:
            yield Fault(f"{place}: must be one JSON object, got {short(item)}")


def _read_parquet(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    try:
        with pq.ParquetFile(path) as file, _bar(path.name, file.metadata.num_rows, "row") as bar:
            number = 0
            for batch in file.iter_batches(batch_size=ROWS_PER_BATCH):
                for fields in batch.to_pylist():
                    yield f"{path} row {number}", fields
                    number += 1
                bar.update(batch.num_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def progress(items: Iterable[Item], total: int, name: str) -> Iterator[Item]:
    """Shows on a terminal how far an iteration has got, if it takes long; a log is spared it."""
    return iter(tqdm(items, total=total, unit="row", unit_scale=True, desc=name, delay=0.5, disable=None))


def _bar(name: str, total: int, unit: str) -> Any:
    return tqdm(total=total, unit=unit, unit_scale=True, desc=name, delay=0.5, disable=None)
