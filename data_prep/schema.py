"""The parquet file that verl reads, in one place: its columns, how one is written, and how one is checked."""

# pyarrow brings no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError
from data_prep.row import ExtraInfo, Message, RewardModel, Row, check_row, judge_row, make_row, prove_row

__all__ = ["SCHEMA", "LocatedRow", "Row", "check_parquet", "check_row", "make_row", "read_rows", "write_parquet"]

ROWS_PER_GROUP: Final = 2048
"""Bounds the memory of writer and reader; verl's reader takes a file in by row groups."""

LocatedRow = tuple[str, Row]
"""Where a row is from (file and line, say), for the sentence about a fault, and the row."""


def _struct(annotated: type) -> Any:
    types: dict[type, Any] = {str: pa.string(), int: pa.int64()}
    return pa.struct([pa.field(name, types[kind], nullable=False) for name, kind in annotated.__annotations__.items()])


SCHEMA: Final = pa.schema(
    [
        pa.field("data_source", pa.string(), nullable=False),
        pa.field("prompt", pa.list_(pa.field("element", _struct(Message), nullable=False)), nullable=False),
        pa.field("ability", pa.string(), nullable=False),
        pa.field("reward_model", _struct(RewardModel), nullable=False),
        pa.field("extra_info", _struct(ExtraInfo), nullable=False),
    ]
)
REQUIRED_COLUMNS: Final = ("data_source", "prompt", "reward_model")


def write_parquet(rows: Iterable[LocatedRow], path: Path) -> int:
    """Writes rows to a file, each checked and proven; the same rows give the same bytes.

    The file appears under its name when it is whole, and a file that stood there before stays until then.

    Args:
        rows: The rows and where they are from; taken a row group at a time.
        path: The file; its folder is made.

    Returns:
        How many rows were written.

    Raises:
        DataError: If a row is not as verl reads it or cannot be solved, or if there are none.
        OSError: If the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        count = _write(iter(rows), partial)
        if count == 0:
            raise DataError(f"{path}: a data file must have at least one row, the input gave none")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _write(rows: Iterator[LocatedRow], path: Path) -> int:
    count = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while group := list(islice(rows, ROWS_PER_GROUP)):
            for where, row in group:
                _check_fields(row, Row, where)
                check_row(row, where)
                _check_fields(row["extra_info"], ExtraInfo, f"{where}: extra_info")
                prove_row(row, where)
            try:
                writer.write_table(pa.Table.from_pylist([row for _, row in group], schema=SCHEMA))
            except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
                raise DataError(
                    f"{group[0][0]} to {group[-1][0]}: a row must fit data_prep.schema, but {error}"
                ) from error
            count += len(group)
    return count


def _check_fields(fields: Mapping[str, object], annotated: type, where: str) -> None:
    # pyarrow would drop a further field, and fill a missing one with null, without a word.
    wanted = annotated.__annotations__
    if fields.keys() != wanted.keys():
        raise DataError(f"{where}: must have exactly the fields {', '.join(wanted)}, got {', '.join(fields)}")


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Reads a file's rows, a row group's worth at a time.

    Args:
        path: A parquet file.

    Yields:
        The rows, with all their columns.

    Raises:
        DataError: If there is no such file, it is not parquet, or a column that verl reads is missing.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; make it with a module of data_prep, or correct the path")
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in REQUIRED_COLUMNS if name not in file.schema_arrow.names]
            if missing:
                raise DataError(
                    f"{path}: must have the columns {', '.join(REQUIRED_COLUMNS)}, lacks {', '.join(missing)}"
                )
            for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"{path}: must be a whole parquet file, but {str(error).splitlines()[0]}") from error


def check_parquet(path: Path, *, judged_here: bool) -> int:
    """Checks a whole file before a run is started on it.

    Args:
        path: A parquet file, of data_prep's own making or not.
        judged_here: Whether its rewards come from `reward_score`: then each row must have a verifier that takes its
            ground truth and, where it brings a reference response, finds that right.

    Returns:
        Its number of rows.

    Raises:
        DataError: If it cannot be read, is empty, or a row is at fault; the sentence names file and row (from 0).
    """
    count = 0
    for row in read_rows(path):
        where = f"{path} row {count}"
        check_row(row, where)
        if judged_here and "reference_response" in (row.get("extra_info") or {}):
            prove_row(row, where)
        elif judged_here:
            judge_row(row, where)
        count += 1
    if count == 0:
        raise DataError(f"{path}: a data file must have at least one row, it has none")
    return count
