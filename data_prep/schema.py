"""The parquet file that verl reads, in one place: its columns, how one is written, and how one is read."""

# pyarrow brings no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError, unreadable
from data_prep.row import ExtraInfo, Message, RewardModel, Row, check_row, make_row, prove_row
from data_prep.staging import staged

__all__ = [
    "SCHEMA",
    "LocatedRow",
    "Row",
    "check_made_row",
    "check_row",
    "make_row",
    "read_rows",
    "read_types",
    "write_parquet",
    "write_rows",
]

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
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error


def read_types(path: Path) -> dict[str, str]:
    """Gives the types of a file's columns, which must agree over the files that verl concatenates.

    Args:
        path: A parquet file that `read_rows` reads.

    Returns:
        Arrow's type of each field by its path ("extra_info.index", "prompt[].role"), "struct" and "list" for those. A
        field that is null throughout is left out: it agrees with any.

    Raises:
        DataError: If it is not a whole parquet file.
    """
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    found: dict[str, str] = {}
    for name in schema.names:
        _collect_types(name, schema.field(name).type, found)
    return found


def _collect_types(place: str, kind: Any, found: dict[str, str]) -> None:
    if pa.types.is_struct(kind):
        found[place] = "struct"
        for field in kind:
            _collect_types(f"{place}.{field.name}", field.type, found)
    elif pa.types.is_list(kind):
        found[place] = "list"
        _collect_types(f"{place}[]", kind.value_type, found)
    elif not pa.types.is_null(kind):
        found[place] = str(kind)
