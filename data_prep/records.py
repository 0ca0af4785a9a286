"""Raw records, one at a time, from JSON Lines, a JSON array, a table or parquet: a file may be larger than memory.

What is wrong with a record is given in its place as a `Fault`, and reading goes on; what is wrong with a file as a
whole is raised. Any file may be packed with gzip.
"""

# tqdm brings no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from tqdm import tqdm

from data_prep import tables
from data_prep.errors import DataError, short
from data_prep.files import GZIP, kind_of, open_data, read_whole
from reward_score.rescore.json_line import DECODER, MAX_LINE_BYTES, JsonLineError, RepeatedKeyError, parse_object

ROWS_PER_BATCH: Final = 1024

MAX_ARRAY_BYTES: Final = 512 * 1024 * 1024
"""A JSON array is taken into memory whole, at several times its size."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")

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
        paths: The parts of one split, in order; names end in one of `files.SUFFIXES`. A `.json` file holds one object
            a line, or one array of objects, or is one object.

    Yields:
        The records, numbered through, and the faults where they are. A place is "FILE line N" (from 1), "FILE item N"
        of an array (from 1) or "FILE row N" of a parquet or Arrow file (from 0).

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
    kind = kind_of(path)
    if kind in ("csv", "tsv"):
        return _read_cells(path)
    if kind in ("parquet", "arrow"):
        return _read_columns(path)
    return _read_lines(path) if kind != "json" or _is_lines(path) else _read_whole(path)


def _read_cells(path: Path) -> Iterator[tuple[str, dict[str, object]] | Fault]:
    for place, cells in tables.read_cells(path, MAX_LINE_BYTES):
        yield Fault(f"{place}: {cells}") if isinstance(cells, str) else (place, cells)


def _read_columns(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    batches, rows = tables.read_batches(path, ROWS_PER_BATCH), tables.count_rows(path)
    with _bar(path.name, rows, "row") as bar:
        number = 0
        for batch in batches:
            for fields in batch:
                yield f"{path} row {number}", fields
                number += 1
            bar.update(len(batch))


def _is_lines(path: Path) -> bool:
    """Tells JSON Lines from an array and from one object that goes on over several lines, as MATH's own files."""
    with open_data(path) as file:
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
    packed = path.name.lower().endswith(GZIP)
    with open_data(path) as file, _bar(path.name, None if packed else path.stat().st_size, "B") as bar:
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
    content = read_whole(
        path, MAX_ARRAY_BYTES, "a JSON array must have at most {} bytes, it has more: write one object a line"
    )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: must be UTF-8, but byte {error.start + 1} is 0x{error.object[error.start]:02x}"
        ) from None
    several = text.startswith("[", _skip(text, 0))
    with _bar(path.name, len(text), "B") as bar:
        try:
            for number, (item, line, characters) in enumerate(_items(text), start=1):
                place = f"{path} item {number}" if several else str(path)
                bar.update(characters)
                if isinstance(item, RepeatedKeyError):
                    yield Fault(f"{place} (line {line}): {item}")
                elif isinstance(item, dict):
                    yield place, cast("dict[str, object]", item)
                else:
                    yield Fault(f"{place}: must be one JSON object, got {short(item)}")
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path} line {error.lineno}: must be JSON, but {error.msg} at character {error.colno} of the line:"
                " complete or correct the file"
            ) from None
        except (RecursionError, ValueError) as error:
            raise DataError(f"{path}: must be JSON of ordinary depth and numbers, but {error}") from None


def _items(text: str) -> Iterator[tuple[object, int, int]]:
    """The items of an array, or one that is all of the text: each with the line it begins in, and its length.

    In place of an item that has a key twice stands the error.
    """
    line, counted, end = 1, 0, _skip(text, 0)
    several = text.startswith("[", end)
    if several:
        end = _skip(text, end + 1)
    while not (several and text.startswith("]", end)):
        start = end
        line += text.count("\n", counted, start)
        counted = start
        try:
            item, end = DECODER.raw_decode(text, start)
        except RepeatedKeyError as error:
            item, end = error, json.JSONDecoder().raw_decode(text, start)[1]
        yield item, line, end - start
        end = _skip(text, end)
        if not several:
            break
        if text.startswith(",", end):
            end = _skip(text, end + 1)
            if text.startswith("]", end):
                raise json.JSONDecodeError("Expecting value", text, end)
        elif not text.startswith("]", end):
            raise json.JSONDecodeError("Expecting ',' delimiter", text, end)
    end = _skip(text, end + 1) if several else end
    if end < len(text):
        raise json.JSONDecodeError("Extra data", text, end)


def _skip(text: str, position: int) -> int:
    return cast("re.Match[str]", _SPACE.match(text, position)).end()


def progress(items: Iterable[Item], total: int, name: str) -> Iterator[Item]:
    """Shows on a terminal how far an iteration has got, if it takes long; a log is spared it."""
    return iter(tqdm(items, total=total, unit="row", unit_scale=True, desc=name, delay=0.5, disable=None))


def _bar(name: str, total: int | None, unit: str) -> Any:
    return tqdm(total=total, unit=unit, unit_scale=True, desc=name, delay=0.5, disable=None)
