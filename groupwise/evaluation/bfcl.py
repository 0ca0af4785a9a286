"""BFCL v3's accuracies by category, aggregated as the Berkeley leaderboard aggregates what is judged here.

Live categories are averaged over their rows, non-live ones over the categories, irrelevance detection counted in, and
both halves weigh alike in the overall figure (bfcl-eval 2025.8.6.2, `eval_runner_helper.generate_leaderboard_csv`). The
names of the figures differ from the leaderboard's wherever the figures do:

- Java and JavaScript are not judged here. The leaderboard's non-live "simple" is the mean over three languages, so all
  of its non-live figures differ from those marked "Python" here. Live figures are the same.
- Multi-turn is not judged here. The leaderboard's overall is the mean of live, non-live and multi-turn.
- Four rows that no answer satisfies are not in our files; on the leaderboard everybody has them wrong. `aggregate` can
  count them as it does.
- The prompts are `data_prep`'s. Where no call is wanted, one that cannot be read is attempted, and an answer that says
  nothing is none; where any is wanted, all have to be offered. See the READMEs of `data_prep` and `reward_score`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np

PREFIX: Final = "bfcl_v3/"
"""What the data sources begin with; a category follows."""

NON_LIVE_AST: Final = ("simple", "multiple", "parallel", "parallel_multiple")
LIVE_AST: Final = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")

ROWS: Final = {
    "simple": 400,
    "multiple": 200,
    "parallel": 200,
    "parallel_multiple": 200,
    "irrelevance": 240,
    "live_simple": 258,
    "live_multiple": 1053,
    "live_parallel": 16,
    "live_parallel_multiple": 24,
    "live_irrelevance": 882,
    "live_relevance": 18,
}
"""Rows of each category as published."""

UNSATISFIABLE: Final = {
    "live_simple": ("live_simple_106-63-0", "live_simple_112-68-0"),
    "live_multiple": ("live_multiple_862-181-3", "live_multiple_964-207-0"),
}
"""Rows that no answer satisfies, which `data_prep.bfcl` leaves out."""

SINGLE_TURN: Final = "overall (single turn, Python)"

Accuracy: TypeAlias = float | np.ndarray
"""In [0, 1]; an array holds one for each resample, and all arrays of a call have the same shape."""


class Category(NamedTuple):
    """A category's figure.

    Attributes:
        accuracy: In [0, 1].
        count: How many rows it is over, those included that were counted as wrong.
    """

    accuracy: Accuracy
    count: int


class Aggregate(NamedTuple):
    """A figure over several categories.

    Attributes:
        accuracy: In [0, 1]; None where a category is missing.
        count: How many rows the present ones have.
        missing: Categories that it needs and that were not evaluated.
    """

    accuracy: Accuracy | None
    count: int
    missing: tuple[str, ...]


class Bfcl(NamedTuple):
    """BFCL's figures.

    Attributes:
        categories: By category, in BFCL's order.
        aggregates: By name.
        counted_wrong: Rows that were counted as wrong though they were not evaluated, by category.
        incomplete: By category that was not evaluated as a whole: how many rows were, and how many there are.
    """

    categories: dict[str, Category]
    aggregates: dict[str, Aggregate]
    counted_wrong: dict[str, int]
    incomplete: dict[str, tuple[int, int]]


def aggregate(categories: Mapping[str, tuple[Accuracy, int]], *, count_unsatisfiable: bool) -> Bfcl:
    """Aggregates accuracies by category as the leaderboard does; the module's head says where it must differ.

    Args:
        categories: Accuracy and number of rows of each category that was evaluated.
        count_unsatisfiable: Count the rows that no answer satisfies as wrong, in categories of which all others were
            evaluated; this makes the live figures comparable with the leaderboard's.

    Returns:
        The figures.

    Raises:
        ValueError: A category is not one of those judged here, or has no row.
    """
    unknown = sorted(categories.keys() - ROWS.keys())
    empty = sorted(name for name, (_, count) in categories.items() if count < 1)
    if unknown or empty:
        raise ValueError(
            f"BFCL's categories must be among {', '.join(ROWS)}, each with at least one row, but "
            f"{', '.join(unknown or empty)} {'is not judged here' if unknown else 'has none'}; leave it out."
        )
    wrong = {
        name: len(rows)
        for name, rows in UNSATISFIABLE.items()
        if count_unsatisfiable and name in categories and categories[name][1] == ROWS[name] - len(rows)
    }
    corrected = {
        name: _with_wrong(*categories[name], wrong[name]) if name in wrong else Category(*categories[name])
        for name in ROWS
        if name in categories
    }
    left_out = {name: len(rows) for name, rows in UNSATISFIABLE.items()}
    return Bfcl(
        corrected,
        _aggregates(corrected),
        wrong,
        {
            name: (found.count, total)
            for name, total in ROWS.items()
            if (found := corrected.get(name)) and total - found.count not in (0, left_out.get(name, 0))
        },
    )


def notes(figures: Bfcl) -> Iterator[str]:
    """Says what must be known to read the figures, a sentence each.

    Args:
        figures: What `aggregate` gave.

    Yields:
        The sentences.
    """
    yield (
        "These are not the leaderboard's overall figures: it also averages Java and JavaScript into non-live simple, "
        "and multi-turn into the overall, which are not judged here."
    )
    if figures.counted_wrong:
        counted = ", ".join(f"{count} of {name}" for name, count in figures.counted_wrong.items())
        yield f"Counted as wrong, as on the leaderboard, because no answer satisfies them: {counted}."
    if figures.incomplete:
        counted = ", ".join(f"{name} {found} of {total}" for name, (found, total) in figures.incomplete.items())
        yield f"Not evaluated as a whole, and not comparable with the leaderboard: {counted} rows."
    for name, figure in figures.aggregates.items():
        if figure.missing:
            yield f"No figure for {name}: not evaluated {', '.join(figure.missing)}."


def _with_wrong(accuracy: Accuracy, count: int, wrong: int) -> Category:
    return Category(accuracy * (count / (count + wrong)), count + wrong)


def _aggregates(found: Mapping[str, Category]) -> dict[str, Aggregate]:
    irrelevance = ("irrelevance", "live_irrelevance")
    non_live = _mean(found, (*NON_LIVE_AST, "irrelevance"), by_rows=False)
    live = _mean(found, (*LIVE_AST, "live_irrelevance", "live_relevance"), by_rows=True)
    halves = [half.accuracy for half in (non_live, live) if half.accuracy is not None]
    return {
        "non-live AST (Python)": _mean(found, NON_LIVE_AST, by_rows=False),
        "non-live overall (Python)": non_live,
        "live AST": _mean(found, LIVE_AST, by_rows=True),
        "live overall": live,
        "irrelevance, both": _mean(found, irrelevance, by_rows=False),
        "relevance": _mean(found, ("live_relevance",), by_rows=False),
        SINGLE_TURN: Aggregate(
            sum(halves) / 2 if len(halves) == 2 else None, non_live.count + live.count, non_live.missing + live.missing
        ),
    }


def _mean(found: Mapping[str, Category], names: Sequence[str], *, by_rows: bool) -> Aggregate:
    missing = tuple(name for name in names if name not in found)
    present = [found[name] for name in names if name in found]
    count = sum(category.count for category in present)
    if missing:
        return Aggregate(None, count, missing)
    weights = [category.count if by_rows else 1 for category in present]
    total = sum(category.accuracy * weight for category, weight in zip(present, weights, strict=True))
    return Aggregate(total / sum(weights), count, ())
