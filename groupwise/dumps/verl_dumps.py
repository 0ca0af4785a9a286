"""Takes rollout dumps of other verl runs for what this recipe calls them.

A row a response, under verl's names or this recipe's: `input` is the prompt, `output` the response, `gts` the ground
truth. verl's V1 trainers write the key `{uid}_{session}_{index}` as `uid`; the group is what stands before its last two
parts.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from groupwise.errors import GroupwiseError

NAMES: Final = {"input": "prompt", "output": "response", "gts": "ground_truth"}

MAX_LINE_BYTES: Final = 256 * 2**20
"""A row with the log-probs of a million tokens has 20 MiB."""

KEY: Final = re.compile(r"(?P<uid>.+)_\d+_\d+")


def read_lines(file: Path) -> pa.Table:
    """Reads JSON Lines, a row a response.

    Args:
        file: The file.

    Returns:
        The rows; values of a column that are not all of one type become their JSON.

    Raises:
        GroupwiseError: A line is no JSON object, or longer than MAX_LINE_BYTES.
    """
    rows: list[Mapping[str, Any]] = []
    with file.open("rb") as opened:
        number = 0
        while line := opened.readline(MAX_LINE_BYTES + 1):
            number += 1
            if not line.strip():
                continue
            try:
                row = json.loads(line) if len(line) <= MAX_LINE_BYTES else None
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise GroupwiseError(
                    f"Each line of {file} must be a JSON object of at most {MAX_LINE_BYTES} bytes, but line {number} "
                    "is not; a run that was killed leaves its last file incomplete: leave that file out."
                )
            rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        # Answers are of one type in one row and of another in the next.
        return pa.array([None if value is None else json.dumps(value, ensure_ascii=False) for value in values])


def with_own_names(table: pa.Table) -> pa.Table:
    """Gives verl's columns this recipe's names, and the group its own column.

    Args:
        table: Rows of another run's dump.

    Returns:
        The same rows.
    """
    names = [
        NAMES.get(name, name) if NAMES.get(name) not in table.column_names else name for name in table.column_names
    ]
    table = table.rename_columns(names)
    if "uid" not in names or not pa.types.is_string(table["uid"].type):
        return table
    keys = table["uid"].to_pylist()
    found = [KEY.fullmatch(key) if key is not None else None for key in keys]
    # Other versions of verl write the uid itself, a UUID, which has no such parts.
    if "key" in names or not all(found):
        return table
    uids = pa.array([match["uid"] for match in found if match])
    return table.set_column(names.index("uid"), "uid", uids).append_column("key", pa.array(keys))
