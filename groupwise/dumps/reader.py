"""Reads rollout dumps: this recipe's parquet files (recorder.py), and the files of any other verl run."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from groupwise.dumps.schema import FIRST_FORMAT_COLUMNS, FOLDER, FORMAT, METADATA_KEY
from groupwise.dumps.verl_dumps import read_lines, with_own_names
from groupwise.errors import GroupwiseError

SUFFIXES: Final = (".parquet", ".jsonl")


class Dump(NamedTuple):
    """The responses of one training step.

    Attributes:
        file: Where they were read from.
        step: Number of the training step.
        decided: What the run decided in this step, the metadata that recorder.py writes; None for another's dump.
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
        GroupwiseError: A path does not exist, a folder holds no dump, or a step is there twice.
    """
    files = [file for path in paths for file in _files_of(path)]
    steps: dict[str, Path] = {}
    for file in files:
        other = steps.setdefault(file.stem, file)
        if other is not file:
            raise GroupwiseError(
                f"A step must be dumped once, but both {other} and {file} hold step {file.stem}; name the dumps of one "
                "run alone."
            )
    return sorted(files, key=_by_step)


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise GroupwiseError(f"A dump's name must end in {' or '.join(SUFFIXES)}, but is {path.name}; rename it.")
        return [path]
    if not path.is_dir():
        raise GroupwiseError(f"A dump must be a file or a folder, but there is no {path}; correct the path.")
    for folder in (path / FOLDER, path):
        for suffix in SUFFIXES:
            found = [file for file in folder.glob(f"*{suffix}") if not file.name.startswith(".")]
            if found:
                return found
    raise GroupwiseError(
        f"{path} must hold dumps (<step>.parquet in its folder {FOLDER}, or <step>.jsonl), but has none; a run writes "
        "them when trainer.rollout_data_dir is set."
    )


def _by_step(file: Path) -> tuple[int, str]:
    return (int(file.stem), "") if file.stem.isdecimal() else (-1, file.stem)


def read_dump(file: Path, columns: Sequence[str] | None = None, *, without: Sequence[str] = ()) -> Dump:
    """Reads one dump.

    Args:
        file: One that `find_dumps` gave.
        columns: The columns that are wanted, as far as they exist; all by default.
        without: Columns that are not wanted.

    Returns:
        The dump.

    Raises:
        GroupwiseError: The file cannot be read, has no row, or was written by a later version of this recipe.
    """

    def is_wanted(name: str) -> bool:
        return (columns is None or name in columns) and name not in without

    decided = None
    if file.suffix == ".parquet":
        table, decided = _read_parquet(file, is_wanted)
    else:
        table = read_lines(file)
    if not table.num_rows:
        raise GroupwiseError(f"{file} must hold a row a response, but is empty; leave it out.")
    if decided is not None:
        return Dump(file, int(decided["step"]), decided, table)
    table = with_own_names(table)
    step = _step_of(file, table)
    return Dump(file, step, None, table.select([name for name in table.column_names if is_wanted(name)]))


def _read_parquet(file: Path, is_wanted: Callable[[str], bool]) -> tuple[pa.Table, dict[str, Any] | None]:
    try:
        with pq.ParquetFile(file) as opened:
            written = (opened.schema_arrow.metadata or {}).get(METADATA_KEY)
            if written is None:
                return opened.read(), None
            decided = json.loads(written)
            if decided["format"] not in (1, FORMAT):
                raise GroupwiseError(
                    f"{file} must be a dump of format {FORMAT} or 1, but is of format {decided['format']}; read it "
                    "with the version of this project that wrote it."
                )
            today = _first_format_names(opened.schema_arrow.names) if decided["format"] == 1 else {}
            kept = [name for name in opened.schema_arrow.names if is_wanted(today.get(name, name))]
            table = opened.read(columns=kept)
            if decided["format"] == 1:
                return table.rename_columns([today.get(name, name) for name in kept]), _from_first_format(decided)
            return table, decided
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise GroupwiseError(
            f"{file} must be a parquet file with rollouts, but cannot be read ({error}); leave it out."
        ) from None


def _first_format_names(names: Sequence[str]) -> dict[str, str]:
    """Today's names of columns of the time when DiPO was the only method."""
    return {name: f"dipo_{name}" for name in names if name in FIRST_FORMAT_COLUMNS}


def _from_first_format(decided: dict[str, Any]) -> dict[str, Any]:
    """Puts what a dump of that time holds beside its rows into today's form."""
    settings = dict(decided["settings"])
    normalize_by_std = settings.pop("normalize_by_std")
    return {
        "step": decided["step"],
        "estimator": decided["estimator"],
        "normalize_by_std": normalize_by_std,
        "updates_per_step": 1,
        "methods": {"dipo": settings},
        "updates": [{"metrics": update["metrics"]} for update in decided["updates"]],
    }


def _step_of(file: Path, table: pa.Table) -> int:
    steps = set(table["step"].to_pylist()) if "step" in table.column_names else set()
    if len(steps) == 1 and isinstance(step := steps.pop(), int):
        return step
    if file.stem.isdecimal() and not steps:
        return int(file.stem)
    raise GroupwiseError(
        f"{file} must hold the responses of one training step, which its column `step` or its name says, but has "
        f"{'several steps' if steps else 'neither'}; split it, or name it <step>{file.suffix}."
    )
