"""Reads what a run logged: verl's JSON lines file, one record `{"step": ..., "data": {metric: value}}` a step."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.json_lines import parse_object, read_objects

VALIDATION = re.compile(r"val-core/.+/acc/(?P<kind>mean@\d+)")
TRAINED = "training/global_step"
"""A record with this metric comes from a training step, one without it from a validation alone."""


class RunLog(NamedTuple):
    """Metrics of a run."""

    steps: dict[int, dict[str, float]]  # the numeric metrics of each step, in ascending order of steps
    skipped: int  # lines that could not be read; a run that was killed leaves one

    def series(self, metric: str) -> tuple[list[int], list[float]]:
        """Gives the steps that have a metric, and its values there."""
        steps, (values,) = self.together(metric)
        return steps, values

    def together(self, *metrics: str) -> tuple[list[int], list[list[float]]]:
        """Gives the steps that have all of several metrics, and for each metric its values there."""
        having = [step for step, data in self.steps.items() if all(metric in data for metric in metrics)]
        return having, [[self.steps[step][metric] for step in having] for metric in metrics]

    def validation(self) -> tuple[str, list[int], list[float]]:
        """Gives the validation accuracy, averaged over data sources where there are several.

        Returns:
            Its kind (such as "mean@8", the largest logged), the steps that have it, and its values in [0, 1].
        """
        kinds = {m["kind"] for data in self.steps.values() for name in data if (m := VALIDATION.fullmatch(name))}
        if not kinds:
            return "mean", [], []
        kind = max(kinds, key=lambda name: int(name.split("@")[1]))
        found = {
            step: [value for name, value in data.items() if (m := VALIDATION.fullmatch(name)) and m["kind"] == kind]
            for step, data in self.steps.items()
        }
        having = [step for step, values in found.items() if values]
        return kind, having, [sum(found[step]) / len(found[step]) for step in having]


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
