"""The sets that are evaluated: parquet files as data_prep writes them and verl reads them."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from groupwise.errors import GroupwiseError
from groupwise.evaluation.checkpoint import first_line
from groupwise.hook.verdicts import failure_word
from reward_score import compute_score

MATH: Final = "math"
TOOLS: Final = "tools"
COLUMNS: Final = ("data_source", "prompt", "reward_model")
SPLITS: Final = ("train", "val", "test", "whole")


class EvaluationSet(NamedTuple):
    """One file of prompts."""

    name: str  # in reports and of its files
    kind: str  # MATH or TOOLS, which decides how it is sampled unless the user says otherwise
    rows: list[dict[str, Any]]  # with all their columns
    prompt_ids: list[str]  # a name for each row, unique within the set
    digest: str  # the file's SHA-256


def find_files(given: Sequence[Path], *, kinds: str, folder: Path) -> list[Path]:
    """Finds the files to evaluate on: those that the user named, else those that scripts/prepare_data.sh writes.

    Of the latter, in `folder`, `kinds` ("math", "tools" or "all") says which.

    Raises:
        GroupwiseError: One is not there, or none is.
    """
    missing = [path for path in given if not path.is_file()]
    if missing:
        raise GroupwiseError(
            f"--data must name parquet files that exist, but there is no {missing[0]}; correct the path."
        )
    if given:
        return list(given)
    math = sorted((folder / "math_eval").glob("*.parquet")) if kinds != TOOLS else []
    bfcl = [path for name in ("whole", "test") if (path := folder / "bfcl_v3" / f"{name}.parquet").is_file()]
    tools = bfcl[:1] if kinds != MATH else []
    if not math + tools:
        setting = "all" if kinds == "all" else kinds
        raise GroupwiseError(
            f"There must be evaluation sets in {folder} (math_eval/*.parquet, bfcl_v3/whole.parquet), but none is; "
            f"run `bash scripts/prepare_data.sh {setting}`, set DATA_DIR, or name files with --data."
        )
    return math + tools


def name_of(path: Path) -> str:
    """Names a set: math_eval/aime24.parquet is aime24, bfcl_v3/test.parquet bfcl_v3, gsm8k/val.parquet gsm8k_val."""
    if path.stem not in SPLITS:
        return path.stem
    folder = path.absolute().parent.name
    return folder if path.stem == "test" else f"{folder}_{path.stem}"


def read_sets(paths: Sequence[Path], *, limit: int | None, imports: Sequence[str] = ()) -> list[EvaluationSet]:
    """Reads files, of each the first `limit` prompts, None for all; `imports` register verifiers of the user's own.

    Raises:
        GroupwiseError: A file is not as verl reads it, two prompts or sets have one name, or nothing judges a data
            source.
    """
    sets = [_read_set(path, limit, imports) for path in paths]
    for name, count in Counter(each.name for each in sets).items():
        if count > 1:
            raise GroupwiseError(
                f"Each set must have a name of its own, but {count} files give {name!r} (a file's name, or its "
                "folder's for train, val and test); rename one."
            )
    return sets


def _read_set(path: Path, limit: int | None, imports: Sequence[str]) -> EvaluationSet:
    try:
        rows = pq.read_table(path).slice(0, limit).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise GroupwiseError(
            f"{path} must be a whole parquet file, but {first_line(error)}; write it anew with data_prep."
        ) from error
    if not rows or any(name not in rows[0] for name in COLUMNS):
        has = ", ".join(rows[0]) if rows else "no rows"
        raise GroupwiseError(
            f"{path} must have rows with {', '.join(COLUMNS)}, but has {has}; write it with data_prep."
        )
    ids = [row["extra_info"].get("id") if isinstance(row.get("extra_info"), Mapping) else None for row in rows]
    prompt_ids = [str(given) if given else f"row {number}" for number, given in enumerate(ids)]
    repeated = [name for name, count in Counter(prompt_ids).items() if count > 1]
    if repeated:
        raise GroupwiseError(
            f"{path}: extra_info.id must be unique, but {len(repeated)} occur more than once ({repeated[0]}); "
            "python -m data_prep.validate lists them."
        )
    _check_judged(path, rows, imports)
    kind = TOOLS if all(row.get("ability") == "tool" for row in rows) else MATH
    return EvaluationSet(name_of(path), kind, rows, prompt_ids, hashlib.sha256(path.read_bytes()).hexdigest())


def _check_judged(path: Path, rows: Sequence[Mapping[str, Any]], imports: Sequence[str]) -> None:
    """What cannot be judged would otherwise show after the generation, which may have taken hours."""
    for row in {row["data_source"]: row for row in rows}.values():
        try:
            gold, extra_info = row["reward_model"]["ground_truth"], row.get("extra_info")
            verdict = compute_score(row["data_source"], "", gold, extra_info, imports=imports)
        except LookupError as error:
            raise GroupwiseError(f"{path}: {error}") from error
        if failure_word(verdict["reason"]) == "verifier error":
            raise GroupwiseError(f"{path}: {row['data_source']} must be judged, but {verdict['reason']}")
