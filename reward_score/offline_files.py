"""Reads rows from JSON Lines and parquet, one at a time: a file may be larger than memory.

A bad line is given as a `Fault` in its place and reading goes on; only what makes a whole file unreadable ends it.
"""

# pyarrow has no stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from reward_score.json_line import MAX_LINE_BYTES, JsonLineError, parse_object
from reward_score.verdict import one_line

ROWS_PER_BATCH: Final = 64

SUFFIXES: Final = (".jsonl", ".json", ".parquet")

Row = Mapping[str, object]


class InputError(ValueError):
    """A file, a row or an option is at fault; the message says what must hold and what was found."""


class Fault(NamedTuple):
    """What could not be scored: where it is, and a sentence that is the same for every row with the same fault."""

    place: str
    message: str


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Gives the files to read, those of a folder sorted by step: verl names its dumps `<step>.jsonl`.

    Args:
        paths: Files and folders.

    Returns:
        The files, in the order of `paths`.

    Raises:
        InputError: If there is no such file, a folder holds none, or a name does not end in one of SUFFIXES.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = [file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith(".")]
            if not found:
                raise InputError(f"{path}: the folder must hold files ending in {', '.join(SUFFIXES)}, it has none")
            files.extend(sorted(found, key=_by_step))
        elif not path.is_file():
            raise InputError(f"{path}: no such file or folder: correct the path")
        elif path.suffix not in SUFFIXES:
            raise InputError(f"{path}: the name must end in {', '.join(SUFFIXES)}: rename or convert the file")
        else:
            files.append(path)
    return files


def read_rows(path: Path) -> Iterator[tuple[str, Row] | Fault]:
    """Reads one file.

    Args:
        path: A file that `find_files` gave.

    Yields:
        The rows with their places ("FILE line N", N from 1, or "FILE row N", N from 0 as in data_prep) in the order of
        the file, and the faults where they are.
    """
    found = False
    try:
        for item in _read_parquet(path) if path.suffix == ".parquet" else _read_lines(path):
            found = True
            yield item
    except (InputError, OSError) as error:
        yield Fault(str(path), str(error))
        return
    if not found:
        yield Fault(str(path), "must hold at least one row, it is empty")


def _read_lines(path: Path) -> Iterator[tuple[str, Row] | Fault]:
    with path.open("rb") as file:
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
