"""What a replay found, in numbers and in sentences."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from groupwise.replay.compare import name_of
from groupwise.replay.run import Replayed

MISSING_PERPLEXITY = (
    "What DiPO would have done with them cannot be told: the dumps have no perplexities. They must have a column "
    "perplexity, or old_log_probs (a list of nats a response, with response_mask where not every token is the "
    "policy's); verl's own dumps have neither. A GRPO run through recipe.dipo.main_dipo with trainer.rollout_data_dir "
    "dumps them, and trains as verl's GRPO does."
)
SHOWN_ROWS = 40
SHOWN_NAMES = 6


class Line(NamedTuple):
    """An update in numbers. Everything that needs perplexities is None where there are none.

    Attributes:
        name: Step, and update where a step has several.
        responses: Number of responses.
        groups: Number of groups.
        hard: Hard groups.
        easy: Easy groups.
        tau: The threshold; None where none is admissible as well.
        error_rate: Of the threshold, likewise.
        up: Hard groups that would be reallocated.
        down: Easy groups that would be.
        gradient_before: Share of responses with a non-zero advantage under the base estimator.
        gradient_after: Likewise with reallocation.
        rules: Groups that each of the rules would reallocate.
    """

    name: str
    responses: int
    groups: int
    hard: int
    easy: int
    tau: float | None
    error_rate: float | None
    up: int | None
    down: int | None
    gradient_before: float | None
    gradient_after: float | None
    rules: dict[str, int] | None


def to_line(replayed: Replayed) -> Line:
    """Puts an update into numbers."""
    metrics = None if replayed.outcome is None else replayed.outcome.metrics
    found = metrics or {}
    up, down = (found.get(f"dipo/reallocated_total/{side}") for side in ("up", "down"))
    return Line(
        name=name_of(replayed),
        responses=len(replayed.batch.rows),
        groups=replayed.groups,
        hard=replayed.hard,
        easy=replayed.easy,
        tau=found.get("dipo/threshold/value"),
        error_rate=found.get("dipo/threshold/error_rate"),
        up=None if metrics is None else int(up or 0),
        down=None if metrics is None else int(down or 0),
        gradient_before=found.get("dipo/gradient_share/grpo"),
        gradient_after=found.get("dipo/gradient_share/dipo"),
        rules=None if metrics is None else _by_rule(found),
    )


def _by_rule(metrics: Mapping[str, float]) -> dict[str, int]:
    prefix = "dipo/would_reallocate_total/"
    found = {name.removeprefix(prefix): int(value) for name, value in metrics.items() if name.startswith(prefix)}
    # verl's aggregator takes a name with "max" in it for a maximum, so the rule has another one there.
    return {"max" if rule == "peak" else rule: count for rule, count in found.items()}


def table(lines: Sequence[Line]) -> list[str]:
    """Sets updates as a table; of more than SHOWN_ROWS every n-th, evenly, the last one always.

    Args:
        lines: The updates in order, at least one.

    Returns:
        The lines of the table.
    """
    stride = math.ceil(len(lines) / SHOWN_ROWS)
    shown = [line for place, line in enumerate(lines) if (len(lines) - 1 - place) % stride == 0]
    rows = [("step", "groups", "hard", "easy", "tau (err)", "up", "down", "gradient")]
    for line in shown:
        tau = "-" if line.tau is None or line.error_rate is None else f"{line.tau:.3f} ({line.error_rate:.2f})"
        gradient = "-"
        if line.gradient_before is not None and line.gradient_after is not None:
            gradient = f"{line.gradient_before:.0%} -> {line.gradient_after:.0%}"
        counts = ["-" if value is None else str(value) for value in (line.up, line.down)]
        rows.append((line.name, str(line.groups), str(line.hard), str(line.easy), tau, *counts, gradient))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    return text if stride == 1 else [*text, f"(every {stride}th of {len(lines)} steps; --json has them all)"]


def totals(lines: Sequence[Line]) -> dict[str, Any]:
    """Adds the updates up.

    Args:
        lines: The updates, at least one.

    Returns:
        Counts of groups and responses over all of them, and shares; without what needs perplexities where one lacks
        them.
    """
    groups, responses = sum(line.groups for line in lines), sum(line.responses for line in lines)
    found: dict[str, Any] = {
        "updates": len(lines),
        "responses": responses,
        "groups": groups,
        "hard": sum(line.hard for line in lines),
        "easy": sum(line.easy for line in lines),
    }
    if any(line.rules is None for line in lines):
        return found
    weighted = [
        sum(getattr(line, name) * line.responses for line in lines) / responses
        for name in ("gradient_before", "gradient_after")
    ]
    return found | {
        "admissible": sum(line.tau is not None for line in lines),
        "up": sum(line.up or 0 for line in lines),
        "down": sum(line.down or 0 for line in lines),
        "gradient_before": weighted[0],
        "gradient_after": weighted[1],
        "rules": dict(sum((Counter(line.rules or {}) for line in lines), Counter())),
    }


def sentences(lines: Sequence[Line]) -> list[str]:
    """Says what the replay shows.

    Args:
        lines: The updates, at least one.

    Returns:
        A few sentences.
    """
    total = totals(lines)
    dead = total["hard"] + total["easy"]
    shown = f"{dead:,} of {total['groups']:,} groups ({_share(dead, total['groups'])}) had no gradient: "
    found = [f"{shown}{total['hard']:,} hard, {total['easy']:,} easy."]
    if "rules" not in total:
        return [*found, MISSING_PERPLEXITY]
    used = total["up"] + total["down"]
    rules = ", ".join(f"{rule} {count:,}" for rule, count in total["rules"].items())
    return [
        *found,
        f"DiPO would have used {used:,} of them ({_share(used, dead)}): {total['up']:,} up, {total['down']:,} down.",
        f"tau* was admissible in {total['admissible']:,} of {total['updates']:,} steps"
        + (": perplexity does not separate right from wrong here." if not total["admissible"] else "."),
        f"Responses with a gradient: {total['gradient_before']:.1%} without DiPO, {total['gradient_after']:.1%} with.",
        f"Groups that each rule would have reallocated: {rules}.",
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def verdict(differences: Mapping[str, list[str] | None]) -> list[str]:
    """Says how the replay and what the run decided agree.

    Args:
        differences: By the name of an update what differs, None where it could not be compared.

    Returns:
        Sentences; the first differing updates are named.
    """
    compared = {name: found for name, found in differences.items() if found is not None}
    unknown = [name for name, found in differences.items() if found is None]
    differing = {name: found for name, found in compared.items() if found}
    found = []
    if compared:
        same = len(compared) - len(differing)
        found.append(f"{same:,} of {len(compared):,} steps are, bit for bit, what the run itself decided.")
    if unknown:
        found.append(
            f"Not compared, since dumps of the steps before are missing: {len(unknown):,} steps ({_some(unknown)})."
        )
    found += [f"Step {name} differs in {_some(what)}." for name, what in list(differing.items())[:SHOWN_NAMES]]
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:SHOWN_NAMES], *(["..."] if len(names) > SHOWN_NAMES else [])])
