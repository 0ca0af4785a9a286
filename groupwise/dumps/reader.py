"""Reads rollout dumps: our own parquet files (recorder.py), those of earlier versions, and the files of any verl run.

Files of other runs hold a row a response, under verl's names or ours: `input` is the prompt, `output` the response,
`gts` the ground truth. verl's V1 trainers write the key `{uid}_{session}_{index}` as `uid`; the group is what stands
before its last two parts.
"""

import json
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groupwise import json_lines
from groupwise.dumps.schema import FIRST_FORMAT_COLUMNS, FIRST_METHOD, FOLDER, FORMAT, METADATA_KEY
from groupwise.errors import GroupwiseError

SUFFIXES: Final = (".parquet", ".jsonl")
VERLS_NAMES: Final = {"input": "prompt", "output": "response", "gts": "ground_truth"}
VERLS_KEY: Final = re.compile(r"(?P<uid>.+)_\d+_\d+")


MOST_BYTES: Final = 256 * 2**20
MOST_EXPANSION: Final = 1000
"""A file of parquet may expand to so many bytes, or if it is more to so many times its own size: texts repeat."""

MALFORMED: Final = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError),
    pa.ArrowException,
)
"""What reading a dump may break with that nobody's run has written."""


def malformed(error: BaseException, paths: Sequence[Path]) -> BaseException:
    """Puts one of `MALFORMED` into a sentence; any other error stays as it is."""
    if isinstance(error, GroupwiseError) or not isinstance(error, MALFORMED):
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return GroupwiseError(
        f"Dumps must be as a run or verl writes them, but reading those of {', '.join(map(str, paths))} broke with "
        f"{type(error).__name__}: {str(error)[:200]} ({Path(frame.filename).name}, line {frame.lineno}); leave out "
        "files that something else wrote."
    )


class Dump(NamedTuple):
    """The responses of one training step."""

    file: Path
    step: int
    decided: dict[str, Any] | None
    """The metadata that recorder.py writes, what the run decided in this step among it; None for another's dump."""
    table: pa.Table
    """A row a response, in the order in which the run saw them; the columns that exist."""

    @property
    def methods(self) -> dict[str, dict[str, Any]]:
        """By name the settings of the methods that the run computed, the one that it trained with first."""
        decided = self.decided or {"methods": {}, "estimator": ""}
        return dict(sorted(decided["methods"].items(), key=lambda named: named[0] != decided["estimator"]))


def find_dumps(paths: Sequence[Path]) -> list[Path]:
    """Lists the dump files under some paths, in order of steps: files, and folders (`trainer.rollout_data_dir`, or the
    folder `groupwise` inside it). Of a folder that holds our own dumps these alone are listed.

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
    return sorted(files, key=lambda file: (int(file.stem), "") if file.stem.isdecimal() else (-1, file.stem))


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise GroupwiseError(f"A dump's name must end in {' or '.join(SUFFIXES)}, but is {path.name}; rename it.")
        return [path]
    if not path.is_dir():
        raise GroupwiseError(f"A dump must be a file or a folder, but there is no {path}; correct the path.")
    # A run that an earlier version began and this one resumed has both folders; the later dump of a step counts.
    for folders in ((path / FIRST_METHOD, path / FOLDER), (path,)):
        for suffix in SUFFIXES:
            found = {file.name: file for folder in folders for file in folder.glob(f"*{suffix}")}
            if whole := [file for name, file in found.items() if not name.startswith(".")]:
                return whole
    raise GroupwiseError(
        f"{path} must hold dumps (<step>.parquet in its folder {FOLDER}, or <step>.jsonl), but has none; a run writes "
        "them when trainer.rollout_data_dir is set."
    )


def read_dump(file: Path, columns: Sequence[str] | None = None, *, without: Sequence[str] = ()) -> Dump:
    """Reads one dump, of its columns those that are wanted, as far as they exist; all by default.

    Raises:
        GroupwiseError: The file cannot be read, has no row, or was written by a later version of this project.
    """

    def is_wanted(name: str) -> bool:
        return (columns is None or name in columns) and name not in without

    decided = None
    try:
        table, decided = _read_parquet(file, is_wanted) if file.suffix == ".parquet" else (_read_lines(file), None)
    except (OSError, *MALFORMED) as error:
        raise GroupwiseError(
            f"{file} must be a {file.suffix.removeprefix('.')} file with rollouts, but cannot be read ({error}); leave "
            "it out."
        ) from None
    if not table.num_rows:
        raise GroupwiseError(f"{file} must hold a row a response, but is empty; leave it out.")
    if decided is not None:
        return Dump(file, decided["step"], decided, table)
    table = _with_own_names(table)
    step = _step_of(file, table)
    return Dump(file, step, None, table.select([name for name in table.column_names if is_wanted(name)]))


def read_evenly(files: Sequence[Path], most: int, columns: Sequence[str], notes: list[str]) -> Iterator[Dump]:
    """Reads so many dumps at most, evenly spaced; says in `notes` where it is not all, and what could not be read."""
    chosen = sorted({round(place) for place in np.linspace(0, len(files) - 1, min(len(files), most))})
    if len(chosen) < len(files):
        notes.append(f"Of the {len(files)} dumps in {files[0].parent}, {len(chosen)} were read, evenly spaced.")
    for place in chosen:
        try:
            yield read_dump(files[place], columns)
        except GroupwiseError as error:
            # The last one of a run that goes on, or of a run that was killed, may be half written.
            notes.append(str(error))


def _read_parquet(file: Path, is_wanted: Callable[[str], bool]) -> tuple[pa.Table, dict[str, Any] | None]:
    with pq.ParquetFile(file) as opened:
        metadata = opened.schema_arrow.metadata or {}
        written = metadata.get(METADATA_KEY, metadata.get(FIRST_METHOD.encode()))
        if written is None:
            return _read_columns(opened, file, opened.schema_arrow.names), None
        decided = json.loads(written)
        decided["step"] = int(decided["step"])
        names = {name: name for name in opened.schema_arrow.names}
        if decided["format"] == 1:
            names |= {name: f"{FIRST_METHOD}_{name}" for name in FIRST_FORMAT_COLUMNS}
            settings = dict(decided["settings"])
            decided |= {"normalize_by_std": settings.pop("normalize_by_std"), "updates_per_step": 1}
            decided |= {"methods": {FIRST_METHOD: settings}}
        elif decided["format"] != FORMAT:
            raise GroupwiseError(
                f"{file} must be a dump of format {FORMAT} or 1, but is of format {decided['format']}; read it "
                "with the version of this project that wrote it."
            )
        kept = [name for name in opened.schema_arrow.names if is_wanted(names[name])]
        return _read_columns(opened, file, kept).rename_columns([names[name] for name in kept]), decided


def _read_columns(opened: pq.ParquetFile, file: Path, columns: list[str]) -> pa.Table:
    """Reads columns, a few rows at a time: a file of kilobytes may repeat one text for millions of them."""
    batches: list[pa.RecordBatch] = []
    size, most = 0, max(MOST_BYTES, MOST_EXPANSION * file.stat().st_size)
    for batch in opened.iter_batches(batch_size=64, columns=columns):
        size += batch.nbytes
        if size > most:
            raise GroupwiseError(
                f"{file} must expand to at most {MOST_EXPANSION} times its size, as a run's dumps do by far, but holds "
                f"more than {most >> 20} MiB; leave it out."
            )
        batches.append(batch)
    empty = opened.schema_arrow.empty_table().select(columns)
    return pa.Table.from_batches(batches).combine_chunks() if batches else empty


def _read_lines(file: Path) -> pa.Table:
    """A row a response; values of a column that are not all of one type become their JSON."""
    rows: list[dict[str, Any]] = []
    for number, row in json_lines.read_objects(file):
        if row is None:
            raise GroupwiseError(
                f"Each line of {file} must be a JSON object of at most {json_lines.MAX_LINE_BYTES} bytes, but line "
                f"{number} is not; a run that was killed leaves its last file incomplete: leave that file out."
            )
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        # Answers are of one type in one row and of another in the next.
        return pa.array([None if value is None else json.dumps(value, ensure_ascii=False) for value in values])


def _with_own_names(table: pa.Table) -> pa.Table:
    """Gives verl's columns our names, and the group its own column."""
    taken = table.column_names
    names = [name if VERLS_NAMES.get(name, name) in taken else VERLS_NAMES[name] for name in taken]
    table = table.rename_columns(names)
    if "uid" not in names or "key" in names or not pa.types.is_string(table["uid"].type):
        return table
    keys = table["uid"].to_pylist()
    found = [key is not None and VERLS_KEY.fullmatch(key) for key in keys]
    # Other versions of verl write the uid itself, a UUID, which has no such parts.
    if not all(found):
        return table
    uids = pa.array([match["uid"] for match in found if match])
    return table.set_column(names.index("uid"), "uid", uids).append_column("key", pa.array(keys))


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
