"""Tables as records: CSV, whose cells are all text, and the columns of parquet and Arrow files."""

# pyarrow brings no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import csv
import io
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError, is_pointer, pointer_error, short, unreadable
from data_prep.files import GZIP, MAX_UNPACKED_BYTES, kind_of, open_data, read_whole


def read_cells(path: Path, max_cell_chars: int) -> Iterator[tuple[str, dict[str, object] | str]]:
    """Reads a table with a header, its cells between commas, semicolons where the header has no comma, or tabs.

    Args:
        path: The file.
        max_cell_chars: Characters that a cell may have.

    Yields:
        Where a row begins, "FILE line N" from 1, and its cells by the header's names, or what is wrong with it.

    Raises:
        DataError: If it is not such a table in UTF-8.
        OSError: If it cannot be read.
    """
    line = 1
    csv.field_size_limit(max_cell_chars)
    with open_data(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        try:
            first = text.readline(max_cell_chars)
            text.seek(0)
            rows = csv.reader(text, delimiter=_delimiter(path, first), strict=True)
            header = next(rows, [])
            _check_names(header, f"{path} line 1")
            line = rows.line_num + 1
            for cells in rows:
                if cells and len(cells) != len(header):
                    yield f"{path} line {line}", f"must have {len(header)} cells as the header has, got {len(cells)}"
                elif cells:
                    yield f"{path} line {line}", dict(zip(header, cells, strict=True))
                line = rows.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path} line {line}: must be a row of CSV, but {error}: quote cells as CSV does"
            ) from error
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise DataError(f"{path}: must be UTF-8, but a byte after line {line} is 0x{byte:02x}") from error


def _delimiter(path: Path, header: str) -> str:
    if kind_of(path) == "tsv":
        return "\t"
    return next((sign for sign in (",", ";", "\t") if sign in header), ",")


def _check_names(names: Sequence[str], where: str) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(f"{where}: must name each column once, but {short(repeated[0])} stands twice: rename one")


def count_rows(path: Path) -> int | None:
    """Gives the number of a parquet file's rows, None where nothing but reading tells it."""
    if kind_of(path) != "parquet" or path.name.lower().endswith(GZIP):
        return None
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def read_batches(path: Path, rows: int) -> Iterator[list[dict[str, object]]]:
    """Reads a parquet file, or an Arrow file as `datasets` writes it.

    Args:
        path: The file.
        rows: How many rows to take at a time.

    Yields:
        The rows, so many at a time.

    Raises:
        DataError: If it is not such a file.
        OSError: If it cannot be read.
    """
    if is_pointer(path):
        raise pointer_error(path)
    try:
        with _opened(path, rows) as (names, batches):
            _check_names(names, str(path))
            for batch in batches:
                yield batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise error if isinstance(error, DataError) else unreadable(path, error) from error


@contextmanager
def _opened(path: Path, rows: int) -> Generator[tuple[Sequence[str], Iterator[Any]]]:
    packed = path.name.lower().endswith(GZIP)
    content: Any = path
    if packed:
        limit = "must have at most {} bytes unpacked, it has more: unpack it"
        content = pa.BufferReader(read_whole(path, MAX_UNPACKED_BYTES, limit))
    if kind_of(path) == "parquet":
        with pq.ParquetFile(content) as file:
            yield file.schema_arrow.names, file.iter_batches(batch_size=rows)
        return
    with content if packed else pa.memory_map(str(path)) as source:
        reader = _arrow_reader(source)
        yield reader.schema.names, _slices(reader, rows)


def _arrow_reader(source: Any) -> Any:
    try:
        return pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        source.seek(0)
        file = pa.ipc.open_file(source)
        return pa.RecordBatchReader.from_batches(file.schema, map(file.get_batch, range(file.num_record_batches)))


def _slices(reader: Any, rows: int) -> Iterator[Any]:
    for batch in reader:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)
