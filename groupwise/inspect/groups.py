"""Reads groups of a rollout dump: a prompt, its responses, and what was decided for them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from groupwise.dumps.reader import Dump, read_dump
from groupwise.errors import GroupwiseError

QUADRANTS: Final = {"EL": "error_low", "CH": "correct_high", "CL": "correct_low", "EH": "error_high"}
CODES: Final = {name: code for code, name in QUADRANTS.items()}
DIRECTIONS: Final = {"hard": "up", "easy": "down"}
"""By a group's kind, where a reward of it is reallocated: one response is rewarded, or one is penalised."""


class Place(NamedTuple):
    """Where a group lies: its file, and its rows there."""

    file: Path
    rows: list[int]


class Response(NamedTuple):
    """One response; numbers are None where there is none. Its names are those of the dump's columns.

    `number` counts from 1 within the group, and `quadrant` is a code.
    """

    number: int
    text: str
    perplexity: float | None
    acc: float | None
    score: float | None
    quadrant: str | None
    reason: str
    pred: str
    error: str
    length: int | None
    reallocated_reward: float
    chosen: bool
    advantage_before: float | None
    advantage_after: float | None

    @property
    def verdict(self) -> str:
        """right, wrong or unjudged."""
        return "unjudged" if self.acc is None else "right" if self.acc else "wrong"


class Group(NamedTuple):
    """One prompt with its responses.

    Attributes:
        step: Training step.
        uid: Of the prompt.
        data_source: Of the prompt.
        prompt: Its text.
        ground_truth: Its answer, as text.
        kind: hard, easy or mixed; unjudged where a response has no verdict or no perplexity.
        direction: up or down; None where no reward was reallocated.
        applied: Whether it was trained on; otherwise a baseline was observed.
        threshold: tau* of the update; None where none was admissible.
        rule: The `group_perplexity` in force.
        group_perplexity: What the rule compared with tau*.
        responses: In the order of the dump.
    """

    step: int
    uid: str
    data_source: str
    prompt: str
    ground_truth: str
    kind: str
    direction: str | None
    applied: bool
    threshold: float | None
    rule: str
    group_perplexity: float | None
    responses: list[Response]


def read_decided(file: Path, columns: Sequence[str] | None = None) -> Dump:
    """Reads a dump that holds decisions.

    Args:
        file: The dump.
        columns: Those that are wanted; all by default.

    Returns:
        The dump.

    Raises:
        GroupwiseError: It cannot be read, or is one of plain verl.
    """
    dump = read_dump(file, columns)
    if dump.decided is None:
        raise GroupwiseError(
            f"{file} must be a dump of this recipe, but is one of plain verl, which holds no decisions of DiPO; "
            f"`python -m groupwise.replay {file.parent}` works out what DiPO would have decided."
        )
    if "dipo" not in dump.decided["methods"]:
        raise GroupwiseError(
            f"{file} must hold what DiPO made of the responses, but the run computed "
            f"{', '.join(dump.decided['methods']) or 'no method'}; "
            f"`python -m groupwise.replay {file.parent.parent}` works it out."
        )
    return dump


def read_groups(places: Sequence[Place]) -> Iterator[Group]:
    """Reads groups with their texts, one dump in memory at a time.

    Args:
        places: Where they lie; those of a file stand together.

    Yields:
        The groups, in order.

    Raises:
        GroupwiseError: A dump cannot be read.
    """
    dump: Dump | None = None
    for place in places:
        if dump is None or dump.file != place.file:
            dump = read_decided(place.file)
        yield _group(dump.decided or {}, dump.table.take(place.rows).to_pylist())


def _group(decided: dict[str, Any], rows: list[dict[str, Any]]) -> Group:
    first = rows[0]
    kind = first["dipo_group_kind"] or "unjudged"
    metrics = decided["updates"][first["update"]]["metrics"]
    return Group(
        step=decided["step"],
        uid=first["uid"] or "",
        data_source=first["data_source"] or "",
        prompt=first["prompt"] or "",
        ground_truth=first["ground_truth"] or "",
        kind=kind,
        direction=DIRECTIONS[kind] if first["dipo_touched"] else None,
        applied=decided["estimator"] == "dipo",
        threshold=metrics.get("dipo/threshold/value"),
        rule=decided["methods"]["dipo"]["group_perplexity"],
        group_perplexity=first["dipo_group_perplexity"],
        responses=[_response(number, row) for number, row in enumerate(rows, start=1)],
    )


def _response(number: int, row: dict[str, Any]) -> Response:
    return Response(
        number=number,
        text=row["response"] or "",
        perplexity=row["perplexity"],
        acc=row["acc"],
        score=row["score"],
        quadrant=None if row["dipo_quadrant"] is None else CODES[row["dipo_quadrant"]],
        reason=row["reason"] or "",
        pred=row["pred"] or "",
        error=row["error"] or "",
        length=row["response_length"],
        reallocated_reward=row["dipo_reallocated_reward"] or 0.0,
        chosen=bool(row["dipo_chosen"]),
        advantage_before=row["advantage_before"],
        advantage_after=row["advantage_after"],
    )
