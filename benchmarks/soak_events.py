"""What soak.jsonl holds, put together by attempt, and how a soak's checks are told."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Event = dict[str, Any]

SENTENCE = "Start the same command again"
"""Of the sentence that a run ends with when a process of it died."""


class Check(NamedTuple):
    """One demand.

    Attributes:
        name: What must hold.
        faults: A sentence for each way in which it does not.
        found: The figure behind it.
    """

    name: str
    faults: list[str]
    found: str


class AttemptRecord(NamedTuple):
    """One start of the training.

    Attributes:
        number: Counted from 1.
        checkpoint: Step of the checkpoint that was the latest before the start; 0 for none.
        missing: Files which that checkpoint lacks.
        steps: The steps that were logged, in their order.
        kill: The event of its kill; None where it was left alone.
        end: The event of its end.
        survivors: Processes of the attempt before that were alive when this one logged its first step.
    """

    number: int
    checkpoint: int
    missing: list[str]
    steps: list[int]
    kill: Event | None
    end: Event
    survivors: list[int]


def read_attempts(events: Iterable[Event]) -> list[AttemptRecord]:
    """Puts the events of each attempt together.

    Args:
        events: The lines of soak.jsonl in their order.

    Returns:
        The attempts that ended, in their order.
    """
    by_attempt: dict[int, dict[str, Event]] = {}
    for event in events:
        if "attempt" in event:
            by_attempt.setdefault(event["attempt"], {})[event["event"]] = event
    return [
        AttemptRecord(
            number=number,
            checkpoint=of["start"]["checkpoint"],
            missing=of["start"]["missing"],
            steps=of["end"]["steps"],
            kill=of.get("kill"),
            end=of["end"],
            survivors=of["resume"]["survivors"] if "resume" in of else [],
        )
        for number, of in sorted(by_attempt.items())
        if "end" in of
    ]


def describe(checks: Sequence[Check], attempts: Sequence[AttemptRecord]) -> list[str]:
    """Words the checks, and each attempt, as Markdown.

    Args:
        checks: All of them.
        attempts: All of them.

    Returns:
        Lines.
    """
    lines = ["| check | holds | found |", "|---|---|---|"]
    lines += [f"| {check.name} | {'no' if check.faults else 'yes'} | {check.found} |" for check in checks]
    lines += ["", "| attempt | resumed | killed | at step | exit code | ended after, s |", "|---|---|---|---|---|---|"]
    for attempt in attempts:
        kill = attempt.kill or {"kind": "-", "step": "-"}
        seconds = f"{attempt.end['seconds']:.0f}" if attempt.kill else "-"
        cells = (attempt.number, attempt.checkpoint, kill["kind"], kill["step"], attempt.end["code"], seconds)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, "", *(f"{check.name}: {fault}" for check in checks for fault in check.faults)]
