"""Reads rows from JSON Lines and parquet, one at a time: a file may be larger than memory, but for JSON in one piece.

A bad line is given as a `Fault` in its place and reading goes on; only what makes a whole file unreadable ends it.
"""

# pyarrow has no stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import gzip
import json
import shutil
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from reward_score.rescore.json_line import MAX_LINE_BYTES, JsonLineError, parse_object
from reward_score.verdict import one_line, short

ROWS_PER_BATCH: Final = 64

SUFFIXES: Final = (".jsonl", ".json", ".parquet", ".jsonl.gz", ".json.gz")

STDIN: Final = Path("-")

MAX_WHOLE_BYTES: Final = 512 * 1024 * 1024
"""JSON that is not one object a line is taken into memory whole, at several times its size."""

LISTS: Final = ("samples", "examples", "details", "results", "data", "rows", "instances")
"""Under one of these names an evaluation's one object holds its rows."""

Row = Mapping[str, object]


class InputError(ValueError):
    """A file, a row or an option is at fault; the message says what must hold and what was found."""


class Fault(NamedTuple):
    """What could not be scored: where it is, and a sentence that is the same for every row with the same fault."""

    place: str
    message: str


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Gives the files to read, those of a folder sorted by step: verl names its dumps `<step>.jsonl`.

    "-" is standard input.
    """
    files: list[Path] = []
    for path in paths:
        if path == STDIN:
            files.append(path)
        elif path.is_dir():
            found = [file for file in path.iterdir() if file.name.endswith(SUFFIXES) and not file.name.startswith(".")]
            if not found:
                raise InputError(f"{path}: the folder must hold files ending in {', '.join(SUFFIXES)}, it has none")
            files.extend(sorted(found, key=_by_step))
        elif not path.is_file():
            raise InputError(f"{path}: no such file or folder: correct the path")
        elif not path.name.endswith(SUFFIXES):
            raise InputError(f"{path}: the name must end in {', '.join(SUFFIXES)}: rename or convert the file")
        else:
            files.append(path)
    return files


def read_rows(path: Path) -> Iterator[tuple[str, Row] | Fault]:
    """Reads one file: its rows with their places, and the faults where they are.

    A place is "FILE line N" or "FILE item N", N from 1, or "FILE row N", N from 0 as in data_prep.
    """
    if path == STDIN:
        yield from _read_stdin()
        return
    found = False
    try:
        read = _read_parquet if path.suffix == ".parquet" else _read_lines
        if path.name.endswith((".json", ".json.gz")) and not _is_lines(path):
            read = _read_whole
        for item in read(path):
            found = True
            yield item
    except (InputError, OSError, EOFError, zlib.error) as error:
        yield Fault(str(path), str(error))
        return
    if not found:
        yield Fault(str(path), "must hold at least one row, it is empty")


def _read_stdin() -> Iterator[tuple[str, Row] | Fault]:
    """Reads standard input from a copy on disk: what it is shows only at its beginning, or, of parquet, at its end."""
    with TemporaryDirectory(prefix="reward_score_") as folder:
        copy = Path(folder) / "copy"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with copy.open("rb") as file:
            head = file.read(4)
        kind = ".parquet" if head == b"PAR1" else ".json.gz" if head[:2] == b"\x1f\x8b" else ".json"
        copy = copy.rename(copy.with_suffix(kind))
        for place, content in read_rows(copy):
            told = place.replace(str(copy), "standard input", 1)
            yield Fault(told, content) if isinstance(content, str) else (told, content)


def _open(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _is_lines(path: Path) -> bool:
    """Tells one object a line from an array, from an object of rows, and from one that goes on over several lines."""
    with _open(path) as file:
        line = file.readline(MAX_LINE_BYTES)
        while line and not line.strip():
            line = file.readline(MAX_LINE_BYTES)
        second = file.readline(MAX_LINE_BYTES).strip()
    try:
        first = parse_object(line)
    except JsonLineError:
        return not line.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[") and second[:1] in (b"", b"{")
    return second != b"" or _unfolded(first) is None


def _unfolded(value: object) -> list[object] | None:
    """Gives the rows of an array, of an object that numbers them (OpenCompass), or of one that has them in a list."""
    if isinstance(value, list):
        return cast("list[object]", value)
    fields = list(cast("Row", value).items()) if isinstance(value, Mapping) else []
    if fields and all(key.isdecimal() and isinstance(row, Mapping) for key, row in fields):
        return [row for _, row in fields]
    lists = [cast("list[object]", inner) for key, inner in fields if key in LISTS and isinstance(inner, list)]
    return lists[0] if len(lists) == 1 and all(isinstance(row, Mapping) for row in lists[0]) else None


def _read_whole(path: Path) -> Iterator[tuple[str, Row] | Fault]:
    with _open(path) as file:
        content = file.read(MAX_WHOLE_BYTES + 1)
    if len(content) > MAX_WHOLE_BYTES:
        raise InputError(f"must have at most {MAX_WHOLE_BYTES} bytes, it has more: write one JSON object a line")
    try:
        value: object = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"must be JSON, one object a line or one array of them, but {one_line(str(error))}") from error
    rows = _unfolded(value)
    for number, row in enumerate([value] if rows is None else rows, start=1):
        place = f"{path} item {number}"
        if isinstance(row, Mapping):
            yield place, cast("Row", row)
        else:
            yield Fault(place, f"must be one JSON object, got {short(row)}")


def _read_lines(path: Path) -> Iterator[tuple[str, Row] | Fault]:
    with _open(path) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise InputError(
                    f"line {number} must have at most {MAX_LINE_BYTES} bytes, it has more: write one JSON object a line"
                )
            if line.strip():
                place = f"{path} line {number}"
                try:
                    yield place, parse_object(line)
                except JsonLineError as error:
                    yield Fault(place, str(error))


def _read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=ROWS_PER_BATCH):
                for row in batch.to_pylist():
                    yield f"{path} row {number}", row
                    number += 1
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"must be a whole parquet file, but {one_line(str(error))}") from error


def _by_step(path: Path) -> tuple[int, str]:
    # isdecimal alone would let through digits that int refuses to read at great length; no step has more than 18.
    step = path.stem
    return (int(step), path.name) if step.isascii() and step.isdecimal() and len(step) < 19 else (10**18, path.name)
