"""Writes the charts as PNG files, without a browser: vl-convert draws the page's own specs."""

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import vl_convert

from groupwise.display import Section
from groupwise.report.charts import DATA
from groupwise.report.curves import VariantCurves, numbers
from groupwise.report.sections import EXPLORER, Chart
from groupwise.report.themes import X_TITLE, config, painted
from groupwise.report.validation_names import MAIN

VEGA_LITE = "6.4"
"""The release whose schema the pinned Altair writes."""

WIDTH = 560
SCALE = 2.0
STEP = "training step"
OVERVIEW, MOST_COLUMNS = "overview.png", 3
EMPTY = {"data": {"values": []}, "mark": "point", "view": {"stroke": None}}
LEAST = ("Rewards", "Time")
"""Sections that have no part in the overview."""


def full_spec(chart: Chart, curves: Sequence[VariantCurves], *, dark: bool) -> dict[str, Any] | None:
    """Completes the spec of a chart with data, size, title and colours; None where nothing was logged."""
    traces = [filled for trace in chart.traces if (filled := _filled(trace, chart, curves)) is not None]
    if not traces:
        return None
    spec = painted(copy.deepcopy(chart.spec), {X_TITLE: STEP}, dark=dark)
    return {**spec, "config": config(dark=dark), "datasets": {DATA: traces}, "width": WIDTH, "title": chart.title}


def _filled(trace: Any, chart: Chart, curves: Sequence[VariantCurves]) -> dict[str, Any] | None:
    """The fields of a trace, see `charts`, over training steps and without smoothing; page.js has it with controls."""
    metric, ends = trace.figures.get("") or trace.figures.get(MAIN) or ("", None)
    variant = curves[trace.variant]
    curve = variant.curves.get(metric)
    if curve is None:
        return None
    means = [variant.curves[name].mean for name in ends] if ends else [curve.low, curve.high]
    low, high = ([] if end is None else numbers(end) for end in means)
    x, y = numbers(variant.grids[curve.grid].steps), numbers(np.asarray(curve.mean))
    parts = {"place": trace.place, "parts": len(chart.traces), "half": 0.5}
    return {"label": trace.label, "x": x, "y": y, "raw": y, "low": low, "high": high, **parts}


def write_pictures(
    sections: Iterable[tuple[Section, list[Chart]]], curves: Sequence[VariantCurves], folder: Path
) -> list[Path]:
    """Writes a PNG for each chart that has something to show, but for the explorer, and one of the foremost together.

    Returns:
        The files in `folder`, which is made where it is not there; the theme is the light one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    foremost: list[tuple[Chart, dict[str, Any]]] = []
    for section, charts in sections:
        drawn = [
            (chart, spec)
            for chart in charts
            if chart.panel is not EXPLORER and (spec := full_spec(chart, curves, dark=False)) is not None
        ]
        files += [_write(spec, folder / f"{chart.file}.png") for chart, spec in drawn]
        if section.title not in LEAST:
            foremost += [(chart, spec) for chart, spec in drawn if chart.panel is drawn[0][0].panel]
    # Those first that have all variants in one, the others side by side.
    of_all, of_one = ([spec for chart, spec in foremost if (chart.variant is not None) == one] for one in (False, True))
    columns = min(max(2, len(curves)), MOST_COLUMNS)
    return [*files, _write(_together(of_all, of_one, columns), folder / OVERVIEW)] if foremost else files


def _together(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]], columns: int) -> dict[str, Any]:
    """Charts in one picture, each with scales and a legend of its own; the second ones begin a row."""
    of_all = {name: (*first, *second)[0][name] for name in ("$schema", "config", "params")}
    charts = [
        {**{name: part for name, part in spec.items() if name not in (*of_all, "datasets")},
         "data": {"values": spec["datasets"][DATA]}}
        for spec in (*first, *second)
    ]  # fmt: skip
    charts[len(first) : len(first)] = [EMPTY] * (-len(first) % columns if second else 0)
    scales = dict.fromkeys(("x", "y", "color", "shape", "strokeDash"), "independent")
    return {**of_all, "concat": charts, "columns": columns, "spacing": 36, "resolve": {"scale": scales}}


def _write(spec: dict[str, Any], file: Path) -> Path:
    file.write_bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE))
    return file
