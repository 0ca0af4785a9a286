"""Reads rollout dumps: this recipe's parquet files (rollout_dump.py), and the files of any other verl run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from recipe.dipo.dump_schema import FOLDER, FORMAT, METADATA_KEY
from recipe.dipo.errors import DiPOError
from recipe.dipo.verl_dumps import read_lines, with_own_names

SUFFIXES: Final = (".parquet", ".jsonl")


class Dump(NamedTuple):
    """The responses of one training step.

    Attributes:
        file: Where they were read from.
        step: Number of the training step.
        decided: What the run decided in this step, the metadata that rollout_dump.py writes; None for another's dump.
        table: A row a response, in the order in which the run saw them; the columns that exist.
    """

    file: Path
    step: int
    decided: dict[str, Any] | None
    table: pa.Table


def find_dumps(paths: Sequence[Path]) -> list[Path]:
    """Lists the dump files under some paths, in order of steps.

    Args:
        paths: Files, and folders: `trainer.rollout_data_dir`, or the folder `dipo` inside it.

    Returns:
        The files; of a folder that holds this recipe's dumps those alone.

    Raises:
        DiPOError: A path does not exist, a folder holds no dump, or a step is there twice.
    """
    files = [file for path in paths for file in _files_of(path)]
    steps: dict[str, Path] = {}
    for file in files:
        other = steps.setdefault(file.stem, file)
        if other is not file:
            raise DiPOError(
                f"A step must be dumped once, but both {other} and {file} hold step {file.stem}; name the dumps of one "
                "run alone."
            )
    return sorted(files, key=_by_step)


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise DiPOError(f"A dump's name must end in {' or '.join(SUFFIXES)}, but is {path.name}; rename it.")
        return [path]
    if not path.is_dir():
        raise DiPOError(f"A dump must be a file or a folder, but there is no {path}; correct the path.")
    for folder in (path / FOLDER, path):
        for suffix in SUFFIXES:
            found = [file for file in folder.glob(f"*{suffix}") if not file.name.startswith(".")]
            if found:
                return found
    raise DiPOError(
        f"{path} must hold dumps (<step>.parquet in its folder {FOLDER}, or <step>.jsonl), but has none; a run writes "
        "them when trainer.rollout_data_dir is set."
    )


def _by_step(file: Path) -> tuple[int, str]:
    return (int(file.stem), "") if file.stem.isdecimal() else (-1, file.stem)


def read_dump(file: Path, columns: Sequence[str] | None = None) -> Dump:
    """Reads one dump.

    Args:
        file: One that `find_dumps` gave.
        columns: The columns that are wanted, as far as they exist; all by default.

    Returns:
        The dump.

    Raises:
        DiPOError: The file cannot be read, has no row, or was written by a later version of this recipe.
    """
    decided = None
    if file.suffix == ".parquet":
        table, decided = _read_parquet(file, columns)
    else:
        table = read_lines(file)
    if not table.num_rows:
        raise DiPOError(f"{file} must hold a row a response, but is empty; leave it out.")
    if decided is not None:
        return Dump(file, int(decided["step"]), decided, table)
    table = with_own_names(table)
    step = _step_of(file, table)
    return Dump(file, step, None, table if columns is None else _select(table, columns))


def _read_parquet(file: Path, columns: Sequence[str] | None) -> tuple[pa.Table, dict[str, Any] | None]:
    try:
        with pq.ParquetFile(file) as opened:
            written = (opened.schema_arrow.metadata or {}).get(METADATA_KEY)
            if written is None:
                return opened.read(), None
            decided = json.loads(written)
            if decided["format"] != FORMAT:
                raise DiPOError(
                    f"{file} must be a dump of format {FORMAT}, but is of format {decided['format']}; read it with the "
                    "version of this recipe that wrote it."
                )
            kept = [name for name in opened.schema_arrow.names if columns is None or name in columns]
            return opened.read(columns=kept), decided
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DiPOError(
            f"{file} must be a parquet file with rollouts, but cannot be read ({error}); leave it out."
        ) from None


def _step_of(file: Path, table: pa.Table) -> int:
    steps = set(table["step"].to_pylist()) if "step" in table.column_names else set()
    if len(steps) == 1 and isinstance(step := steps.pop(), int):
        return step
    if file.stem.isdecimal() and not steps:
        return int(file.stem)
    raise DiPOError(
        f"{file} must hold the responses of one training step, which its column `step` or its name says, but has "
        f"{'several steps' if steps else 'neither'}; split it, or name it <step>{file.suffix}."
    )


def _select(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    return table.select([name for name in table.column_names if name in columns])
