"""Reads JSON lines, and says file, line and what was expected where they are at fault."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from tqdm import tqdm

from data_prep.errors import DataError

Record = tuple[str, dict[str, object]]
"""Where a record is from, for the sentence about a fault, and its fields."""


def read_jsonl(path: Path) -> Iterator[Record]:
    """Reads a file of one JSON object a line, showing its progress in bytes; blank lines are passed over.

    Args:
        path: The file, UTF-8.

    Yields:
        Place ("FILE line N", N from 1) and object.

    Raises:
        DataError: If the file is empty, or a line is not UTF-8 or not one JSON object.
        OSError: If it cannot be read.
    """
    found = False
    with (
        path.open("rb") as file,
        tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc=path.name, delay=0.5) as progress,
    ):
        for number, line in enumerate(file, start=1):
            progress.update(len(line))
            if line.strip():
                found = True
                where = f"{path} line {number}"
                yield where, _object(line, where)
    if not found:
        raise DataError(f"{path}: must hold one JSON object a line, it is empty")


def text_field(record: Mapping[str, object], name: str, where: str) -> str:
    """Gives a field that must be text.

    Args:
        record: A record.
        name: The field.
        where: Where the record is from, for the sentence.

    Returns:
        The text, not blank.

    Raises:
        DataError: If the field is missing, not text, blank, or holds half of a surrogate pair.
    """
    if name not in record:
        raise DataError(f"{where}: must have the field {name!r}, has {', '.join(map(repr, record)) or 'none'}")
    value = record[name]
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {name!r} must be a text that is not empty, got {repr(value)[:80]}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: {name!r} must be text that UTF-8 can hold, but {error.reason}") from error
    return value


def _object(line: bytes, where: str) -> dict[str, object]:
    try:
        value: object = json.loads(line.strip().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: must be UTF-8, but byte {error.start + 1} of the line is 0x{line[error.start]:02x}"
        ) from error
    except json.JSONDecodeError as error:
        fault = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
        raise DataError(f"{where}: must be one JSON object, but {fault}: complete or drop the line") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{where}: must be one JSON object of ordinary depth and numbers, but {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{where}: must be one JSON object, got {repr(value)[:80]}")
    return cast("dict[str, object]", value)
