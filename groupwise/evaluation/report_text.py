"""Prints the figures of an evaluation as plain text in aligned columns."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

NONE: Final = "-"

HEADER: Final = ("set", "prompts", "k", "mean@k", "pass@k", "maj@k", "tokens", "truncated", "unjudged")


def render(summary: Mapping[str, Any]) -> str:
    """Gives the figures as text.

    Args:
        summary: What `report.summarise` gave, or its JSON read again.

    Returns:
        One row for each set and one for the average, pass@k for the smaller k, BFCL's figures, and notes. Shares are in
        percent with one decimal, followed by their interval.
    """
    blocks = [
        _sets(summary),
        _tries(summary),
        *(_bfcl(name, entry) for name, entry in summary["bfcl"].items()),
        [f"[low, high] is the {summary['confidence']:.0%} bootstrap interval over prompts.", *summary["notes"]],
    ]
    return "\n".join("\n".join(block) + "\n" for block in blocks if block)


def _sets(summary: Mapping[str, Any]) -> list[str]:
    rows = [HEADER, *(_set_row(name, entry) for name, entry in summary["sets"].items())]
    average = summary["average"]
    if average is not None:
        rows.append(_average_row(average))
    lines = _aligned(rows)
    rule = "-" * max(map(len, lines))
    return [lines[0], rule, *lines[1:]]


def _set_row(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    unjudged = sum(entry["unjudged"].values())
    return (
        name,
        str(entry["prompts"]),
        str(entry["responses_per_prompt"] or NONE),
        *_at_k(entry),
        f"{entry['mean_length_tokens']:.0f}",
        f"{entry['truncated_share']:.1%}",
        str(unjudged),
    )


def _average_row(average: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"average of {len(average['sets'])}"
    if average["missing"]:
        name += f" (no figure for {', '.join(average['missing'])})"
    return (name, NONE, str(average["responses_per_prompt"] or NONE), *_at_k(average), NONE, NONE, NONE)


def _at_k(entry: Mapping[str, Any]) -> tuple[str, ...]:
    k = entry["responses_per_prompt"] or "k"
    return tuple(_cell(entry["figures"], f"{name}@{k}") for name in ("mean", "pass", "maj"))


def _tries(summary: Mapping[str, Any]) -> list[str]:
    entries = dict(summary["sets"])
    if summary["average"] is not None:
        entries[f"average of {len(summary['average']['sets'])}"] = summary["average"]
    names = {name for entry in entries.values() for name in entry["figures"] if name.startswith("pass@")}
    header = sorted(names, key=lambda name: int(name.removeprefix("pass@")))
    if len(header) < 2:
        return []
    rows = [(name, *(_cell(entry["figures"], column) for column in header)) for name, entry in entries.items()]
    return _aligned([("set", *header), *rows])


def _bfcl(name: str, entry: Mapping[str, Any]) -> list[str]:
    figures = {**entry["categories"], **{f"= {key}": figure for key, figure in entry["aggregates"].items()}}
    rows = [(key, str(figure["prompts"]), _show(figure), _show(figure["ours"])) for key, figure in figures.items()]
    return [*_aligned([(f"BFCL, {name}", "rows", "BFCL's verdict", "ours"), *rows]), *entry["notes"]]


def _cell(figures: Mapping[str, Any], name: str) -> str:
    return _show(figures[name]) if name in figures else NONE


def _show(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return NONE
    bounds = [NONE if figure[key] is None else f"{100 * figure[key]:.1f}" for key in ("low", "high")]
    return f"{100 * figure['value']:.1f} [{', '.join(bounds)}]"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, others, strict=True))])
        for name, *cells in rows
    ]
