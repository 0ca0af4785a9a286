"""Writes the page: sentences, table, controls and charts, in one file that opens from disk."""

import html
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from groupwise.html_page import render, script_json
from groupwise.report.notes import notes
from groupwise.report.page_data import page_data
from groupwise.report.panels import Panel
from groupwise.report.pictures import VEGA_LITE
from groupwise.report.results import Results
from groupwise.report.sections import Section, all_panels, lay_out
from groupwise.report.sentences import Sentence, say
from groupwise.report.store import ArmCurves
from groupwise.report.table import rows
from groupwise.report.validation_names import MAIN
from groupwise.report.wording import NONE

escape = html.escape


class Refresh(NamedTuple):
    """How the page follows a run.

    Attributes:
        seconds: After which it loads itself again.
    """

    seconds: float


def write_page(
    results: Results, curves: list[ArmCurves], title: str, refresh: Refresh | None, remarks: Sequence[str]
) -> str:
    """Writes the page.

    Args:
        results: What the runs show.
        curves: The curves of each arm.
        title: Its heading.
        refresh: How it follows the runs; None where they are at an end.
        remarks: Sentences for its head, such as that the data differ.

    Returns:
        The HTML document.
    """
    sections = lay_out(results, curves)
    panels = list(all_panels(sections))
    figures = list(dict.fromkeys(name for panel in panels for name in _figures(panel)))
    metrics = sorted({name for arm in curves for name in arm.curves})
    data = page_data(results, curves, panels, figures, metrics, refresh and refresh.seconds)
    body = "\n".join(
        [
            _sentences(say(results), remarks),
            _table(results),
            _controls(results, figures, refresh),
            *(_section(section, metrics) for section in sections),
            _notes(notes(results, curves)),
            f'<script type="application/json" id="report-data">{script_json(data)}</script>',
        ]
    )
    return render(title, body, style=_asset("page.css"), scripts=[_vega(), _asset("page.js")])


def _figures(panel: Panel) -> Iterable[str]:
    return [name for one in panel.series if isinstance(one.metrics, dict) for name in one.metrics]


def _asset(name: str) -> str:
    return (files("groupwise.report") / name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and vega-embed, as vl-convert brings them: a script that sets window.vegaEmbed."""
    import vl_convert

    # As a module's text would, it declares names; those stay its own.
    return f"(() => {{{vl_convert.javascript_bundle(vl_version=VEGA_LITE)}\n}})();"


def _sentences(sentences: Sequence[Sentence], remarks: Sequence[str]) -> str:
    told = [*(Sentence("Caution", text) for text in remarks), *sentences]
    lines = []
    for place, (topic, text) in enumerate(told):
        shown = topic if place == 0 or told[place - 1].topic != topic else ""
        style = "lead" if topic == "Result" else topic
        lines.append(f'<dt>{shown}</dt><dd class="{style}" dir="auto">{escape(text)}</dd>')
    return f'<dl class="says panel" id="says">{"".join(lines)}</dl>'


def _table(results: Results) -> str:
    head = "".join(f"<th>{escape(arm.label)}</th>" for arm in results.arms)
    lines = []
    for row in rows(results):
        cells = "".join(f"<td{' class=absent' if cell == NONE else ''}>{escape(cell)}</td>" for cell in row.cells)
        lines.append(f"<tr{' class=part' if row.is_part else ''}><th>{escape(row.label)}</th>{cells}</tr>")
    body = "".join(lines)
    return (
        '<div class="panel scroll"><table class="summary" id="summary">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _controls(results: Results, figures: Sequence[str], refresh: Refresh | None) -> str:
    arms = "".join(
        f'<label><input type="checkbox" id="arm-{place}" checked>{escape(arm.label)}</label>'
        for place, arm in enumerate(results.arms)
    )
    figure = f'<label>Validation <select id="figure">{_options(figures)}</select></label>' if figures else ""
    follow = (
        f'<label title="The page loads itself again every {refresh.seconds:g} s">'
        '<input type="checkbox" id="paused">pause refreshing</label>'
        if refresh
        else ""
    )
    return (
        f'<div class="controls panel" id="controls"><fieldset class="arms" aria-label="Arms">{arms}</fieldset>'
        '<label>Smoothing <input type="range" id="smooth" min="0" max="0.98" step="0.02" value="0">'
        '<output id="smooth-value">off</output></label>'
        '<label>Steps <input type="number" id="from" placeholder="first" aria-label="first step">'
        '<input type="number" id="to" placeholder="last" aria-label="last step"></label>'
        '<label>Over <select id="unit"><option value="steps">steps</option><option value="hours">hours</option>'
        f'</select></label>{figure}{follow}<button type="button" id="reset">Reset</button></div>'
    )


def _options(names: Iterable[str]) -> str:
    return "".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name in names)


def _section(section: Section, metrics: Sequence[str]) -> str:
    cards = "".join(_card(panel, metrics) for panel in section.panels)
    cards = cards or '<p class="faint">Not logged.</p>'
    return (
        f'<section><h2>{escape(section.title)}</h2><p class="caption">{escape(section.caption)}</p>'
        f'<div class="grid">{cards}</div></section>'
    )


def _card(panel: Panel, metrics: Sequence[str]) -> str:
    heading = escape(panel.title)
    if panel.explores:
        heading = f'<select id="metric" aria-label="Metric">{_options(metrics)}</select>'
    elif any(True for _ in _figures(panel)):
        heading = f"{heading} <small data-figure>{MAIN}</small>"
    return (
        f'<figure class="card panel" id="panel-{panel.key}"><figcaption><h3 dir="auto">{heading}</h3>'
        '<button type="button" class="png" title="Save this chart as a picture">PNG</button></figcaption>'
        f'<p class="empty"></p><div class="chart" role="img" aria-label="{escape(panel.title)}"></div></figure>'
    )


def _notes(sentences: Sequence[str]) -> str:
    lines = "".join(f'<li dir="auto">{escape(text)}</li>' for text in sentences)
    return f'<section class="notes"><h2>How to read this page</h2><ul>{lines}</ul></section>'
