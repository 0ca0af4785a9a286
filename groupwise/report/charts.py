"""The two kinds of charts, as Vega-Lite specs made with Altair: lines with bands, and stacked or opposed bars.

A spec holds no data. It is given traces, the curves that a chart shows, and does all else itself, on the page and in
pictures alike: where a point stands alone, what a stack adds up to, how far the axis reaches. Fields of a trace, with
arrays over its points:
- `x`, `y`: where a point lies, and its value, smoothed; `raw`: as it was; `low`, `high`: ends of its interval;
- `label`: the variant or the series; `place`: its number in a stack, of `parts`; `half`: half a step, for a bar that
  stands alone.
Names of variants and data sets come from outside: they stand in data and domains, never in an expression.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt

from groupwise.display import Colour
from groupwise.html_page import DARK, LIGHT
from groupwise.report.themes import DASHES, SHAPES, X_TITLE, Y_TITLE, painted, token

HEIGHT = 230
DATA = "traces"
LEGEND_CHARACTERS = 62
LEAST_TICK = "least_tick"
"""Parameter of each chart: smallest distance of ticks on its x axis. There is nothing between two steps."""

MANY_DOTS = 40
"""Points of a curve up to which each is drawn."""

RULE = {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 1.3, "color": token(Colour(LIGHT["warn"], DARK["warn"]))}
"""Where a healthy range ends."""

MARGIN = 0.04
"""Of the y axis beyond the curves."""


def lines(
    labels: Sequence[str],
    colours: Sequence[str],
    *,
    y_title: str,
    is_share: bool = False,
    floor: float | None = None,
    span: float = 0.0,
    reach: float | None = 1.0,
    is_log: bool = False,
    limit: float | None = None,
) -> dict[str, Any]:
    """Draws curves. Bands may stretch the y axis by `reach` times what the curves take of it; 0: there are none.

    The interval of two seeds is 13 standard errors wide, and would leave the curves flat. None: bands are shown whole.
    Other arguments are as in `Panel`.
    """
    spec = painted(_lines(tuple(labels), tuple(colours), _format(is_share), reach != 0, is_log), {Y_TITLE: y_title})
    ends = _ends(is_share=is_share, floor=floor, span=span, reach=1e9 if reach is None else reach, is_log=is_log)
    # A band that leaves the axis would stretch it, and has no place at all below a logarithmic one. In a chart without
    # any, one without width lies on the curves: Vega warns of fields that are empty.
    for name in ("low", "high"):
        inside, none = f"clamp(datum.{name}, datum.lowest, datum.highest)", "isValid(datum.low0) ? null : datum.y"
        ends[f"drawn_{name}"] = f"isValid(datum.{name}) ? {inside} : {none}"
    rules = [] if limit is None else [{"mark": RULE, "encoding": {"y": {"datum": limit}}}]
    return {**spec, "layer": [*spec["layer"], *rules], "transform": [*_POINTS, *_calculated(ends)]}


def _ends(*, is_share: bool, floor: float | None, span: float, reach: float, is_log: bool) -> dict[str, str]:
    """Fields of a row that lead to `lowest` and `highest`, the ends of the y axis, each with its expression.

    They are what the curves reach, and their bands as far as the chart lets them, its floor, its smallest span, and a
    margin; a share stays in [0, 1]. A logarithmic axis has the same in powers of ten.
    """
    power, back = ("log({0}) / LN10", "pow(10, {0})") if is_log else ("{0}", "{0}")
    low0, high1 = "datum.low0" if floor is None else f"max(datum.low0, {floor})", "datum.high1"
    ends = {
        "bottom": power.format("min(datum.y0, datum.raw0)"),
        "top": power.format("max(datum.y1, datum.raw1)"),
        "slack": f"{reach} * max(datum.top - datum.bottom, {span}, 0.1 * abs(datum.top))",
        "low_end": f"isValid(datum.low0) ? min(datum.bottom, {power.format(low0)}) : datum.bottom",
        "high_end": f"isValid(datum.high1) ? max(datum.top, {power.format(high1)}) : datum.top",
        "from": "max(datum.low_end, datum.bottom - datum.slack)",
        "to": "min(datum.high_end, datum.top + datum.slack)",
    }
    if floor is not None:
        base = f"({power.format(floor)})"
        over = f"{base} + {1 + MARGIN} * (max({span}, datum.to - {base}) || 1)"
        return {**ends, "lowest": str(floor), "highest": back.format(f"min({over}, 1)" if is_share else f"({over})")}
    ends["half_span"] = f"{0.5 + MARGIN} * max({span}, datum.to - datum.from, 1e-9 + 0.01 * abs(datum.to))"
    ends["middle"] = "(datum.from + datum.to) / 2"
    down, up = "datum.middle - datum.half_span", "datum.middle + datum.half_span"
    if is_share:
        # All of the span is kept where a curve runs along an end of what a share can be.
        ends["shift"] = f"max(0, -({down})) - max(0, {up} - 1)"
        down, up = f"max(0, {down} + datum.shift)", f"min(1, {up} + datum.shift)"
    return {**ends, "lowest": back.format(f"({down})"), "highest": back.format(f"({up})")}


def _calculated(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"calculate": expression, "as": name} for name, expression in fields.items()]


def _of_all(**fields: str) -> dict[str, Any]:
    """A transform that gives each row figures of all rows: by field an operation and what it is of."""
    figures = [dict(zip(("op", "field", "as"), (*what.split(), name), strict=True)) for name, what in fields.items()]
    return {"joinaggregate": figures}


def _neighbours(field: str) -> dict[str, Any]:
    fields = [{"op": op, "field": field, "as": name} for op, name in (("lag", "before"), ("lead", "after"))]
    return {"window": fields, "groupby": ["label"]}


_POINTS = [
    {"flatten": ["x", "y", "raw", "low", "high"]},
    _neighbours("y"),
    {**_of_all(points="valid y"), "groupby": ["label"]},
    _of_all(y0="min y", y1="max y", raw0="min raw", raw1="max raw", low0="min low", high1="max high"),
    *_calculated({
        "dot": f"isValid(datum.y) && (datum.points <= {MANY_DOTS} || !isValid(datum.before) && !isValid(datum.after))"
    }),
]  # fmt: skip

_BEFORE, _AFTER = "datum.x - datum.before", "datum.after - datum.x"
_STRETCHES = [
    {"flatten": ["x", "y"]},
    _neighbours("x"),
    *_calculated({
        "left": f"isValid(datum.before) ? {_BEFORE} : isValid(datum.after) ? {_AFTER} : 2 * datum.half",
        "right": f"isValid(datum.after) ? {_AFTER} : isValid(datum.before) ? {_BEFORE} : 2 * datum.half",
        "x0": "datum.x - datum.left / 2",
        "x1": "datum.x + datum.right / 2",
    }),
    {**_of_all(present="valid y"), "groupby": ["x"]},
    {"filter": "datum.present == datum.parts"},
]  # fmt: skip
_OPPOSED = _calculated({"low": "0", "high": "datum.place ? -datum.y : datum.y"})
_STACKED = [{"stack": "y", "groupby": ["x"], "sort": [{"field": "place"}], "as": ["low", "high"], "offset": "zero"}]


# Altair takes a tenth of a second for a spec, and many charts of a page are alike.
@cache
def _lines(
    labels: tuple[str, ...], colours: tuple[str, ...], number_format: str, is_banded: bool, is_log: bool
) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "log"} if is_log else {"zero": False}
    scale = alt.Scale(nice=False, **kind)
    y_axis = alt.Y("y:Q", title=Y_TITLE, scale=scale, axis=alt.Axis(format=number_format, tickCount=5))
    colours_of = alt.Scale(domain=list(labels), range=list(colours))
    stroke = alt.Legend(symbolType="stroke", symbolSize=340, columns=_columns(labels))
    chart = alt.Chart(alt.NamedData(DATA))
    ends = [chart.mark_point(opacity=0).encode(y=alt.Y(f"min({end}):Q", scale=scale)) for end in ("lowest", "highest")]
    base = chart.encode(_x(), color=alt.Color("label:N", scale=colours_of, legend=None))
    band = base.mark_area(opacity=0.16, clip=True).encode(y=alt.Y("drawn_low:Q", scale=scale), y2="drawn_high:Q")
    raw = base.mark_line(opacity=0.3, strokeWidth=1, clip=True).encode(y=alt.Y("raw:Q", scale=scale))
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
    together = alt.layer(*ends, *([band] if is_banded else []), raw, line, point)
    return _finished(together.resolve_legend(color="independent", shape="independent", strokeDash="independent"))


def bars(
    labels: Sequence[str], colours: Sequence[str], *, y_title: str, is_share: bool = False, is_opposed: bool = False
) -> dict[str, Any]:
    """Draws bars on each other, or the first upwards and the others downwards, where all series have a value."""
    spec = painted(_bars(tuple(labels), tuple(colours), _format(is_share)), {Y_TITLE: y_title})
    return {**spec, "transform": [*_STRETCHES, *(_OPPOSED if is_opposed else _STACKED)]}


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


def _format(is_share: bool) -> str:
    return ".2~%" if is_share else ".4~g"


def _tooltips(number_format: str, *, is_banded: bool) -> list[alt.Tooltip]:
    exact = ".2%" if "%" in number_format else ".5~g"
    ends = [("low", "from"), ("high", "to")] if is_banded else []
    return [
        alt.Tooltip("label:N", title="what"),
        alt.Tooltip("x:Q", title="at", format=",.5~g"),
        alt.Tooltip("y:Q", title="value", format=exact),
        *(alt.Tooltip(f"{field}:Q", title=title, format=exact) for field, title in ends),
    ]


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
