"""The figures of an evaluation, from the table of its responses: as a dict that is valid JSON, and as text.

The average is over math sets and weighs them alike, as the paper's mean accuracy@8 over benchmarks does. Its interval
resamples the prompts within each set, and so do those of BFCL's aggregates within each category.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from groupwise.evaluation import bfcl
from groupwise.evaluation.report_text import render
from groupwise.evaluation.set_result import Figure, SetResult, read_sets
from groupwise.evaluation.statistics import percentile_interval

__all__ = ["SetResult", "render", "summarise"]

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000
SEED: Final = 0

TOOL_SOURCES: Final = ("bfcl_v3/", "bfcl_v4/", "rlla")
"""What the data sources of tool calls begin with; a set that holds one is no math set."""


def summarise(table: pd.DataFrame | pa.Table, *, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Puts an evaluation into numbers.

    Args:
        table: A row for each response, in any order; see `set_result.read_sets`.
        resamples: Bootstrap resamples of each interval.

    Returns:
        Valid JSON, the same for the same responses: `confidence`; `sets`, each set's figures by name (see `SetResult`);
        `average` over the math sets where there are several, else None; `bfcl`, for each set with rows of BFCL its
        `categories`, `aggregates` and `notes`; `notes`. A figure has `value`, `low`, `high` (a share in [0, 1], or null
        where there is none) and `prompts`, how many it is over; BFCL's are by its own verdict, and have `ours` in them.

    Raises:
        GroupwiseError: See `set_result.read_sets`.
    """
    frame = table.to_pandas() if isinstance(table, pa.Table) else table
    results = list(read_sets(frame, resamples=resamples, seed=SEED))
    cut = any(result.truncated_share for result in results)
    truncated = (
        ["Truncated responses were cut off by the limit on length, and are judged as they stand."] if cut else []
    )
    return {
        "confidence": CONFIDENCE,
        "sets": {result.name: _set_entry(result) for result in results},
        "average": _average([result for result in results if not _has_tools(result)]),
        "bfcl": {result.name: _bfcl_entries(result) for result in results if result.categories},
        "notes": [*(note for result in results for note in _notes(result)), *truncated],
    }


def _has_tools(result: SetResult) -> bool:
    return any(source.startswith(TOOL_SOURCES) for source in result.sources)


def _set_entry(result: SetResult) -> dict[str, Any]:
    entry = result._asdict()
    del entry["name"], entry["categories"], entry["ours"]
    return entry | {"figures": {name: _figure_entry(figure) for name, figure in result.figures.items()}}


def _figure_entry(figure: Figure) -> dict[str, Any]:
    interval = percentile_interval(figure.value, figure.means, confidence=CONFIDENCE)
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
    return {
        "sets": [result.name for result in results],
        "missing": missing,
        "responses_per_prompt": k,
        "figures": figures,
    }


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
    judged = {name: figure for name, figure in categories.items() if name in bfcl.ROWS}
    others = [name for name in categories if name not in bfcl.ROWS]
    left_out = [f"In no figure of BFCL, because none of v3's categories: {', '.join(others)}."] if others else []
    values, resampled = (
        bfcl.aggregate(
            {name: (getattr(figure, field), figure.prompts) for name, figure in judged.items()},
            count_unsatisfiable=True,
        )
        for field in ("value", "means")
    )
    aggregates = {
        name: {**_bfcl_figure(figure, resampled.aggregates[name]), "missing": list(figure.missing)}
        for name, figure in values.aggregates.items()
    }
    return {
        "categories": {
            name: _bfcl_figure(figure, resampled.categories[name]) for name, figure in values.categories.items()
        },
        "aggregates": aggregates,
        "notes": [*bfcl.notes(values), *left_out],
    }


def _bfcl_figure(value: bfcl.Category | bfcl.Aggregate, resampled: bfcl.Category | bfcl.Aggregate) -> dict[str, Any]:
    if value.accuracy is None:
        return {"value": None, "low": None, "high": None, "prompts": value.count}
    return _figure_entry(Figure(float(value.accuracy), resampled.accuracy, value.count))


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
