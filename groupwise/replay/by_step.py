"""What one method would have made of a run, step by step: in numbers, as a table, and in sentences."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.table import Table

from groupwise.display import Display
from groupwise.dumps.reader import Dump, read_dump
from groupwise.maths.groups import GroupKind
from groupwise.replay.rows import Lacking
from groupwise.replay.run import find_differences, steps_of
from groupwise.replay.settings import Chosen, settings_of_run
from groupwise.terminal import plain_table

TEXTS: Final = ("prompt", "response", "ground_truth")
"""Columns of a dump that no decision rests on, and most of its bytes."""

SHOWN_ROWS: Final = 40
SHOWN_NAMES: Final = 6


class Line(NamedTuple):
    """An update in numbers."""

    name: str
    responses: int
    groups: int
    hard: int
    easy: int
    metrics: dict[str, float] | None
    """What a run would log of the method; None where the dump lacks what the method asks for."""


class Result(NamedTuple):
    """A replay of several dumps."""

    lines: list[Line]
    records: list[dict[str, Any]]
    """What a run would log of each update, in the form of verl's file logger."""
    differences: dict[str, list[str] | None]
    """By the name of an update how it differs from what the run decided, see `find_differences`; empty where it was
    replayed with other settings than the run's."""
    lacking: set[str]
    """What the dumps lack that the method asks for, as `Lacking` says it."""


def replay_files(files: Sequence[Path], chosen: Chosen, *, correct_above: float | None) -> Result:
    """Replays dumps in order of steps, one at a time in memory; see `rows.read_batches` for `correct_above`.

    Raises:
        GroupwiseError: A dump cannot be used.
    """
    result, method = Result([], [], {}, set()), chosen.method
    dumps = (read_dump(file, without=TEXTS) for file in files)
    for step in steps_of(dumps, correct_above=correct_above):
        try:
            outcome = step.batch.outcome(method)
        except Lacking as error:
            outcome = None
            result.lacking.add(str(error))
        metrics = None if outcome is None else dict(outcome.metrics)
        counts = (step.groups_of(kind) for kind in (GroupKind.HARD, GroupKind.EASY))
        responses = step.batch.responses
        result.lines.append(Line(step.name, len(step.batch.rows), len(responses.groups.size), *counts, metrics))
        data = {"training/global_step": step.batch.step, **(metrics or {})}
        result.records.append({"step": step.batch.step, "data": data})
        if chosen.is_the_runs and step.dump.decided is not None:
            # A run may have gone on with other settings (resume.accept_changed_method).
            is_same = settings_of_run(step.dump.decided, method.name) == chosen.settings
            result.differences[step.name] = find_differences(step, outcome, method) if is_same else ["settings"]
    return result


def describe(first: Dump, chosen: Chosen, result: Result) -> list[str | Table]:
    """Words a replay for the terminal: lines, and a table."""
    display = chosen.method.display()
    whose = "another verl run" if first.decided is None else f"a run with {first.decided['estimator']}"
    responses = sum(line.responses for line in result.lines)
    settings = ", ".join(f"{name}={value}" for name, value in chosen.settings.items())
    return [
        f"{len(result.lines):,} steps, {responses:,} responses of {whose}",
        f"{display} with {settings}; what was not given is from {chosen.source}",
        "",
        *table(result.lines, display),
        "",
        *sentences(result.lines, display, lacking=result.lacking),
        *verdict(result.differences),
    ]


def to_json(chosen: Chosen, result: Result) -> dict[str, Any]:
    """Puts a replay into what `--json` writes."""
    return {
        "method": chosen.method.name,
        "settings": chosen.settings,
        "total": totals(result.lines, chosen.method.display()),
        "steps": [line._asdict() for line in result.lines],
        "differences": result.differences,
    }


def table(lines: Sequence[Line], display: Display) -> list[str | Table]:
    """Sets updates as a table; of more than SHOWN_ROWS every n-th, evenly, the last one always."""
    stride = math.ceil(len(lines) / SHOWN_ROWS)
    shown = [line for place, line in enumerate(lines) if (len(lines) - 1 - place) % stride == 0]
    found = plain_table("step", "groups", "hard", "easy", *display.cells({}), "gradient")
    for line in shown:
        metrics = line.metrics or {}
        before, after = (metrics.get(name) for name in display.gradient)
        gradient = "-" if before is None or after is None else f"{before:.0%} -> {after:.0%}"
        counts = (str(value) for value in (line.groups, line.hard, line.easy))
        found.add_row(line.name, *counts, *display.cells(metrics).values(), gradient)
    return [found] if stride == 1 else [found, f"(every {stride}th of {len(lines)} steps; --json has them all)"]


def totals(lines: Sequence[Line], display: Display) -> dict[str, Any]:
    """Adds updates up: counts of groups and responses, and shares; without the method's where one update lacks them."""
    responses = sum(line.responses for line in lines)
    found: dict[str, Any] = {"updates": len(lines), "responses": responses}
    found |= {name: sum(getattr(line, name) for line in lines) for name in ("groups", "hard", "easy")}
    metrics = [line.metrics for line in lines if line.metrics is not None]
    if len(metrics) < len(lines):
        return found
    for key, name in zip(("gradient_before", "gradient_after"), display.gradient, strict=True):
        weighted = (each[name] * line.responses for each, line in zip(metrics, lines, strict=True))
        found[key] = sum(weighted) / responses
    return found | display.totals(metrics)


def sentences(lines: Sequence[Line], display: Display, *, lacking: Collection[str] = ()) -> list[str]:
    """Says what the replay shows."""
    total = totals(lines, display)
    dead = total["hard"] + total["easy"]
    share = f"{dead / total['groups']:.0%}" if total["groups"] else "none"
    shown = f"{dead:,} of {total['groups']:,} groups ({share}) had no gradient: "
    found = [f"{shown}{total['hard']:,} hard, {total['easy']:,} easy."]
    if "gradient_before" not in total:
        return [*found, *(f"What {display} would have done with them cannot be told: {what}" for what in lacking)]
    without, with_it = total["gradient_before"], total["gradient_after"]
    gradient = f"Responses with a gradient: {without:.1%} without {display}, {with_it:.1%} with."
    return [*found, *display.replayed(total), gradient]


def verdict(differences: Mapping[str, list[str] | None]) -> list[str]:
    """Says how the replay and what the run decided agree; the first differing updates are named."""
    compared = {name: found for name, found in differences.items() if found is not None}
    unknown = [name for name, found in differences.items() if found is None]
    differing = {name: found for name, found in compared.items() if found}
    told = []
    if compared:
        same = len(compared) - len(differing)
        told.append(f"{same:,} of {len(compared):,} steps are, bit for bit, what the run itself decided.")
    if unknown:
        told.append(
            f"Not compared, since dumps of the steps before are missing: {len(unknown):,} steps ({_some(unknown)})."
        )
    return told + [f"Step {name} differs in {_some(what)}." for name, what in list(differing.items())[:SHOWN_NAMES]]


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:SHOWN_NAMES], *(["..."] if len(names) > SHOWN_NAMES else [])])
