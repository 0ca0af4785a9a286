"""Reads what a run logged: verl's JSON lines file, one record `{"step": ..., "data": {metric: value}}` a step."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.json_lines import parse_object, read_objects

TRAINED = "training/global_step"
"""A record with this metric comes from a training step, one without it from a validation alone."""


class RunLog(NamedTuple):
    """Metrics of a run."""

    steps: dict[int, dict[str, float]]  # the numeric metrics of each step, in ascending order of steps
    skipped: int  # lines that could not be read; a run that was killed leaves one


def parts_of(file: Path) -> list[Path]:
    """Lists the parts of a metrics file, as far as they exist: `<name>.1.jsonl`, `<name>.2.jsonl`, ..., and the file.

    Resumed runs moved the former aside, and one that starts again moves the file itself aside first.
    """
    numbered = re.compile(rf"{re.escape(file.stem)}\.(\d+){re.escape(file.suffix)}")
    others = file.parent.iterdir() if file.parent.is_dir() else ()
    earlier = [(int(m[1]), other) for other in others if (m := numbered.fullmatch(other.name))]
    return [other for _, other in sorted(earlier)] + ([file] if file.is_file() else [])


def read_record(line: str) -> tuple[int, dict[str, float]] | None:
    """Reads one line: step and numeric metrics, None where it is no record; see `_to_record`."""
    found = parse_object(line)
    return None if found is None else _to_record(found)


def _to_record(found: Mapping[str, Any]) -> tuple[int, dict[str, float]] | None:
    """Step and numeric metrics. verl writes NaN as null; it counts as absent, as infinity does."""
    try:
        step, data = found["step"], found["data"]
        return int(step), {
            name: float(value)
            for name, value in data.items()
            if isinstance(value, int | float) and math.isfinite(value)
        }
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def merge_records(records: Iterable[tuple[int, dict[str, float]]]) -> dict[int, dict[str, float]]:
    """Puts the records of a run in order of steps, each step once.

    A run that was killed and resumed logs some steps twice. Where the step number goes back, the later part of the run
    replaces what the earlier part logged from there on.
    """
    steps: dict[int, dict[str, float]] = {}
    for step, data in records:
        while steps and next(reversed(steps)) > step:
            steps.popitem()
        steps[step] = data if TRAINED in data else {**steps.get(step, {}), **data}
    return steps


def read_run(file: Path) -> RunLog:
    """Reads a run's JSON lines file and the parts beside it, whatever became of the run; see `merge_records`.

    Raises:
        GroupwiseError: There is no such file, or nothing in it can be read.
    """
    parts = parts_of(file)
    if not parts:
        raise GroupwiseError(f"A run's metrics must be a JSON lines file, but there is no {file}; did that run start?")
    lines = (found for part in parts for _, found in read_objects(part))
    records = [None if found is None else _to_record(found) for found in lines]
    steps = merge_records(record for record in records if record is not None)
    if not steps:
        raise GroupwiseError(
            f"{file} must hold a record a step, but none of its lines can be read; look at the run's log."
        )
    return RunLog(steps, records.count(None))
