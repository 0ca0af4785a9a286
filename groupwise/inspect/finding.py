"""Finds groups in rollout dumps by their labels alone, without the texts, and counts what the dumps hold."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd

from groupwise.dumps.reader import Dump
from groupwise.inspect.groups import CODES, DIRECTIONS, QUADRANTS, Place, read_decided

LABELS: Final = ("update", "uid", "data_source", "dipo_group_kind", "dipo_quadrant", "dipo_touched")


class Wanted(NamedTuple):
    """Which groups are asked for; None asks for any.

    Attributes:
        steps: Training steps.
        quadrant: EL, CH, CL or EH: groups with a response in it.
        kind: hard, easy or mixed.
        direction: up or down.
        data_source: Of the prompt.
        uid: Of the prompt.
        untouched: Also groups in which no reward was reallocated.
    """

    steps: tuple[int, ...] | None
    quadrant: str | None
    kind: str | None
    direction: str | None
    data_source: str | None
    uid: str | None
    untouched: bool


class Census(NamedTuple):
    """What the dumps hold, asked for or not.

    Attributes:
        steps: Training steps.
        admissible: Number of those with a threshold.
        groups: Number of groups.
        kinds: Groups by kind; "unjudged" where one has a response without a verdict or a perplexity.
        directions: Reallocated groups, up and down.
        quadrants: Responses by code.
        sources: Groups by data source.
        estimators: Steps by estimator, as the observed baselines alone: those that trained on verified rewards.
        settings: DiPO's settings, of the first step.
    """

    steps: list[int]
    admissible: int
    groups: int
    kinds: Counter[str]
    directions: Counter[str]
    quadrants: Counter[str]
    sources: Counter[str]
    estimators: Counter[str]
    settings: dict[str, Any]


def find_groups(files: Sequence[Path], wanted: Wanted) -> tuple[list[Place], Census]:
    """Looks through the labels of dumps for groups, in the order of the dumps.

    Args:
        files: Dumps of this recipe.
        wanted: Which groups are asked for.

    Returns:
        Where they lie, and what the dumps hold.

    Raises:
        GroupwiseError: A dump cannot be read, or holds no decisions.
    """
    census = Census([], 0, 0, Counter(), Counter(), Counter(), Counter(), Counter(), {})
    places: list[Place] = []
    for file in files:
        dump = read_decided(file, LABELS)
        responses = dump.table.to_pandas().rename(columns=lambda name: name.removeprefix("dipo_"))
        # None where a response of the group could not be judged.
        responses["touched"] = responses["touched"].eq(True)
        groups = _summarise(responses, wanted)
        census = _counted(census, dump, responses, groups)
        if wanted.steps is None or dump.step in wanted.steps:
            rows = responses.groupby(["update", "uid"], sort=False, dropna=False).indices
            places += [Place(file, sorted(rows[key].tolist())) for key in groups.index[_is_wanted(groups, wanted)]]
    return places, census


def _summarise(responses: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    """One row a group, indexed by update and uid, in the order of the dump."""
    in_quadrant = responses["quadrant"] == QUADRANTS[wanted.quadrant] if wanted.quadrant else True
    groups = (
        responses.assign(in_quadrant=in_quadrant, kind=responses["group_kind"].fillna("unjudged"))
        .groupby(["update", "uid"], sort=False, dropna=False)
        .agg(
            kind=("kind", "first"),
            source=("data_source", "first"),
            touched=("touched", "first"),
            in_quadrant=("in_quadrant", "any"),
        )
    )
    return groups.assign(direction=groups["kind"].map(DIRECTIONS).where(groups["touched"]))


def _is_wanted(groups: pd.DataFrame, wanted: Wanted) -> pd.Series:
    chosen = groups["in_quadrant"] & (groups["touched"] | wanted.untouched)
    asked = {"kind": wanted.kind, "direction": wanted.direction, "source": wanted.data_source}
    for name, value in asked.items():
        if value is not None:
            chosen &= groups[name] == value
    if wanted.uid is not None:
        chosen &= groups.index.get_level_values("uid") == wanted.uid
    return chosen


def _counted(census: Census, dump: Dump, responses: pd.DataFrame, groups: pd.DataFrame) -> Census:
    decided = dump.decided or {}
    census.kinds.update(groups["kind"])
    census.directions.update(groups["direction"].dropna())
    census.quadrants.update(CODES[name] for name in responses["quadrant"].dropna())
    census.sources.update(groups["source"])
    if decided["estimator"] != "dipo":
        census.estimators[decided["estimator"]] += 1
    return census._replace(
        steps=[*census.steps, dump.step],
        admissible=census.admissible
        + any("dipo/threshold/value" in update["metrics"] for update in decided["updates"]),
        groups=census.groups + len(groups),
        settings=census.settings or decided["methods"]["dipo"],
    )
