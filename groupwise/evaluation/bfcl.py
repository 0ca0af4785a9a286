"""BFCL v3's accuracies by category, aggregated as the Berkeley leaderboard aggregates them.

Live categories are averaged over their rows, all else over categories: non-live over simple (the mean of Python, Java
and JavaScript), multiple, parallel, parallel multiple and irrelevance, multi-turn over its four, and the overall figure
over non-live, live and multi-turn (bfcl-eval 2025.8.6.2, `eval_runner_helper.generate_leaderboard_csv`). Figures marked
"Python" are over what training's validation has too: single turns in Python.

Seven rows that no answer satisfies are not in our files; on the leaderboard everybody has them wrong. The prompts are
`data_prep`'s: see its README.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np

PREFIX: Final = "bfcl_v3/"
"""What the data sources begin with; a category follows."""

NON_LIVE_AST: Final = ("simple", "multiple", "parallel", "parallel_multiple")
LIVE_AST: Final = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
LANGUAGES: Final = ("java", "javascript")
MULTI_TURN: Final = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context")

ROWS: Final = {
    "simple": 400,
    "java": 100,
    "javascript": 50,
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
    **dict.fromkeys(MULTI_TURN, 200),
}
"""Rows of each category as published."""

UNSATISFIABLE: Final = {
    "java": ("java_36", "java_65"),
    "live_simple": ("live_simple_106-63-0", "live_simple_112-68-0"),
    "live_multiple": ("live_multiple_862-181-3", "live_multiple_964-207-0"),
    "multi_turn_base": ("multi_turn_base_154",),
}
"""Rows that no answer satisfies, which `data_prep.bfcl` leaves out."""

SINGLE_TURN: Final = "overall (single turn, Python)"
OVERALL: Final = "overall"

Accuracy: TypeAlias = float | np.ndarray
"""In [0, 1]; an array holds one for each resample, and all arrays of a call have the same shape."""


class Category(NamedTuple):
    """A category's figure."""

    accuracy: Accuracy
    count: int  # rows that it is over, those included that were counted as wrong


class Aggregate(NamedTuple):
    """A figure over several categories."""

    accuracy: Accuracy | None  # None where a category is missing
    count: int  # rows of the present ones
    missing: tuple[str, ...]  # categories that it needs and that were not evaluated


class Bfcl(NamedTuple):
    """BFCL's figures."""

    categories: dict[str, Category]  # by category, in BFCL's order
    aggregates: dict[str, Aggregate]  # by name
    counted_wrong: dict[str, int]  # by category the rows that were counted as wrong though they were not evaluated
    incomplete: dict[str, tuple[int, int]]  # by category not evaluated as a whole: rows that were, and that there are


def aggregate(categories: Mapping[str, tuple[Accuracy, int]]) -> Bfcl:
    """Aggregates accuracies by category, each with its number of rows, as the leaderboard does.

    The rows that no answer satisfies count as wrong in categories of which all others were evaluated; this makes the
    figures comparable with the leaderboard's.

    Raises:
        ValueError: A category is not one of v3's, or has no row.
    """
    unknown = sorted(categories.keys() - ROWS.keys())
    empty = sorted(name for name, (_, count) in categories.items() if count < 1)
    if unknown or empty:
        raise ValueError(
            f"BFCL's categories must be among {', '.join(ROWS)}, each with at least one row, but "
            f"{', '.join(unknown or empty)} {'is none of them' if unknown else 'has none'}; leave it out."
        )
    found: dict[str, Category] = {}
    wrong: dict[str, int] = {}
    incomplete: dict[str, tuple[int, int]] = {}
    for name, total in ROWS.items():
        if name not in categories:
            continue
        accuracy, count = categories[name]
        left_out = len(UNSATISFIABLE.get(name, ()))
        if left_out and count == total - left_out:
            wrong[name] = left_out
            accuracy, count = accuracy * (count / total), total
        elif count != total:
            incomplete[name] = count, total
        found[name] = Category(accuracy, count)
    return Bfcl(found, _aggregates(found), wrong, incomplete)


def notes(figures: Bfcl) -> Iterator[str]:
    """Says what must be known to read the figures, a sentence each."""
    if OVERALL not in figures.aggregates:
        yield (
            "These are not the leaderboard's overall figures: it also averages Java and JavaScript into non-live "
            "simple, and multi-turn into the overall, which were not evaluated (`data_prep.bfcl --split whole`)."
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


def _aggregates(found: Mapping[str, Category]) -> dict[str, Aggregate]:
    def each(*names: str) -> list[Aggregate]:
        return [Aggregate(*found[name], ()) if name in found else Aggregate(None, 0, (name,)) for name in names]

    live = _mean(each(*LIVE_AST, "live_irrelevance", "live_relevance"), by_rows=True)
    python = _mean(each(*NON_LIVE_AST, "irrelevance"))
    figures = {
        "non-live AST (Python)": _mean(each(*NON_LIVE_AST)),
        "non-live overall (Python)": python,
        "live AST": _mean(each(*LIVE_AST), by_rows=True),
        "live overall": live,
        "irrelevance, both": _mean(each("irrelevance", "live_irrelevance")),
        "relevance": _mean(each("live_relevance")),
        SINGLE_TURN: _mean([python, live]),
    }
    if found.keys() & {*LANGUAGES, *MULTI_TURN}:
        calls = [_mean(each("simple", *LANGUAGES)), *each(*NON_LIVE_AST[1:])]
        non_live, multi_turn = _mean([*calls, *each("irrelevance")]), _mean(each(*MULTI_TURN))
        figures |= {
            "non-live simple": calls[0],
            "non-live AST": _mean(calls),
            "non-live overall": non_live,
            "multi-turn overall": multi_turn,
            OVERALL: _mean([non_live, live, multi_turn]),
        }
    return figures


def _mean(parts: Sequence[Aggregate], *, by_rows: bool = False) -> Aggregate:
    count = sum(part.count for part in parts)
    accuracies = [part.accuracy for part in parts if part.accuracy is not None]
    if len(accuracies) < len(parts):
        return Aggregate(None, count, tuple(name for part in parts for name in part.missing))
    weights = [part.count if by_rows else 1 for part in parts]
    total = sum(accuracy * weight for accuracy, weight in zip(accuracies, weights, strict=True))
    return Aggregate(total / sum(weights), count, ())
