"""The summary table: a row a quantity, a column an arm. The page, the terminal and the JSON file show the same."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from groupwise.report.findings import Ends, Findings
from groupwise.report.results import Results, SetResult
from groupwise.report.validation_names import NAME
from groupwise.report.wording import NONE, accuracy, count, interval, is_share, percent

OBSERVED = {True: "", False: " (observed)", None: " (done or observed)"}
"""Behind what DiPO did in an arm, or would have done."""


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        label: The quantity.
        cells: For each arm.
        is_part: Whether it belongs under the row above.
    """

    label: str
    cells: list[str]
    is_part: bool = False


def rows(results: Results) -> list[Row]:
    """Words the table.

    Args:
        results: What the runs show.

    Returns:
        The rows.
    """

    def row(label: str, cell: Callable[[Findings], str], *, is_part: bool = False) -> Row:
        return Row(label, [cell(found) for found in results.findings], is_part)

    return [
        row("training steps", lambda f: f"{f.steps:,}"),
        row("seeds", lambda f: str(f.seeds)),
        *(line for result in results.sets for line in _set_rows(result, results)),
        row("responses without gradient, base estimator", lambda f: _share(f.without_gradient)),
        row("given one by reallocation", _given, is_part=True),
        row("groups all wrong, all right", lambda f: _pair(f.hard, f.easy)),
        row("groups reallocated, up and down", _reallocated),
        row("steps with an admissible threshold", lambda f: _share(f.admissible)),
        row("entropy, nats a token", lambda f: _arrow(f.entropy, "{:.3f}")),
        row("response length, tokens", lambda f: _arrow(f.length, "{:,.0f}")),
        row("responses at the length limit", lambda f: _shares(f.cut_off)),
        row("responses that could not be judged", lambda f: _share(f.unjudged)),
        row("seconds a step, median", lambda f: NONE if f.seconds is None else f"{f.seconds:,.1f}"),
    ]


def as_text(results: Results) -> str:
    """Sets the table in plain text.

    Args:
        results: What the runs show.

    Returns:
        Its lines, without control characters.
    """
    body = [["", *(printable(arm.label) for arm in results.arms)]]
    body += [[f"{'  ' * row.is_part}{printable(row.label)}", *row.cells] for row in rows(results)]
    widths = [max(len(line[column]) for line in body) for column in range(len(body[0]))]
    lines = [
        "   ".join(
            f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}" for column, (cell, width) in cells
        ).rstrip()
        for cells in (enumerate(zip(line, widths, strict=True)) for line in body)
    ]
    rule = "─" * max(map(len, lines))
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def printable(text: str) -> str:
    """Replaces what a terminal would obey or not show; names of runs and of data come from outside."""
    return "".join(character if character.isprintable() else "�" for character in text)


def as_json(results: Results) -> dict[str, Any]:
    """Gives the numbers behind the table.

    Args:
        results: What the runs show.

    Returns:
        A tree that `json.dumps` takes.
    """
    return {
        "arms": [
            {**_tree(found), "runs": [str(run.path) for run in arm.runs]}
            for arm, found in zip(results.arms, results.findings, strict=True)
        ],
        "baseline": None if results.baseline is None else results.arms[results.baseline].label,
        "validation": [_tree(result) for result in results.sets],
        "main_validation": None if results.main is None else results.sets[results.main].source,
    }


def _tree(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {name: _tree(inner) for name, inner in value._asdict().items()}
    return [_tree(inner) for inner in value] if isinstance(value, list | tuple) else value


def _set_rows(result: SetResult, results: Results) -> Iterator[Row]:
    share = is_share(result.metric)
    match = NAME.fullmatch(result.metric)
    kind = f"mean@{match['k']}" if match else "mean@k"
    yield Row(
        f"{result.source}, {kind}, first → last", [_first_to_last(result, place) for place in range(len(results.arms))]
    )
    is_main = results.main is not None and result is results.sets[results.main]
    if is_main:
        cells = [
            NONE if level is None else f"{accuracy(level.best, is_share=share)} at step {level.best_step:,}"
            for level in result.levels
        ]
        yield Row("best", cells, is_part=True)
    if results.baseline is None:
        return
    label = results.arms[results.baseline].label
    figures = {"last": "last", "best": "best of each run", "level": "mean level"} if is_main else {"last": "last"}
    for field, meaning in figures.items():
        cells = [
            "" if place == results.baseline else NONE if compared is None
            else interval(getattr(compared, field), is_share=share)
            for place, compared in enumerate(result.compared)
        ]  # fmt: skip
        yield Row(f"{meaning}, less {label}", cells, is_part=True)


def _first_to_last(result: SetResult, place: int) -> str:
    level, prompts, share = result.levels[place], result.over_prompts[place], is_share(result.metric)
    if level is None:
        return NONE
    shown = f"{accuracy(level.first, is_share=share)} → {accuracy(level.last, is_share=share)}"
    if prompts is None:
        return shown
    return f"{shown} ({' to '.join(accuracy(end, is_share=share) for end in prompts)} over prompts)"


def _share(value: float | None) -> str:
    return NONE if value is None else percent(value)


def _pair(one: float | None, other: float | None) -> str:
    return NONE if one is None or other is None else f"{percent(one)}, {percent(other)}"


def _given(found: Findings) -> str:
    if found.without_gradient == 0:
        return "none lack one"
    if found.given_gradient is None:
        return NONE
    return f"{percent(found.given_gradient)}{OBSERVED[found.applied]}"


def _reallocated(found: Findings) -> str:
    if found.up is None or found.down is None:
        return NONE
    return f"{count(found.up)}, {count(found.down)}{OBSERVED[found.applied]}"


def _arrow(ends: Ends | None, pattern: str) -> str:
    return NONE if ends is None else f"{pattern.format(ends.first)} → {pattern.format(ends.last)}"


def _shares(ends: Ends | None) -> str:
    return NONE if ends is None else f"{percent(ends.first)} → {percent(ends.last)}"
