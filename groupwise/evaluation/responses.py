"""The files that an evaluation's responses are kept in.

Of each set there are two files: `<set>.parquet` with all responses and verdicts, and `<set>.json` with what they were
made of and how. The second is written last and taken away first, so where both stand, they belong together, and the set
need not be generated again. Until then `<set>.partial.jsonl` has the responses that there are.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from groupwise.errors import GroupwiseError
from groupwise.files import replacing
from groupwise.json_lines import read_objects

BEGUN: Final = "partial.jsonl"
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
        # BFCL's own verdict, null on other rows.
        ("bfcl", pa.float64()),
        ("score", pa.float64()),
        ("format", pa.float64()),
        ("pred", pa.string()),
        ("reason", pa.string()),
    ]
)


class Record(NamedTuple):
    """What stands in `<set>.json`."""

    settings: dict[str, Any]  # what decides on the responses: model, data, sampling, verifier
    versions: dict[str, str]  # of the packages that made them; told, but not compared


def write(output: Path, name: str, records: Iterable[dict[str, Any]], record: Record) -> None:
    """Writes a set's two files, each whole or not at all; its responses have the fields of SCHEMA."""
    settings = output / f"{name}.json"
    # Surrogates, which a verifier may quote from a model's JSON, have no UTF-8 form.
    clean = [
        {name: value.encode(errors="replace").decode() if isinstance(value, str) else value for name, value in row}
        for row in map(dict.items, records)
    ]
    with replacing(output / f"{name}.parquet") as partial:
        pq.write_table(pa.Table.from_pylist(clean, schema=SCHEMA), partial, compression="zstd")
        settings.unlink(missing_ok=True)
    with replacing(settings) as partial:
        partial.write_text(json.dumps(record._asdict(), indent=2, ensure_ascii=False))


def read_record(output: Path, name: str) -> Record | None:
    """Reads what a set was made with; None where it is not finished.

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
    """Says whether a set need not be generated, since its files stand there and were made with the same settings.

    Raises:
        GroupwiseError: They, or the responses of a set that is not finished, were made with others; nothing is mixed or
            overwritten without being asked for.
    """
    record = read_record(output, name)
    there = record.settings if record else read_begun(output, name)[0]
    differing = list(_differences(there, json.loads(json.dumps(settings)))) if there else []
    if not differing:
        return record is not None
    raise GroupwiseError(
        f"{output / name}.{'parquet' if record else BEGUN} holds responses of other settings "
        f"({'; '.join(differing[:4])}); --again replaces them, another --output keeps them."
    )


def read_begun(output: Path, name: str) -> tuple[dict[str, Any], dict[tuple[int, int], Any]]:
    """Reads what a set that is not finished has so far: its settings, and responses by row and sample; or nothing."""
    path = output / f"{name}.{BEGUN}"
    # A line that was being written when its writer was killed is no object.
    lines = [line for _, line in read_objects(path) if line] if path.is_file() else []
    settings = lines[0]["settings"] if lines else {}
    return settings, {(line["row"], line["sample"]): line["response"] for line in lines[1:]}


class Journal:
    """Keeps the responses of a set as they come; a context manager, in whose end the set is finished and it goes.

    `found` has the responses of before, by row and sample, of the same settings; those of others are dropped.
    """

    def __init__(self, output: Path, name: str, settings: Mapping[str, Any]) -> None:
        there, self.found = read_begun(output, name)
        goes_on = there == json.loads(json.dumps(settings))
        self._file = (output / f"{name}.{BEGUN}").open("a" if goes_on else "w")
        if not goes_on:
            self.found = {}
            self._write({"settings": settings})

    def add(self, row: int, sample: int, response: object) -> None:
        """Keeps a response, anything that JSON can hold."""
        self._write({"row": row, "sample": sample, "response": response})

    def _write(self, line: Mapping[str, Any]) -> None:
        # The end of line comes first, so that what was cut off spoils nothing but itself.
        self._file.write(f"\n{json.dumps(line)}")
        self._file.flush()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._file.close()
        if kind is None:
            Path(self._file.name).unlink()


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
    """Reads some columns of a finished set's responses.

    Raises:
        GroupwiseError: The file is damaged.
    """
    path = output / f"{name}.parquet"
    try:
        return pq.read_table(path, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise GroupwiseError(f"{path} must be a whole parquet file, but {error}; delete it.") from error
