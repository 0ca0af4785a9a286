"""The summary table: a row a quantity, a column a variant. The page, the terminal and the JSON file show the same."""

import io
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from groupwise.display import NONE, percent
from groupwise.report.comparison import SetResult
from groupwise.report.findings import Ends, Findings, Results
from groupwise.report.statistics import Difference
from groupwise.report.validation_names import NAME
from groupwise.report.wording import accuracy, apart, interval, is_share, printable

WIDE = 10_000
"""Columns of the terminal that the table is set for: it is as wide as it needs to be, and no cell is broken."""


class Line(NamedTuple):
    """A row of the table: its label, its cells for each variant, and whether it belongs under the row above."""

    label: str
    cells: list[str]
    is_part: bool = False


def lines(results: Results) -> list[Line]:
    """Words the table."""

    def line(label: str, cell: Callable[[Findings], str], *, is_part: bool = False) -> Line:
        return Line(label, [cell(found) for found in results.findings], is_part)

    found = [
        line("training steps", lambda f: f"{f.steps:,}"),
        line("seeds", lambda f: str(f.seeds)),
        *(one for result in results.sets for one in _set_lines(result, results)),
        line("responses without gradient, base estimator", lambda f: _share(f.without_gradient)),
        *_method_lines(results),
        line("entropy, nats a token", lambda f: _arrow(f.entropy, "{:.3f}".format)),
        line("response length, tokens", lambda f: _arrow(f.length, "{:,.0f}".format)),
        line("responses at the length limit", lambda f: _arrow(f.cut_off, percent)),
        line("responses that could not be judged", lambda f: _share(f.unjudged)),
        line("seconds a step, median", lambda f: NONE if f.seconds is None else f"{f.seconds:,.1f}"),
    ]
    memory = [NONE if f.peak_memory is None else f"{f.peak_memory / 2**30:.1f}" for f in results.findings]
    return [*found, Line("peak memory, GiB", memory)] if set(memory) != {NONE} else found


def _method_lines(results: Results) -> list[Line]:
    """The rows of each method, those first that belong under the responses without a gradient."""
    made = [
        Line(
            row.label if len(results.displays) == 1 or str(display) in row.label else f"{display}: {row.label}",
            [row.cell(f.methods[display.name]) if display.name in f.methods else NONE for f in results.findings],
            row.is_part,
        )
        for display in results.displays
        for row in display.rows()
    ]
    return sorted(made, key=lambda line: not line.is_part)


def as_text(results: Results) -> str:
    """Sets the table in plain text, without control characters."""
    table = Table(box=box.HORIZONTALS, show_edge=True, header_style="", pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for variant in results.variants:
        table.add_column(Text(printable(variant.label)), justify="right", no_wrap=True)
    for line in lines(results):
        table.add_row(*map(Text, (f"{'  ' * line.is_part}{printable(line.label)}", *line.cells)))
    shown = io.StringIO()
    Console(file=shown, width=WIDE, color_system=None, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in shown.getvalue().splitlines())


def as_json(results: Results) -> dict[str, Any]:
    """Gives the numbers behind the table, for `json.dumps`."""
    return {
        "variants": [
            {**_tree(found), "runs": [str(run.path) for run in variant.runs]}
            for variant, found in zip(results.variants, results.findings, strict=True)
        ],
        "baseline": None if results.baseline is None else results.variants[results.baseline].label,
        "validation": [_tree(result) for result in results.sets],
        "main_validation": results.main and results.main.source,
    }


def _tree(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return _tree(value._asdict())
    if isinstance(value, dict):
        return {name: _tree(inner) for name, inner in value.items()}
    return [_tree(inner) for inner in value] if isinstance(value, list | tuple) else value


def _set_lines(result: SetResult, results: Results) -> Iterator[Line]:
    share = is_share(result.metric)
    match = NAME.fullmatch(result.metric)
    kind = f"mean@{match['k']}" if match else "mean@k"
    cells = [_first_to_last(result, place) for place in range(len(results.variants))]
    yield Line(f"{result.source}, {kind}, first → last", cells)
    is_main = result is results.main
    if is_main:
        change = [NONE if level is None else apart(level.last - level.first, is_share=share) for level in result.levels]
        yield Line("change", change, is_part=True)
        best = [
            NONE if level is None else f"{accuracy(level.best, is_share=share)} at step {level.best_step:,}"
            for level in result.levels
        ]
        yield Line("best", best, is_part=True)
    if results.baseline is None:
        return
    label = results.variants[results.baseline].label
    figures = {"last": "last", "best": "best of each run", "level": "mean level"} if is_main else {"last": "last"}
    for field, meaning in figures.items():
        cells = [
            "" if place == results.baseline else NONE if compared is None
            else _difference(getattr(compared, field), is_share=share)
            for place, compared in enumerate(result.compared)
        ]  # fmt: skip
        yield Line(f"{meaning}, difference to {label}", cells, is_part=True)


def _difference(difference: Difference, *, is_share: bool) -> str:
    ends = interval(difference, is_share=is_share)
    value = apart(difference.value, is_share=is_share)
    return f"{value}, no interval (one seed)" if ends is None else f"{value} ({ends})"


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


def _arrow(ends: Ends | None, word: Callable[[float], str]) -> str:
    return NONE if ends is None else f"{word(ends.first)} → {word(ends.last)}"
