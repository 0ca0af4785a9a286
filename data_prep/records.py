"""Raw records, one at a time, from JSON Lines, a JSON array, a table or parquet; a file may be larger than memory.

What is wrong with a record is given in its place as a `Fault`, and reading goes on; what is wrong with a file as a
whole is raised. Any file may be packed with gzip.
"""

# tqdm and pyarrow bring no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import csv
import io
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from data_prep.errors import DataError, short
from data_prep.files import is_packed, kind_of, open_data, pointer_fault, read_whole, unreadable
from reward_score.rescore.json_line import DECODER, MAX_LINE_BYTES, JsonLineError, RepeatedKeyError, parse_object

ROWS_PER_BATCH: Final = 1024

MAX_ARRAY_BYTES: Final = 512 * 1024 * 1024
"""A JSON array is taken into memory whole, at several times its size."""

MAX_UNPACKED_BYTES: Final = 2 * 1024**3
"""Parquet in gzip has to be unpacked whole, into memory."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")


class Record(NamedTuple):
    """One record: where it is from, for the sentence about a fault, its number in its split, from 0, and its fields."""

    where: str
    number: int
    fields: dict[str, object]

    def names(self) -> str:
        """Returns the names of the first fields, for a sentence."""
        return ", ".join(repr(name)[:40] for name in list(self.fields)[:20]) or "none"


class Fault(NamedTuple):
    """What could not be read or used: a sentence that begins with the place."""

    message: str


Records = Callable[[], Iterator[Record | Fault]]
"""Gives the records from the beginning each time it is called."""

_Located = tuple[str, dict[str, object]]
"""A record's place and fields."""


def read_files(paths: Sequence[Path]) -> Iterator[Record | Fault]:
    """Reads the files of one split in order, with a progress bar for each.

    Their names end in one of `files.SUFFIXES`; a `.json` file holds one object a line, an array of objects, or one
    object. Records are numbered through. A place is "FILE line N" (from 1), "FILE item N" of an array (from 1) or "FILE
    row N" of a parquet or Arrow file (from 0).
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


def progress_bar(name: str, total: int | None, unit: str, items: Iterable[Any] | None = None) -> Any:
    """Shows on a terminal how far a long iteration has got; nothing is written to a log."""
    return tqdm(items, total=total, unit=unit, unit_scale=True, desc=name, delay=0.5, disable=None)


def _read_file(path: Path) -> Iterator[_Located | Fault]:
    kind = kind_of(path)
    if kind in ("csv", "tsv"):
        return _read_cells(path)
    if kind in ("parquet", "arrow"):
        return _read_columns(path)
    return _read_lines(path) if kind != "json" or _is_lines(path) else _read_whole(path)


def _read_cells(path: Path) -> Iterator[_Located | Fault]:
    """Reads a table with a header: cells between commas, semicolons where the header has no comma, or tabs."""
    line = 1
    csv.field_size_limit(MAX_LINE_BYTES)
    with open_data(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        try:
            first = text.readline(MAX_LINE_BYTES)
            text.seek(0)
            signs = "\t" if kind_of(path) == "tsv" else ",;\t"
            rows = csv.reader(text, delimiter=next((sign for sign in signs if sign in first), signs[0]), strict=True)
            header = next(rows, [])
            _check_names(header, f"{path} line 1")
            line = rows.line_num + 1
            for cells in rows:
                place = f"{path} line {line}"
                if cells and len(cells) != len(header):
                    yield Fault(f"{place}: must have {len(header)} cells as the header has, got {len(cells)}")
                elif cells:
                    yield place, dict(zip(header, cells, strict=True))
                line = rows.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path} line {line}: must be a row of CSV, but {error}: quote cells as CSV does"
            ) from error
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise DataError(f"{path}: must be UTF-8, but a byte after line {line} is 0x{byte:02x}") from error


def _check_names(names: Sequence[str], where: str) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(f"{where}: must name each column once, but {short(repeated[0])} occurs twice: rename one")


def _read_columns(path: Path) -> Iterator[_Located]:
    """Reads a parquet file, or an Arrow file as `datasets` writes it."""
    if fault := pointer_fault(path):
        raise fault
    try:
        with _open_columns(path) as (names, total, batches), progress_bar(path.name, total, "row") as bar:
            _check_names(names, str(path))
            number = 0
            for batch in batches:
                for fields in batch.to_pylist():
                    yield f"{path} row {number}", fields
                    number += 1
                bar.update(batch.num_rows)
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error


@contextmanager
def _open_columns(path: Path) -> Generator[tuple[Sequence[str], int | None, Iterator[Any]]]:
    content: Any = path
    if is_packed(path):
        limit = "must have at most {} bytes unpacked, it has more: unpack it"
        content = pa.BufferReader(read_whole(path, MAX_UNPACKED_BYTES, limit))
    if kind_of(path) == "parquet":
        with pq.ParquetFile(content) as file:
            yield file.schema_arrow.names, file.metadata.num_rows, file.iter_batches(batch_size=ROWS_PER_BATCH)
        return
    with content if is_packed(path) else pa.memory_map(str(path)) as source:
        try:
            batches = reader = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            source.seek(0)
            reader = pa.ipc.open_file(source)
            batches = map(reader.get_batch, range(reader.num_record_batches))
        starts = ((batch, start) for batch in batches for start in range(0, batch.num_rows, ROWS_PER_BATCH))
        yield reader.schema.names, None, (batch.slice(start, ROWS_PER_BATCH) for batch, start in starts)


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


def _read_lines(path: Path) -> Iterator[_Located | Fault]:
    size = None if is_packed(path) else path.stat().st_size
    with open_data(path) as file, progress_bar(path.name, size, "B") as bar:
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


def _read_whole(path: Path) -> Iterator[_Located | Fault]:
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
    with progress_bar(path.name, len(text), "B") as bar:
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
    """The items of an array, or the one that is all of the text: each with the line it begins in, and its length.

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
