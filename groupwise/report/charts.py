"""The two kinds of charts, as Vega-Lite specs made with Altair: lines with bands, and stacked or opposed bars.

A spec holds no data. Its rows are formed from the page's curves by `rows.py` for pictures, and by page.js in the same
way for the page, where they follow the controls. Fields of a row:
- `x`, and `x0` to `x1`: where the point lies, and the stretch that it stands for;
- `y`: the value, smoothed; `raw`: the value as it was; `low`, `high`: ends of its interval;
- `label`: the arm or the series; `dot`: whether the point is drawn, which it is where it stands alone.
Names of arms and data sets come from outside: they stand in data and domains, never in an expression.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from groupwise.report.themes import DASHES, SHAPES, X_TITLE, Y_TITLE, painted

HEIGHT = 230
DATA = "rows"
LEGEND_CHARACTERS = 62
LEAST_TICK = "least_tick"
"""Parameter of each chart: smallest distance of ticks on its x axis. There is nothing between two steps."""


def lines(
    labels: Sequence[str],
    colours: Sequence[str],
    *,
    y_title: str,
    number_format: str,
    is_banded: bool = True,
    is_log: bool = False,
) -> dict[str, Any]:
    """Draws curves.

    Args:
        labels: Arms or series, in the order of the legend.
        colours: Their tokens.
        y_title: Title of the y axis.
        number_format: d3's format of its labels.
        is_banded: Whether the interval is drawn.
        is_log: Whether the y axis is logarithmic.

    Returns:
        The spec; its parameters `lowest` and `highest` are the ends of the y axis.
    """
    return painted(_lines(tuple(labels), tuple(colours), number_format, is_banded, is_log), {Y_TITLE: y_title})


# Altair takes a tenth of a second for a spec, and most charts of a page differ in the title of an axis.
@cache
def _lines(
    labels: tuple[str, ...], colours: tuple[str, ...], number_format: str, is_banded: bool, is_log: bool
) -> dict[str, Any]:
    # Each layer names the scale, or Vega-Lite would look for ends in data that may have none.
    ends = [alt.ExprRef("lowest"), alt.ExprRef("highest")]
    kind = {"type": "log"} if is_log else {"zero": False}
    limits = alt.Scale(domain=ends, nice=False, **kind)
    y_axis = alt.Y("y:Q", title=Y_TITLE, scale=limits, axis=alt.Axis(format=number_format, tickCount=5))
    colours_of = alt.Scale(domain=list(labels), range=list(colours))
    stroke = alt.Legend(symbolType="stroke", symbolSize=340, columns=_columns(labels))
    base = alt.Chart(alt.NamedData(DATA)).encode(_x(), color=alt.Color("label:N", scale=colours_of, legend=None))
    band = base.mark_area(opacity=0.16, clip=True).encode(y=alt.Y("low:Q", scale=limits), y2="high:Q")
    raw = base.mark_line(opacity=0.3, strokeWidth=1, clip=True).encode(y=alt.Y("raw:Q", scale=limits))
    line = base.mark_line(strokeWidth=2.2, strokeCap="round", clip=True).encode(
        y=y_axis,
        color=alt.Color("label:N", scale=colours_of, legend=stroke),
        strokeDash=alt.StrokeDash("label:N", scale=_each(labels, DASHES), legend=stroke),
    )
    point = base.mark_point(filled=True, size=46, clip=True).encode(
        y=y_axis,
        shape=alt.Shape("label:N", scale=_each(labels, SHAPES), legend=None),
        opacity=alt.condition(alt.datum.dot, alt.value(1), alt.value(0)),
        tooltip=_tooltips(number_format, is_banded=is_banded),
    )
    parameters = [alt.param(name="lowest", value=0), alt.param(name="highest", value=1)]
    layers = [band, raw, line, point] if is_banded else [raw, line, point]
    together = alt.layer(*layers).add_params(*parameters)
    return _finished(together.resolve_legend(color="independent", shape="independent", strokeDash="independent"))


def bars(labels: Sequence[str], colours: Sequence[str], *, y_title: str, number_format: str) -> dict[str, Any]:
    """Draws bars from `low` to `high`, whose rows are stacked or opposed already.

    Args:
        labels: Series, in the order of the legend.
        colours: Their tokens.
        y_title: Title of the y axis.
        number_format: d3's format of its labels, which are shown without a sign.

    Returns:
        The spec.
    """
    return painted(_bars(tuple(labels), tuple(colours), number_format), {Y_TITLE: y_title})


@cache
def _bars(labels: tuple[str, ...], colours: tuple[str, ...], number_format: str) -> dict[str, Any]:
    axis = alt.Axis(format=number_format, tickCount=5, labelExpr=f"format(abs(datum.value), '{number_format}')")
    legend = alt.Legend(columns=_columns(labels))
    colour = alt.Color("label:N", scale=alt.Scale(domain=list(labels), range=list(colours)), legend=legend)
    # A thin edge of its own colour closes the seams that antialiasing leaves between bars.
    edge = alt.ExprRef("scale('color', datum.label)")
    bar = alt.Chart(alt.NamedData(DATA)).mark_rect(clip=True, strokeWidth=0.7, stroke=edge).encode(
        _x("x0"),
        alt.X2("x1"),
        y=alt.Y("low:Q", title=Y_TITLE, scale=alt.Scale(nice=False), axis=axis),
        y2="high:Q",
        color=colour,
        tooltip=_tooltips(number_format, is_banded=False),
    )  # fmt: skip
    return _finished(alt.layer(bar))


def _x(field: str = "x") -> alt.X:
    axis = alt.Axis(grid=False, tickMinStep=alt.ExprRef(LEAST_TICK))
    return alt.X(f"{field}:Q", title=X_TITLE, scale=alt.Scale(zero=False, nice=False), axis=axis)


def _tooltips(number_format: str, *, is_banded: bool) -> list[alt.Tooltip]:
    ends = [("low", "from"), ("high", "to")] if is_banded else []
    return [
        alt.Tooltip("label:N", title="what"),
        alt.Tooltip("x:Q", title="at", format=",.5~g"),
        alt.Tooltip("y:Q", title="value", format=_exact(number_format)),
        *(alt.Tooltip(f"{field}:Q", title=title, format=_exact(number_format)) for field, title in ends),
    ]


def _exact(number_format: str) -> str:
    return ".2%" if "%" in number_format else ".5~g"


def _each(labels: Sequence[str], values: Sequence[Any]) -> alt.Scale:
    """One value for each label; the first is the baseline's, and a single curve is none."""
    chosen = [values[place % len(values)] for place in range(len(labels))] if len(labels) > 1 else [values[1]]
    return alt.Scale(domain=list(labels), range=chosen)


def _columns(labels: Sequence[str]) -> int:
    """Columns of a legend that fit on a phone: some 62 characters in all, 4 of them for each symbol."""
    return max(1, min(len(labels), LEGEND_CHARACTERS // (max(map(len, labels)) + 4)))


def _finished(chart: alt.LayerChart) -> dict[str, Any]:
    chart = chart.add_params(alt.param(name=LEAST_TICK, value=1))
    spec = chart.properties(width="container", height=HEIGHT).to_dict()
    # Altair's own look; the page brings its themes.
    spec.pop("config", None)
    return spec
