"""Reads a run whole: its log, what tensorboard and the dumps add, and what follows from them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from groupwise.display import label_of
from groupwise.errors import GroupwiseError
from groupwise.method import METHODS
from groupwise.record.run_log import merge_records, parts_of, read_run
from groupwise.report.columns import Columns, add_derived, to_columns
from groupwise.report.dump_metrics import read_dump_metrics
from groupwise.report.folders import NoMetricsYet, RunFiles, find_run
from groupwise.report.tensorboard_events import adds_to, read_events

ESTIMATOR = "algorithm.adv_estimator"
GRADIENT = "/gradient_share/"
MEANING = {"train_files": "training", "val_files": "validation"}
SHOWN_FILES = 3
SHOWN_HASH = len("sha256:") + 12


class Run(NamedTuple):
    """A run: what it was, and what it logged."""

    path: Path  # what the user named
    name: str  # the folder's name, or the file's without its ending
    metrics: Columns  # what it logged, as columns
    config: dict[str, Any] | None  # its configuration, sections flattened; None where nothing says it
    data: dict[str, frozenset[str]] | None  # what tells its data apart, see `Settings`
    notes: list[str]  # sentences on what was left out or filled in
    files: list[Path]  # every file that tells how far the run is, to be watched
    peak_memory: float | None = None  # bytes of all its processes together, where the launcher measured them

    @property
    def estimator(self) -> str | None:
        """`algorithm.adv_estimator`, None where nothing says it."""
        return None if self.config is None else self.config.get(ESTIMATOR)

    @property
    def methods(self) -> list[str]:
        """The methods that were computed, the trained one first; each logs `gradient_share` under its label twice."""
        observed = (self.config or {}).get("algorithm.observe") or ()
        names = {label_of(str(name)): str(name) for name in (*METHODS, *observed, self.estimator)}
        parts = [name.split(GRADIENT) for name in self.metrics.values if GRADIENT in name]
        found = [names.get(label, label) for label, *other in parts if other == [label]]
        return sorted(found, key=lambda name: name != self.estimator)

    @property
    def has_ended(self) -> bool:
        """Whether the run has logged its last step; False where nothing says how many it has."""
        total = (self.config or {}).get("trainer.total_training_steps")
        return isinstance(total, int) and int(self.metrics.steps[-1]) >= total


def load_run(path: Path, dumps: Path | None = None) -> Run:
    """Reads a run by its folder, or its metrics file, or an event file of tensorboard; `dumps` goes before its own.

    Raises:
        NoMetricsYet: The run has logged nothing so far.
        GroupwiseError: It is not a run; see `find_run`.
    """
    found = find_run(path)
    config = found.settings.config
    steps, notes = _logged(found)
    if (folder := dumps or found.dumps) is not None:
        dumped, more = read_dump_metrics(folder)
        notes += more
        # A step that is dumped and not logged was still running when it was read, or belongs to a part that was redone.
        steps = {step: {**data, **dumped[step]} if step in dumped else data for step, data in steps.items()}
    whole = path.resolve()
    limit = (config or {}).get("data.max_response_length")
    return Run(
        path=path,
        name=whole.stem if whole.is_file() else whole.name,
        metrics=add_derived(to_columns(steps), length_limit=limit if isinstance(limit, int) else None),
        config=config,
        data=found.settings.data,
        notes=notes,
        files=[*(parts_of(found.metrics) if found.metrics else []), *found.events],
        peak_memory=_peak_memory(found.metrics),
    )


def _logged(found: RunFiles) -> tuple[dict[int, dict[str, float]], list[str]]:
    if found.metrics is None:
        steps = merge_records(read_events(found.events))
        if not steps:
            raise NoMetricsYet(found.path)
        return steps, ["Read from tensorboard, which keeps numbers to seven digits."]
    try:
        log = read_run(found.metrics)
    except GroupwiseError:
        if any(b"\n" in part.read_bytes() for part in parts_of(found.metrics)):
            raise
        raise NoMetricsYet(found.path) from None
    notes = []
    if log.skipped:
        lines = "1 line" if log.skipped == 1 else f"{log.skipped} lines"
        notes.append(f"{lines} of {found.metrics.name} could not be read; a run that was killed leaves one.")
    if not (found.events and adds_to(found.events, log.steps)):
        return log.steps, notes
    # Where both have a number, the log's is exact.
    steps, events = log.steps, merge_records(read_events(found.events))
    both = {step: {**events.get(step, {}), **steps.get(step, {})} for step in sorted(steps.keys() | events.keys())}
    added = len(both.keys() - steps.keys())
    names = {name for data in both.values() for name in data} - {name for data in steps.values() for name in data}
    if added or names:
        notes.append(f"Filled in from tensorboard: {added} steps and {len(names)} metrics that the log lacks.")
    return both, notes


def _peak_memory(metrics: Path | None) -> float | None:
    file = None if metrics is None else metrics.with_name("memory.json")
    if file is None or not file.is_file():
        return None
    try:
        return float(json.loads(file.read_text())["peak_bytes"])
    except (ValueError, KeyError, TypeError):
        raise GroupwiseError(
            f"{file} must hold a number `peak_bytes`, but does not; delete it, or run again."
        ) from None


def data_fault(runs: Sequence[Run]) -> str | None:
    """Says that two runs had different data, naming both and their files; what is unknown is taken to agree."""
    known = [(run.path, run.data) for run in runs if run.data is not None]
    for key, meaning in MEANING.items():
        for path, data in known[1:]:
            first, other = known[0][1][key], data[key]
            # A name and a hash say nothing about each other.
            if first != other and _are_hashes(first) == _are_hashes(other):
                files = f"{_shown(first, other)} and {_shown(other, first)}"
                return f"{known[0][0]} and {path} have different {meaning} data ({files})"
    return None


def check_same_data(runs: Sequence[Run]) -> None:
    """Refuses runs of different data.

    Raises:
        GroupwiseError: Two of them had different training or validation files.
    """
    fault = data_fault(runs)
    if fault is not None:
        raise GroupwiseError(
            f"Runs that are compared must have the same data, but {fault}; report on them apart, or go on with "
            "--different-data, which the page will say."
        )


def _are_hashes(files: frozenset[str]) -> bool:
    return all(file.startswith("sha256:") for file in files)


def _shown(files: frozenset[str], others: frozenset[str]) -> str:
    """The files that the other run has not, shortened."""
    only = sorted(files - others) or ["nothing more"]
    shown = [file[:SHOWN_HASH] if file.startswith("sha256:") else file for file in only[:SHOWN_FILES]]
    return ", ".join(shown) + (", ..." if len(only) > SHOWN_FILES else "")
