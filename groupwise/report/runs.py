"""Reads a run whole: its log, what tensorboard and the dumps add, and what follows from them."""

from pathlib import Path
from typing import Any, NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.record.run_log import merge_records, parts_of, read_run
from groupwise.report.columns import Columns, to_columns
from groupwise.report.derived import add_derived
from groupwise.report.dump_metrics import read_dump_metrics
from groupwise.report.folders import NoMetricsYet, RunFiles, find_run
from groupwise.report.tensorboard_events import adds_to, read_events

ESTIMATOR = "algorithm.adv_estimator"


class Run(NamedTuple):
    """A run.

    Attributes:
        path: What the user named.
        name: The folder's name, or the file's without its ending.
        metrics: What it logged, as columns.
        config: Its configuration, sections flattened; None where nothing says it.
        data: What tells its data apart, see `Settings`.
        notes: Sentences on what was left out or filled in.
        files: Every file that tells how far the run is, to be watched.
    """

    path: Path
    name: str
    metrics: Columns
    config: dict[str, Any] | None
    data: dict[str, frozenset[str]] | None
    notes: list[str]
    files: list[Path]

    @property
    def estimator(self) -> str | None:
        """`algorithm.adv_estimator`, None where nothing says it."""
        return None if self.config is None else self.config.get(ESTIMATOR)

    @property
    def has_ended(self) -> bool:
        """Whether the run has logged its last step; False where nothing says how many it has."""
        total = (self.config or {}).get("trainer.total_training_steps")
        return isinstance(total, int) and int(self.metrics.steps[-1]) >= total


def load_run(path: Path) -> Run:
    """Reads a run.

    Args:
        path: Its folder, or its metrics file, or an event file of tensorboard.

    Returns:
        The run.

    Raises:
        NoMetricsYet: The run has logged nothing so far.
        GroupwiseError: It is not a run; see `find_run`.
    """
    found = find_run(path)
    steps, notes = _logged(found)
    if found.dumps is not None:
        dumped, more = read_dump_metrics(found.dumps)
        notes += more
        # A step that is dumped and not logged was still running when it was read, or belongs to a part that was redone.
        steps = {step: {**data, **dumped[step]} if step in dumped else data for step, data in steps.items()}
    whole = path.resolve()
    return Run(
        path=path,
        name=whole.stem if whole.is_file() else whole.name,
        metrics=add_derived(to_columns(steps), length_limit=_length_limit(found.settings.config)),
        config=found.settings.config,
        data=found.settings.data,
        notes=notes,
        files=[*(parts_of(found.metrics) if found.metrics else []), *found.events],
    )


def _length_limit(config: dict[str, Any] | None) -> int | None:
    limit = (config or {}).get("data.max_response_length")
    return limit if isinstance(limit, int) else None


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
    return _filled(log.steps, merge_records(read_events(found.events)), notes)


def _filled(
    steps: dict[int, dict[str, float]], events: dict[int, dict[str, float]], notes: list[str]
) -> tuple[dict[int, dict[str, float]], list[str]]:
    """Adds what only tensorboard has; where both have a number, the log's is exact."""
    both = {step: {**events.get(step, {}), **steps.get(step, {})} for step in sorted(steps.keys() | events.keys())}
    added = len(both.keys() - steps.keys())
    names = {name for data in both.values() for name in data} - {name for data in steps.values() for name in data}
    if added or names:
        notes.append(f"Filled in from tensorboard: {added} steps and {len(names)} metrics that the log lacks.")
    return both, notes
