"""Writes the page: sentences, table, controls and charts, in one file that opens from disk."""

import html
import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from groupwise.display import NONE, Section, Sentence
from groupwise.html_page import render, script_json
from groupwise.report.curves import Curve, Grid, VariantCurves, numbers
from groupwise.report.findings import Results
from groupwise.report.pictures import STEP, VEGA_LITE
from groupwise.report.sections import EXPLORER, Chart, lay_out
from groupwise.report.sentences import notes, say
from groupwise.report.table import lines
from groupwise.report.themes import config, token, variant_colours
from groupwise.report.validation_names import MAIN

escape = html.escape


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
        **_drawn(charts, curves, variant_colours(len(curves), results.baseline)),
        "figures": figures,
        "metrics": metrics,
        "meanings": {name: meanings[name] for name in metrics if name in meanings},
        "reload": reload,
    }
    body = "\n".join(
        [
            _sentences([*(Sentence("Caution", text) for text in remarks), *say(results)]),
            _table(results),
            _controls(results, figures, reload),
            *(_section(section, some, metrics) for section, some in sections),
            _notes(notes(results, curves)),
            f'<script type="application/json" id="report-data">{script_json(data)}</script>',
        ]
    )
    return render(title, body, style=_asset("page.css"), scripts=[_vega(), _asset("page.js")])


def _drawn(charts: Sequence[Chart], curves: Sequence[VariantCurves], colours: Sequence[Any]) -> dict[str, Any]:
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
            for variant, colour in zip(curves, colours, strict=True)
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


def _asset(name: str) -> str:
    return (files("groupwise.report") / name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and vega-embed, as vl-convert brings them: a script that sets window.vegaEmbed."""
    import vl_convert

    # As a module's text would, it declares names; those stay its own.
    return f"(() => {{{vl_convert.javascript_bundle(vl_version=VEGA_LITE)}\n}})();"


def _sentences(told: Sequence[Sentence]) -> str:
    shown = []
    for place, (topic, text) in enumerate(told):
        heading = topic if place == 0 or told[place - 1].topic != topic else ""
        style = "lead" if topic == "Result" else topic
        shown.append(f'<dt>{heading}</dt><dd class="{style}" dir="auto">{escape(text)}</dd>')
    return f'<dl class="says panel" id="says">{"".join(shown)}</dl>'


def _table(results: Results) -> str:
    head = "".join(f"<th>{escape(variant.label)}</th>" for variant in results.variants)
    body = ""
    for line in lines(results):
        cells = "".join(f"<td{' class=absent' if cell == NONE else ''}>{escape(cell)}</td>" for cell in line.cells)
        body += f"<tr{' class=part' if line.is_part else ''}><th>{escape(line.label)}</th>{cells}</tr>"
    return (
        '<div class="panel scroll"><table class="summary" id="summary">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _controls(results: Results, figures: Sequence[str], reload: float | None) -> str:
    variants = "".join(
        f'<label><input type="checkbox" id="variant-{place}" checked>{escape(variant.label)}</label>'
        for place, variant in enumerate(results.variants)
    )
    figure = f'<label>Validation <select id="figure">{_options(figures)}</select></label>' if figures else ""
    follow = (
        f'<label title="The page loads itself again every {reload:g} s">'
        '<input type="checkbox" id="paused">pause refreshing</label>'
        if reload
        else ""
    )
    return (
        f'<div class="controls panel" id="controls"><fieldset class="variants" aria-label="Variants">{variants}'
        "</fieldset>"
        '<label>Smoothing <input type="range" id="smooth" min="0" max="0.98" step="0.02" value="0">'
        '<output id="smooth-value">off</output></label>'
        '<label>Steps <input type="number" id="from" placeholder="first" aria-label="first step">'
        '<input type="number" id="to" placeholder="last" aria-label="last step"></label>'
        '<label>Over <select id="unit"><option value="steps">steps</option><option value="hours">hours</option>'
        f'</select></label>{figure}{follow}<button type="button" id="reset">Reset</button></div>'
    )


def _options(names: Iterable[str]) -> str:
    return "".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name in names)


def _section(section: Section, charts: Sequence[Chart], metrics: Sequence[str]) -> str:
    cards = "".join(_card(chart, metrics) for chart in charts) or '<p class="faint">Not logged.</p>'
    return (
        f'<section><h2>{escape(section.title)}</h2><p class="caption">{escape(section.caption)}</p>'
        f'<div class="grid">{cards}</div></section>'
    )


def _card(chart: Chart, metrics: Sequence[str]) -> str:
    heading, meaning = escape(chart.title), ""
    if chart.panel is EXPLORER:
        heading = f'<select id="metric" aria-label="Metric">{_options(metrics)}</select>'
        meaning = '<p class="caption" id="meaning"></p>'
    elif chart.figures:
        heading = f"{heading} <small data-figure>{MAIN}</small>"
    return (
        f'<figure class="card panel" id="panel-{chart.key}"><figcaption><h3 dir="auto">{heading}</h3>'
        f'<button type="button" class="png" title="Save this chart as a picture">PNG</button></figcaption>{meaning}'
        f'<p class="empty"></p><div class="chart" role="img" aria-label="{escape(chart.title)}"></div></figure>'
    )


def _notes(sentences: Sequence[str]) -> str:
    listed = "".join(f'<li dir="auto">{escape(text)}</li>' for text in sentences)
    return f'<section class="notes"><h2>How to read this page</h2><ul>{listed}</ul></section>'
