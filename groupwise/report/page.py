"""Writes the page: sentences, table, controls and charts, in one file that opens from disk."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from groupwise.display import NONE, Sentence
from groupwise.html_page import fill, script_json
from groupwise.report.curves import Curve, Grid, VariantCurves, numbers
from groupwise.report.findings import Results
from groupwise.report.pictures import STEP, VEGA_LITE
from groupwise.report.sections import EXPLORER, Chart, lay_out
from groupwise.report.sentences import notes, say
from groupwise.report.table import lines
from groupwise.report.themes import config, token, variant_colours
from groupwise.report.validation_names import MAIN


def write_page(
    results: Results, curves: list[VariantCurves], title: str, reload: float | None, remarks: Sequence[str]
) -> str:
    """Writes the page; it loads itself again after `reload` seconds, and `remarks` stand at its head."""
    sections = lay_out(results, curves)
    charts = [chart for _, some in sections for chart in some]
    figures = list(dict.fromkeys(name for chart in charts for name in chart.figures))
    metrics = sorted({name for variant in curves for name in variant.curves})
    meanings = {name: metric for display in results.displays for name, metric in display.meanings().items()}
    data = {
        **_drawn(charts, curves, results.baseline),
        "figures": figures,
        "metrics": metrics,
        "meanings": {name: meanings[name] for name in metrics if name in meanings},
        "reload": reload,
    }
    return fill(
        "groupwise.report",
        title,
        libraries=[_vega()],
        told=[*(Sentence("Caution", text) for text in remarks), *say(results)],
        variants=results.variants,
        lines=lines(results),
        absent=NONE,
        sections=sections,
        explorer=EXPLORER,
        main=MAIN,
        notes=notes(results, curves),
        figures=figures,
        metrics=metrics,
        reload=reload,
        data=script_json(data),
    )


def _drawn(charts: Sequence[Chart], curves: Sequence[VariantCurves], baseline: int | None) -> dict[str, Any]:
    """What the page's script draws from: numbers of five significant digits, and each spec once."""
    specs: dict[str, int] = {}
    return {
        "variants": [
            {
                "label": variant.label,
                "colour": token(colour),
                "grids": [_grid(grid) for grid in variant.grids],
                "curves": {name: _curve(curve) for name, curve in variant.curves.items()},
            }
            for variant, colour in zip(curves, variant_colours(len(curves), baseline), strict=True)
        ],
        "charts": [
            {
                "key": chart.key,
                "isLines": chart.panel.shape == "lines",
                "variant": chart.variant,
                "spec": specs.setdefault(json.dumps(chart.spec), len(specs)),
                "traces": [trace._asdict() for trace in chart.traces],
                "explores": chart.panel is EXPLORER,
                "file": chart.file,
            }
            for chart in charts
        ],
        "specs": [json.loads(spec) for spec in specs],
        "configs": {name: config(dark=name == "dark") for name in ("light", "dark")},
        "titles": {"steps": STEP, "hours": "hours of training"},
    }


def _grid(grid: Grid) -> dict[str, Any]:
    steps = [int(step) if float(step).is_integer() else round(float(step), 1) for step in grid.steps]
    return {"steps": steps, "hours": None if grid.hours is None else numbers(grid.hours)}


def _curve(curve: Curve) -> list[Any]:
    ends = () if curve.low is None or curve.high is None else (_short(curve.low), _short(curve.high))
    return [curve.grid, _short(curve.mean), *ends]


def _short(values: np.ndarray) -> list[float | int | None]:
    """Numbers in few characters: whole ones without a fraction."""
    return [
        int(value) if value is not None and value.is_integer() and abs(value) < 1e15 else value
        for value in numbers(values)
    ]


@cache
def _vega() -> str:
    """Vega, Vega-Lite and vega-embed, as vl-convert brings them: a script that sets window.vegaEmbed."""
    import vl_convert

    # As a module's text would, it declares names; those stay its own.
    return f"(() => {{{vl_convert.javascript_bundle(vl_version=VEGA_LITE)}\n}})();"
