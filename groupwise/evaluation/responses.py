"""The files that an evaluation's responses are kept in.

Of each set there are two files: `<set>.parquet` with all responses and verdicts, and `<set>.json` with what they were
made of and how. The second is written last and taken away first, so where both stand, they belong together, and the set
need not be generated again.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from groupwise.errors import GroupwiseError

SCHEMA: Final = pa.schema(
    [
        ("set", pa.string()),
        ("data_source", pa.string()),
        ("prompt_id", pa.string()),
        ("sample", pa.int64()),
        ("prompt", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("response", pa.string()),
        ("response_tokens", pa.int64()),
        ("finished", pa.bool_()),
        # Null where the response could not be judged.
        ("acc", pa.float64()),
        ("score", pa.float64()),
        ("format", pa.float64()),
        ("pred", pa.string()),
        ("reason", pa.string()),
    ]
)


class Record(NamedTuple):
    """What stands in `<set>.json`.

    Attributes:
        settings: What decides on the responses: model, data, sampling, verifier.
        versions: Of the packages that made them; told, but not compared.
    """

    settings: dict[str, Any]
    versions: dict[str, str]


def write(output: Path, name: str, records: Iterable[Sequence[dict[str, Any]]], record: Record) -> None:
    """Writes a set's two files; each appears under its name when it is whole.

    Args:
        output: Their folder.
        name: The set.
        records: What `judge` gave for each prompt.
        record: What goes beside it.

    Raises:
        OSError: They cannot be written.
    """
    table, settings = output / f"{name}.parquet", output / f"{name}.json"
    partial = output / f".{name}.partial"
    rows = [row for of_prompt in records for row in of_prompt]
    # Surrogates, which a verifier may quote from a model's JSON, have no UTF-8 form.
    clean = [{key: _encodable(value) for key, value in row.items()} for row in rows]
    try:
        pq.write_table(pa.Table.from_pylist(clean, schema=SCHEMA), partial, compression="zstd")
        settings.unlink(missing_ok=True)
        os.replace(partial, table)
        partial.write_text(json.dumps(record._asdict(), indent=2, ensure_ascii=False))
        os.replace(partial, settings)
    finally:
        partial.unlink(missing_ok=True)


def _encodable(value: object) -> object:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def read_record(output: Path, name: str) -> Record | None:
    """Reads what a finished set was made with.

    Args:
        output: Folder of the evaluation.
        name: The set.

    Returns:
        Its record, None where the set is not finished.

    Raises:
        GroupwiseError: The file is not one of `write`.
    """
    path = output / f"{name}.json"
    if not path.is_file() or not path.with_suffix(".parquet").is_file():
        return None
    try:
        return Record(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise GroupwiseError(
            f"{path} must tell what {name}.parquet was made with, but cannot be read ({error}); delete it, or name "
            "another --output."
        ) from error


def is_finished(output: Path, name: str, settings: Mapping[str, Any]) -> bool:
    """Says whether a set need not be generated.

    Args:
        output: Folder of the evaluation.
        name: The set.
        settings: What it would be made with now.

    Returns:
        Whether its files stand there and were made with the same settings.

    Raises:
        GroupwiseError: They were made with others; nothing is mixed or overwritten without being asked for.
    """
    record = read_record(output, name)
    if record is None:
        return False
    differing = list(_differences(record.settings, json.loads(json.dumps(settings))))
    if not differing:
        return True
    raise GroupwiseError(
        f"{output / name}.parquet holds responses of other settings ({'; '.join(differing[:4])}); "
        "--again replaces them, another --output keeps them."
    )


def _differences(there: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> Iterable[str]:
    for key in sorted({*there, *now}):
        old, new = there.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{place}{key}.")
        elif old != new:
            yield f"{place}{key}: {_short(old)} there, {_short(new)} now"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def read_table(output: Path, name: str, *, columns: Sequence[str]) -> pa.Table:
    """Reads a finished set's responses.

    Args:
        output: Folder of the evaluation.
        name: The set.
        columns: Which columns of SCHEMA.

    Returns:
        The table.

    Raises:
        GroupwiseError: The file is damaged.
    """
    path = output / f"{name}.parquet"
    try:
        return pq.read_table(path, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise GroupwiseError(f"{path} must be a whole parquet file, but {error}; delete it.") from error
