"""What is found in the responses of a run, and since when: signs in texts, and in how reward and length moved.

A sign in the texts is a share of each step's responses; the others compare the first fifth of the steps with the last.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from groupwise.audit.texts import SIGNS, Sign, sign
from groupwise.display import percent
from groupwise.onset import onset

TEXT_SIGNS: Final = tuple(SIGNS)
FEWEST_STEPS: Final = 4
"""With fewer steps nothing can be said of a change."""
PART: Final = 0.2
"""Share of the steps that a run's beginning and its end are."""
APART, ERRORS = 0.1, 3.0
"""Change of a share that is told, and standard errors that it must be beyond."""
LONGER: Final = 2.0
"""Times the first length."""
HARDLY, NOISE = 0.05, 2.0
"""A gain of reward that is none, and one within so many standard errors is none either."""

Ends = tuple[list[int], list[int]] | None


class Seen(NamedTuple):
    """A sign in a run."""

    sign: Sign
    steps: list[int]
    curve: list[float]  # what is compared with the limit, by step; empty where nothing could be computed
    limit: float  # in this run
    step: int | None  # since when it is beyond the limit; None where it is not
    value: float  # from there on, else at the end
    examples: list[int]  # rows that show it, of its last steps first


class Moved(NamedTuple):
    """How a figure moved over the steps, the rows that show it, and whether it may be told."""

    curve: pd.Series
    rows: pd.DataFrame
    holds: bool


class Change(NamedTuple):
    """Of a column's mean from a run's first steps to its last, with its standard error."""

    first: float
    by: float
    error: float

    def is_beyond(self, least: float, errors: float) -> bool:
        """Whether it grew by more than this, and than chance."""
        return self.by > max(least, errors * self.error)


def look(frame: pd.DataFrame) -> list[Seen]:
    """Looks for all signs in a run's responses, a row each: see `texts`; further columns, NaN where nothing is known:

    score; right (0 or 1, by the training's own verdict); held (0 or 1, by the held-out verifier); length.
    """
    steps = sorted(frame["step"].unique())
    count = max(1, round(PART * len(steps)))
    ends = (steps[:count], steps[-count:]) if len(steps) >= FEWEST_STEPS else None
    return [
        _in_texts(frame, one, ends) if one.name in TEXT_SIGNS else _seen(one, one.find(frame, ends), one.limit)
        for one in SIGNS.values()
    ]


def _in_texts(frame: pd.DataFrame, one: Sign, ends: Ends) -> Seen:
    marked = one.find(frame)
    shares = marked.groupby(frame["step"]).mean()
    limit = one.limit
    if one.must_double:
        limit = np.inf if ends is None else max(limit, 2 * float(shares[ends[0]].mean()))
    return _seen(one, Moved(shares, frame[marked], holds=True), limit if limit < 1 else np.inf)


def _seen(one: Sign, moved: Moved | None, limit: float) -> Seen:
    if moved is None:
        return Seen(one, [], [], limit, None, np.nan, [])
    curve = moved.curve.dropna()
    steps = [int(step) for step in curve.index]
    began = onset(steps, curve.to_numpy(), above=limit) if moved.holds else None
    value = began.value if began else float(curve.iloc[-1]) if len(curve) else np.nan
    # Of different groups, the last steps first.
    examples = list(moved.rows.drop_duplicates("group").sort_values("step", ascending=False, kind="stable").index)
    return Seen(one, steps, curve.tolist(), limit, began.step if began else None, value, examples)


def _change(frame: pd.DataFrame, column: str, ends: Ends) -> Change | None:
    """None where either end has no value."""
    first, last = (frame.loc[frame["step"].isin(steps), column].dropna() for steps in ends or ([], []))
    if not len(first) or not len(last):
        return None
    error = np.sqrt(first.var(ddof=0) / len(first) + last.var(ddof=0) / len(last))
    return Change(float(first.mean()), float(last.mean() - first.mean()), float(error))


def _has_learnt(frame: pd.DataFrame, column: str, ends: Ends) -> bool:
    change = _change(frame, column, ends)
    return change is not None and change.is_beyond(HARDLY, NOISE)


@sign("Reward without accuracy", APART)
def reward_apart(frame: pd.DataFrame, ends: Ends) -> Moved | None:
    """The share that the reward calls right has gained ten points on the share that a held-out verifier calls right,
    beyond three standard errors."""
    both = frame.assign(gap=frame["right"] - frame["held"])
    change = _change(both, "gap", ends)
    if change is None:
        return None
    curve = both.groupby("step")["gap"].mean() - change.first
    return Moved(curve, both[(both["right"] == 1) & (both["held"] == 0)], change.is_beyond(APART, ERRORS))


def _scaled(frame: pd.DataFrame) -> pd.DataFrame:
    """With the score in [0, 1], NaN where all are equal."""
    least, most = frame["score"].min(), frame["score"].max()
    return frame.assign(scaled=(frame["score"] - least) / (most - least) if most > least else np.nan)


@sign("Reward for wrong answers", APART)
def format_only(frame: pd.DataFrame, ends: Ends) -> Moved | None:
    """Wrong responses earn a tenth of the reward's range more than at first, while the share of right ones has not
    gained five points: the form is learnt, or gamed, and not the task."""
    scaled = _scaled(frame)
    wrong = scaled[scaled["right"] == 0]
    change = _change(wrong, "scaled", ends)
    if change is None:
        return None
    curve = wrong.groupby("step")["scaled"].mean() - change.first
    holds = change.is_beyond(APART, ERRORS) and not _has_learnt(frame, "right", ends)
    return Moved(curve, wrong[wrong["scaled"] > change.first + APART], holds)


@sign("Length running away", LONGER)
def runaway(frame: pd.DataFrame, ends: Ends) -> Moved | None:
    """Responses are twice as long as at first, while the reward has not gained a twentieth of its range."""
    change = _change(frame, "length", ends)
    if change is None or change.first <= 0:
        return None
    curve = frame.groupby("step")["length"].mean() / change.first
    holds = not _has_learnt(_scaled(frame), "scaled", ends)
    return Moved(curve, frame[frame["length"] > LONGER * change.first], holds)


def shown(seen: Seen, value: float) -> str:
    """Writes a value of a sign's curve."""
    if np.isnan(value):
        return "-"
    if seen.sign.name == "runaway":
        return f"{value:.1f} times"
    return percent(value) if seen.sign.name in TEXT_SIGNS else f"{value * 100:+.0f} points"


def cells(seen: Seen) -> tuple[str, str, str]:
    """Writes the first and the last value of a sign's curve, and its limit."""
    ends = [shown(seen, value) for value in (seen.curve[:1] or [np.nan]) + (seen.curve[-1:] or [np.nan])]
    return ends[0], ends[1], shown(seen, seen.limit) if np.isfinite(seen.limit) else "-"


def sentences(found: Sequence[Seen]) -> Iterator[str]:
    """Says of each sign that was found what it is, how much of it, and since when."""
    for seen in found:
        if seen.step is not None:
            value, limit = shown(seen, seen.value), shown(seen, seen.limit)
            yield f"{seen.sign.title}: {value}, above {limit} since step {seen.step}. {seen.sign.why}"
