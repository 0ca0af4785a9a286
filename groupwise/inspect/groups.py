"""Finds groups in rollout dumps by their labels alone, without the texts, and reads those that are shown.

A group is a prompt with its responses, and what a method made of them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from groupwise.display import Display
from groupwise.dumps.reader import Dump, read_dump
from groupwise.errors import GroupwiseError
from groupwise.method import METHODS, display_of
from groupwise.spelling import did_you_mean

KINDS: Final = ("hard", "easy", "mixed", "unjudged")
COLUMNS: Final = ("update", "uid", "data_source", "acc", "score", "perplexity", "advantage_before", "advantage_after")


class Wanted(NamedTuple):
    """Which groups are asked for; None asks for any."""

    steps: tuple[int, ...] | None
    label: str | None
    """The code of a label: groups with such a response."""
    kind: str | None
    direction: str | None
    """up, down or both."""
    data_source: str | None
    uid: str | None
    untouched: bool
    """Also groups that the method left alone."""


class Census(NamedTuple):
    """What the dumps hold, asked for or not."""

    display: Display
    steps: dict[int, dict[str, float]]
    """By training step the metrics of its updates."""
    groups: int
    kinds: Counter[str]
    """Groups by kind, unjudged where a response has no verdict or no token of the policy."""
    directions: Counter[str]
    """Groups that the method acted on."""
    labels: Counter[str]
    """Responses by the code of their label."""
    sources: Counter[str]
    estimators: Counter[str]
    """Steps by estimator, where another one trained and the method was observed."""
    settings: dict[str, Any]
    """The method's, of the first step."""


class Place(NamedTuple):
    """Where a group lies: its file, its rows there, and what it was found by."""

    file: Path
    rows: list[int]
    kind: str
    direction: str | None


class Response(NamedTuple):
    """One response; numbers are None where there is none."""

    number: int
    """From 1 within the group."""
    text: str
    perplexity: float | None
    score: float | None
    length: int | None
    verdict: str
    """right, wrong or unjudged."""
    why: str
    pred: str
    advantage_before: float | None
    advantage_after: float | None
    label: str | None
    fate: str | None
    """up or down, where the method acted on it."""
    facts: dict[str, str]
    """What the method's columns say of it."""


class Group(NamedTuple):
    """One prompt with its responses, in the order of the dump."""

    step: int
    uid: str
    data_source: str
    prompt: str
    ground_truth: str
    kind: str
    direction: str | None
    """up, down or both; None where the method left the group alone."""
    applied: bool
    """Whether the method was trained on; otherwise it was observed."""
    facts: dict[str, str]
    """What the method looked at."""
    marks: dict[str, float]
    """Perplexities that it compared those of the responses with."""
    display: Display
    responses: list[Response]


def method_of(file: Path) -> str:
    """Names the method that a dump's run trained with, or else the first that it observed.

    Raises:
        GroupwiseError: The dump cannot be read, or holds no method's decisions.
    """
    dump = read_dump(file, ["uid"])
    if not dump.methods:
        whose = "one of plain verl" if dump.decided is None else f"of a run with {dump.decided['estimator']} alone"
        raise GroupwiseError(
            f"{file} must hold what a method made of the responses, but is {whose}; `python -m groupwise.replay "
            f"{file.parent} --methods all` works out what methods would have made of them."
        )
    return next(iter(dump.methods))


def _read(file: Path, display: Display, columns: Sequence[str] | None = None) -> tuple[Dump, dict[str, Any]]:
    """A dump and what was decided in it; its columns of the method, `display.name`, among those that are wanted."""
    dump, name = read_dump(file, columns), display.name
    decided, computed = dump.decided, dump.methods
    own = (f"{name}_{column}" for column in (display.acts.touched, "advantage") if column)
    is_told = decided is not None and (decided["estimator"] == name or {*own} & {*dump.table.column_names})
    if decided is None or name not in computed or not is_told:
        whose = "one of plain verl" if decided is None else f"of a run that computed {', '.join(computed) or 'none'}"
        if name not in METHODS and name not in computed:  # so that a replay would refuse it too
            near = did_you_mean(name, list(computed) or METHODS, "leave it out for what the run computed.")
            raise GroupwiseError(
                f"--method must be a method that the dump holds, or one that is installed ({', '.join(METHODS)}), but "
                f"is {name!r}, and {file} is {whose}; {near}"
            )
        raise GroupwiseError(
            f"{file} must hold what {display} made of the responses, but is {whose}; `python -m groupwise.replay "
            f"{file.parent} --method {name}` works it out."
        )
    return dump, decided


def find_groups(files: Sequence[Path], wanted: Wanted, method: str) -> tuple[list[Place], Census]:
    """Looks through the labels of dumps for groups, in the order of the dumps.

    Raises:
        GroupwiseError: A dump cannot be read, or holds no decisions of the method, or there is no such label.
    """
    display = display_of(method)
    acts = display.acts
    codes = {value: label.code for value, label in acts.labels.items()}
    if wanted.label is not None and wanted.label not in codes.values():
        known = ", ".join(codes.values()) or f"none, since {display} tells responses apart by none"
        raise GroupwiseError(f"--label must be one that {display} gives ({known}), but is {wanted.label}.")
    columns = [*COLUMNS, *(f"{method}_{name}" for name in (acts.touched, acts.label, "advantage") if name)]
    census = Census(display, {}, 0, Counter(), Counter(), Counter(), Counter(), Counter(), {})
    places: list[Place] = []
    for file in files:
        dump, decided = _read(file, display, columns)
        frame = dump.table.to_pandas()
        frame["code"] = frame[f"{method}_{acts.label}"].map(codes) if acts.label else None
        groups = _summarise(frame, display, trained=decided["estimator"] == method, label=wanted.label)
        census.steps[dump.step] = {key: value for each in decided["updates"] for key, value in each["metrics"].items()}
        census.kinds.update(groups["kind"])
        census.directions.update(groups["direction"].dropna())
        census.labels.update(frame["code"].dropna())
        census.sources.update(groups["source"])
        census.estimators.update([decided["estimator"]] if decided["estimator"] != method else [])
        settings = census.settings or decided["methods"][method]
        census = census._replace(groups=census.groups + len(groups), settings=settings)
        if wanted.steps is None or dump.step in wanted.steps:
            rows = frame.groupby(["update", "uid"], sort=False, dropna=False).indices
            for group in groups[_is_wanted(groups, wanted)].itertuples():
                direction = group.direction if isinstance(group.direction, str) else None
                places.append(Place(file, sorted(rows[group.Index].tolist()), group.kind, direction))
    return places, census


def _summarise(frame: pd.DataFrame, display: Display, *, trained: bool, label: str | None) -> pd.DataFrame:
    """One row a group, indexed by update and uid, in the order of the dump."""
    acts, name = display.acts, display.name
    frame["known"] = frame["acc"].notna() & frame["perplexity"].notna()
    frame["asked"] = True if label is None else frame["code"] == label
    if acts.touched:
        # None where a response of the group could not be judged.
        frame["up"] = frame["down"] = frame[f"{name}_{acts.touched}"].eq(True)
    else:
        moved = frame["advantage_after" if trained else f"{name}_advantage"] - frame["advantage_before"]
        frame["up"], frame["down"] = moved > 1e-7, moved < -1e-7
    groups = frame.groupby(["update", "uid"], sort=False, dropna=False).agg(
        source=("data_source", "first"), size=("known", "size"), known=("known", "all"), worst=("acc", "min"),
        best=("acc", "max"), low=("score", "min"), high=("score", "max"), asked=("asked", "any"), up=("up", "any"),
        down=("down", "any"),
    )  # fmt: skip
    has_variance = (groups["low"] != groups["high"]) | (groups["size"] == 1)
    cases = [~groups["known"], has_variance, groups["best"] == 0, groups["worst"] == 1]
    groups["kind"] = np.select(cases, ["unjudged", "mixed", "hard", "easy"], default="mixed")
    if acts.touched:
        return groups.assign(direction=groups["kind"].map(acts.directions).where(groups["up"]))
    ways = np.select([groups["up"] & groups["down"], groups["up"], groups["down"]], ["both", "up", "down"], default="")
    return groups.assign(direction=pd.Series(ways, index=groups.index).replace("", None))


def _is_wanted(groups: pd.DataFrame, wanted: Wanted) -> pd.Series:
    chosen = groups["asked"] & (groups["direction"].notna() | wanted.untouched)
    for name, value in {"kind": wanted.kind, "direction": wanted.direction, "source": wanted.data_source}.items():
        if value is not None:
            chosen &= groups[name] == value
    return chosen if wanted.uid is None else chosen & (groups.index.get_level_values("uid") == wanted.uid)


def read_groups(places: Sequence[Place], display: Display) -> Iterator[Group]:
    """Reads groups with their texts, in order, one dump in memory at a time; those of a file stand together.

    Raises:
        GroupwiseError: A dump cannot be read.
    """
    dump, decided = None, dict[str, Any]()
    for place in places:
        if dump is None or dump.file != place.file:
            dump, decided = _read(place.file, display)
        yield _group(place, display, decided, dump.table.take(place.rows).to_pylist())


def _group(place: Place, display: Display, decided: dict[str, Any], rows: list[dict[str, Any]]) -> Group:
    first, prefix, trained = rows[0], f"{display.name}_", decided["estimator"] == display.name
    metrics = decided["updates"][first["update"]]["metrics"]
    # The columns of `sure_too` begin with `sure_` as well.
    others = tuple(f"{other}_" for other in decided["methods"] if other.startswith(prefix))
    names = [key for key in first if key.startswith(prefix) and not key.startswith(others)]
    own = [{key.removeprefix(prefix): row[key] for key in names} for row in rows]
    texts = (first[name] or "" for name in ("uid", "data_source", "prompt", "ground_truth"))
    facts = display.group_facts(own[0], metrics, decided["methods"][display.name])
    responses = [
        _response(number, row, each, place, display, trained=trained)
        for number, (row, each) in enumerate(zip(rows, own, strict=True), start=1)
    ]
    return Group(
        decided["step"], *texts, place.kind, place.direction, trained, facts, display.marks(metrics), display, responses
    )


def _response(
    number: int, row: dict[str, Any], own: dict[str, Any], place: Place, display: Display, *, trained: bool
) -> Response:
    acts, before = display.acts, row["advantage_before"]
    after = row["advantage_after"] if trained else own.get("advantage", row["advantage_after"])
    if acts.chosen:
        fate = place.direction if own.get(acts.chosen) else None
    else:
        moved = 0.0 if before is None or after is None else after - before
        fate = None if abs(moved) <= 1e-7 else "up" if moved > 0 else "down"
    label = acts.labels.get(own.get(acts.label) or "")
    return Response(
        number=number,
        text=row["response"] or "",
        perplexity=row["perplexity"],
        score=row["score"],
        length=row["response_length"],
        verdict="unjudged" if row["acc"] is None else "right" if row["acc"] else "wrong",
        why=row["error"] or row["reason"] or "",
        pred=row["pred"] or "",
        advantage_before=before,
        advantage_after=after,
        label=None if label is None else label.code,
        fate=fate,
        facts=display.response_facts(own),
    )
