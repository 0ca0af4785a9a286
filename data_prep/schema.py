"""The parquet file that data_prep writes, in one place: its columns, and how one is written and read."""

# pyarrow brings no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError
from data_prep.opening import ROWS_PER_GROUP, open_file
from data_prep.reading import Reading, check_row, column_faults
from data_prep.row import ExtraInfo, Message, RewardModel, Row, make_row, prove_row
from data_prep.staging import staged

__all__ = [
    "SCHEMA",
    "LocatedRow",
    "Row",
    "check_made_row",
    "check_row",
    "make_row",
    "read_rows",
    "write_parquet",
    "write_rows",
]

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


def write_parquet(rows: Iterable[LocatedRow], path: Path) -> int:
    """Writes rows to a file, each checked and proven; the same rows give the same bytes.

    Args:
        rows: The rows and where they are from; taken a row group at a time.
        path: The file; its folder is made.

    Returns:
        How many rows were written.

    Raises:
        DataError: If a row is not as verl reads it or cannot be solved, or if there are none.
        OSError: If the file cannot be written.
    """
    return write_rows(_proven(rows), path)


def _proven(rows: Iterable[LocatedRow]) -> Iterator[Row]:
    for where, row in rows:
        check_made_row(row, where)
        prove_row(row, where)
        yield row


def write_rows(rows: Iterable[Row], path: Path) -> int:
    """Writes rows that are checked already.

    The file appears under its name when it is whole, and a file that stood there before stays until then.

    Args:
        rows: Rows that `check_made_row` has passed; taken a row group at a time.
        path: The file; its folder is made.

    Returns:
        How many rows were written.

    Raises:
        DataError: If a row does not fit SCHEMA, or if there are none.
        OSError: If the file cannot be written.
    """
    with staged(path.parent) as folder:
        count = _write(iter(rows), folder / path.name)
        if count == 0:
            raise DataError(f"{path}: a data file must have at least one row, the input gave none")
    return count


def check_made_row(row: Row, where: str) -> None:
    """Checks that a row is as verl reads it and has SCHEMA's fields, neither more nor less.

    Args:
        row: The row.
        where: Where it is from, for the sentence.

    Raises:
        DataError: If it is not.
    """
    _check_fields(row, Row, where)
    check_row(row, where)
    _check_fields(row["extra_info"], ExtraInfo, f"{where}: extra_info")


def _write(rows: Iterator[Row], path: Path) -> int:
    count = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while group := list(islice(rows, ROWS_PER_GROUP)):
            try:
                writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
            except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
                ends = f"{group[0]['extra_info']['id']} to {group[-1]['extra_info']['id']}"
                raise DataError(f"{ends}: a row must fit data_prep.schema, but {error}") from error
            count += len(group)
    return count


def _check_fields(fields: Mapping[str, object], annotated: type, where: str) -> None:
    # pyarrow would drop a further field, and fill a missing one with null, without a word.
    wanted = annotated.__annotations__
    if fields.keys() != wanted.keys():
        raise DataError(f"{where}: must have exactly the fields {', '.join(wanted)}, got {', '.join(fields)}")


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Reads the rows of a file that verl reads.

    Args:
        path: A parquet file, or JSON or JSON Lines.

    Yields:
        The rows, with all their columns.

    Raises:
        DataError: If there is no such file, verl cannot read it, or a column that it reads is missing.
    """
    with open_file(path) as file:
        for fault in column_faults(file.columns, Reading()):
            raise DataError(f"{path}: {fault}")
        yield from file.rows
