"""Writes responses with their verdicts; a file appears under its name only when it is whole."""

# pyarrow has no stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from reward_score.rescore.files import InputError
from reward_score.rescore.scoring import Scored

SUFFIXES: Final = (".jsonl", ".parquet")

ROWS_PER_GROUP: Final = 256

SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in ("place", "data_source", "prompt", "response", "ground_truth")]
    + [(name, pa.float64()) for name in ("score", "acc", "format")]
    + [(name, pa.string()) for name in ("pred", "reason")]
    + [(name, pa.float64()) for name in ("recorded_score", "recorded_acc")]
)

Write = Callable[[Scored], None]


@contextmanager
def verdict_writer(path: Path | None, against: Iterable[str] = ()) -> Generator[Write, None, None]:
    """Opens JSON Lines or parquet, by the name's end, for responses with their verdicts; None writes nothing.

    `against` names the other verifiers whose verdicts are written too. The file is renamed to its name on leaving
    without an exception, and this package can read it again.
    """
    if path is None:
        yield lambda scored: None
        return
    if path.suffix not in SUFFIXES:
        raise InputError(f"--output must end in {' or '.join(SUFFIXES)}, got {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _parquet(partial, against) if path.suffix == ".parquet" else _lines(partial) as write:
            yield write
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _lines(path: Path) -> Generator[Write, None, None]:
    # Half a surrogate pair, which UTF-8 cannot hold, comes out as \udxxx: JSON's own way to write it.
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:

        def write(scored: Scored) -> None:
            file.write(json.dumps(_record(scored), ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path, against: Iterable[str]) -> Generator[Write, None, None]:
    rows: list[dict[str, object]] = []
    others = [field for name in against for field in ((f"{name}_acc", pa.float64()), (f"{name}_reason", pa.string()))]
    schema = pa.schema([*SCHEMA, *(pa.field(*field) for field in others)])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def write_group() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def write(scored: Scored) -> None:
            record = _record(scored)
            rows.append(
                {
                    name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
                    for name, value in record.items()
                }
            )
            if len(rows) == ROWS_PER_GROUP:
                write_group()

        yield write
        write_group()


def _record(scored: Scored) -> dict[str, object]:
    sample = scored.sample
    gold = sample.ground_truth
    return {
        "place": sample.place,
        "data_source": scored.data_source,
        "prompt": sample.prompt,
        "response": sample.response,
        "ground_truth": gold if isinstance(gold, str) else json.dumps(gold, ensure_ascii=False, default=str),
        **scored.verdict,
        **{f"{name}_{key}": other[key] for name, other in scored.others.items() for key in ("acc", "reason")},
        "recorded_score": sample.recorded_score,
        "recorded_acc": sample.recorded_acc,
    }
