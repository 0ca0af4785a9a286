"""The figures of an evaluation, from the table of its responses: as a dict that is valid JSON, and as text.

The average is over math sets and weighs them alike, as the paper's mean accuracy@8 over benchmarks does. Its interval
resamples the prompts within each set, and so do those of BFCL's aggregates within each category.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from groupwise.evaluation import bfcl
from groupwise.evaluation.set_result import Figure, SetResult, read_sets
from groupwise.evaluation.statistics import CONFIDENCE, RESAMPLES, percentile_interval

SEED: Final = 0
TOOL_SOURCES: Final = ("bfcl_v3/", "bfcl_v4/", "rlla")
"""What the data sources of tool calls begin with; a set that holds one is no math set."""

NONE: Final = "-"
HEADER: Final = ("set", "prompts", "k", "mean@k", "pass@k", "maj@k", "tokens", "truncated", "unjudged")


def summarise(table: pd.DataFrame, *, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Puts an evaluation into numbers, from a row for each response, in any order; see `set_result.read_sets`.

    Returns:
        Valid JSON, the same for the same responses: `confidence`; `sets`, each set's figures by name (see `SetResult`);
        `average` over the math sets where there are several, else None; `bfcl`, for each set with rows of BFCL its
        `categories`, `aggregates` and `notes`; `notes`. A figure has `value`, `low`, `high` (a share in [0, 1], or null
        where there is none) and `prompts`, how many it is over; BFCL's are by its own verdict, and have `ours` in them.

    Raises:
        GroupwiseError: See `set_result.read_sets`.
    """
    results = list(read_sets(table, resamples=resamples, seed=SEED))
    notes = [note for result in results for note in _notes(result)]
    if any(result.truncated_share for result in results):
        notes.append("Truncated responses were cut off by the limit on length, and are judged as they stand.")
    return {
        "confidence": CONFIDENCE,
        "sets": {result.name: _set_entry(result) for result in results},
        "average": _average([one for one in results if not any(s.startswith(TOOL_SOURCES) for s in one.sources)]),
        "bfcl": {result.name: _bfcl_entries(result) for result in results if result.categories},
        "notes": notes,
    }


def _set_entry(result: SetResult) -> dict[str, Any]:
    entry = result._asdict()
    del entry["name"], entry["categories"], entry["ours"]
    return entry | {"figures": {name: _figure_entry(figure) for name, figure in result.figures.items()}}


def _figure_entry(figure: Figure) -> dict[str, Any]:
    interval = percentile_interval(figure.value, figure.means)
    bounds = {key: None if math.isnan(value) else value for key, value in interval._asdict().items()}
    return {**bounds, "prompts": figure.prompts}


def _average(results: Sequence[SetResult]) -> dict[str, Any] | None:
    if len(results) < 2:
        return None
    missing = [result.name for result in results if not result.figures]
    numbers = {result.responses_per_prompt for result in results}
    k = numbers.pop() if len(numbers) == 1 else None
    figures: dict[str, Any] = {}
    if not missing:
        means = [result.figures[f"mean@{result.responses_per_prompt}"] for result in results]
        figures[f"mean@{k or 'k'}"] = _mean_entry(means)
        for name in results[0].figures:
            if name not in figures and all(name in result.figures for result in results):
                figures[name] = _mean_entry([result.figures[name] for result in results])
    names = [result.name for result in results]
    return {"sets": names, "missing": missing, "responses_per_prompt": k, "figures": figures}


def _mean_entry(figures: Sequence[Figure]) -> dict[str, Any]:
    value = math.fsum(figure.value for figure in figures) / len(figures)
    means = np.mean([figure.means for figure in figures], axis=0)
    return _figure_entry(Figure(value, means, sum(figure.prompts for figure in figures)))


def _bfcl_entries(result: SetResult) -> dict[str, Any]:
    entry, ours = _bfcl_entry(result.categories), _bfcl_entry(result.ours)
    for part in ("categories", "aggregates"):
        for name, figure in entry[part].items():
            figure["ours"] = ours[part][name]
    return entry


def _bfcl_entry(categories: Mapping[str, Figure]) -> dict[str, Any]:
    others = [name for name in categories if name not in bfcl.ROWS]
    left_out = [f"In no figure of BFCL, because none of v3's categories: {', '.join(others)}."] if others else []
    # The value and the resamples' means are aggregated as one array.
    found = bfcl.aggregate(
        {
            name: (np.append(figure.value, figure.means), figure.prompts)
            for name, figure in categories.items()
            if name in bfcl.ROWS
        }
    )
    return {
        "categories": {name: _bfcl_figure(figure) for name, figure in found.categories.items()},
        "aggregates": {
            name: {**_bfcl_figure(figure), "missing": list(figure.missing)} for name, figure in found.aggregates.items()
        },
        "notes": [*bfcl.notes(found), *left_out],
    }


def _bfcl_figure(found: bfcl.Category | bfcl.Aggregate) -> dict[str, Any]:
    if found.accuracy is None:
        return {"value": None, "low": None, "high": None, "prompts": found.count}
    value, *means = np.asarray(found.accuracy)
    return _figure_entry(Figure(float(value), np.array(means), found.count))


def _notes(result: SetResult) -> Iterator[str]:
    k, judged = result.responses_per_prompt, result.prompts - result.prompts_left_out
    if result.unjudged:
        kinds = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in result.unjudged.items())
        yield (
            f"{result.name}: {sum(result.unjudged.values())} of {result.responses} responses could not be judged "
            f"({kinds}); left out, and with them {result.prompts_left_out} of {result.prompts} prompts."
        )
    if k and (whole := result.figures[f"pass@{k}"].prompts) < judged:
        yield f"{result.name}: pass@{k} is over {whole} of {result.prompts} prompts, those with {k} judged responses."
    if result.categories:
        yield f"{result.name}: its row weighs all prompts alike, as BFCL does not; BFCL's figures stand apart."


def render(summary: Mapping[str, Any]) -> str:
    """Writes what `summarise` gave, or its JSON read again, in aligned columns.

    There is one row for each set and one for the average, pass@k for the smaller k, BFCL's figures, and notes. Shares
    are in percent with one decimal, followed by their interval.
    """
    entries, average = dict(summary["sets"]), summary["average"]
    rows = [_row(name, entry) for name, entry in entries.items()]
    if average is not None:
        name = f"average of {len(average['sets'])}"
        entries[name] = average
        lacking = f" (no figure for {', '.join(average['missing'])})" if average["missing"] else ""
        rows.append(_row(f"{name}{lacking}", average))
    head, *lines = _aligned([HEADER, *rows])
    blocks = [
        [head, "-" * max(map(len, (head, *lines))), *lines],
        _tries(entries),
        *(_bfcl(name, entry) for name, entry in summary["bfcl"].items()),
        [f"[low, high] is the {summary['confidence']:.0%} bootstrap interval over prompts.", *summary["notes"]],
    ]
    return "\n".join("\n".join(block) + "\n" for block in blocks if block)


def _row(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    """That of a set, or of the average, which has no more than its figures."""
    k = entry["responses_per_prompt"]
    figures = [_cell(entry["figures"], f"{figure}@{k or 'k'}") for figure in ("mean", "pass", "maj")]
    if "prompts" not in entry:
        return (name, NONE, str(k or NONE), *figures, NONE, NONE, NONE)
    length, truncated = f"{entry['mean_length_tokens']:.0f}", f"{entry['truncated_share']:.1%}"
    unjudged = str(sum(entry["unjudged"].values()))
    return (name, str(entry["prompts"]), str(k or NONE), *figures, length, truncated, unjudged)


def _tries(entries: Mapping[str, Any]) -> list[str]:
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
