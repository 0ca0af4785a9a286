"""Forms the rows of a chart from the curves of arms, as page.js does; here without its controls, for pictures.

Every number has five significant digits, on the page as well: a picture shows fewer.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from groupwise.report.panels import Panel, Series
from groupwise.report.store import ArmCurves, Curve
from groupwise.report.validation_names import MAIN

MANY_DOTS = 40
"""Points of a curve up to which each is drawn."""

MARGIN = 0.04
"""Of the y axis beyond the curves."""

Row = dict[str, Any]


class Extent(NamedTuple):
    """Ends of the y axis."""

    lowest: float
    highest: float


def form_rows(panel: Panel, arms: Sequence[ArmCurves]) -> list[Row]:
    """Forms the rows of a chart, over training steps and without smoothing.

    Args:
        panel: The chart.
        arms: The curves of all arms, in their own order.

    Returns:
        Its rows, see `charts`; empty where none of its metrics was logged.
    """
    shown = list(arms) if panel.arm is None else [arms[panel.arm]]
    if panel.shape == "lines":
        return [row for arm in shown for series in panel.series for row in _line(panel, series, arm)]
    return list(_bars(panel, shown[0]))


def extent(panel: Panel, rows: Sequence[Row]) -> Extent:
    """Chooses the y axis of a chart of lines.

    Args:
        panel: The chart.
        rows: Its rows.

    Returns:
        Ends of the axis: what the curves reach, and their bands as far as the chart lets them, its floor, its smallest
        span, a margin; a share stays in [0, 1].
    """
    if not panel.is_log:
        return _extent(panel, rows, panel.floor)
    # The same in powers of ten.
    powers = [
        {name: None if row[name] is None else math.log10(row[name]) for name in ("y", "low", "high")} for row in rows
    ]
    low, high = _extent(panel, powers, None if panel.floor is None else math.log10(panel.floor))
    return Extent(10.0**low, 10.0**high)


def _extent(panel: Panel, rows: Sequence[Row], floor: float | None) -> Extent:
    values = [row["y"] for row in rows if row["y"] is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    ends = [row[name] for row in rows for name in ("low", "high") if row[name] is not None]
    slack = math.inf if panel.reach is None else panel.reach * max(high - low, panel.span, 0.1 * abs(high))
    low, high = max(min([low, *ends]), low - slack), min(max([high, *ends]), high + slack)
    if floor is not None:
        wanted = max(panel.span, high - floor) or 1.0
        high = floor + (1 + MARGIN) * wanted
        return Extent(floor, min(high, 1.0) if panel.is_share else high)
    wanted, middle = max(panel.span, high - low, 1e-9 + 0.01 * abs(high)), (low + high) / 2
    low, high = middle - (0.5 + MARGIN) * wanted, middle + (0.5 + MARGIN) * wanted
    if panel.is_share:
        # All of the span is kept where a curve runs along an end of what a share can be.
        low, high = (0.0, high - low) if low < 0 else (low, high)
        low, high = (max(0.0, low - (high - 1)), 1.0) if high > 1 else (low, high)
    return Extent(low, high)


def _metric(series: Series) -> str:
    return series.metrics if isinstance(series.metrics, str) else series.metrics[MAIN]


def _line(panel: Panel, series: Series, arm: ArmCurves) -> Iterator[Row]:
    curve = arm.curves.get(_metric(series))
    if curve is None:
        return
    grid = arm.grids[curve.grid]
    y, (low, high) = numbers(curve.mean), _ends(series, curve, arm)
    x, edges = numbers(grid.steps), _edges(grid.steps)
    few = sum(value is not None for value in y) <= MANY_DOTS
    for place, value in enumerate(y):
        alone = value is not None and all(y[near] is None for near in (place - 1, place + 1) if 0 <= near < len(y))
        yield {
            "x": x[place],
            "x0": edges[place],
            "x1": edges[place + 1],
            "y": value,
            "raw": value,
            "low": _not_below(low[place], panel.floor),
            "high": high[place],
            "label": series.label or arm.label,
            "dot": value is not None and (few or alone),
        }


def _ends(series: Series, curve: Curve, arm: ArmCurves) -> tuple[list[float | None], list[float | None]]:
    ends = [arm.curves.get(name) for name in series.ends or ()]
    if curve.low is not None and curve.high is not None and series.label is None:
        return numbers(curve.low), numbers(curve.high)
    if ends and all(end is not None and end.grid == curve.grid for end in ends):
        low, high = (numbers(end.mean) for end in ends if end is not None)
        return low, high
    if curve.low is not None and curve.high is not None and not series.ends:
        return numbers(curve.low), numbers(curve.high)
    none: list[float | None] = [None] * len(curve.mean)
    return none, none


def _bars(panel: Panel, arm: ArmCurves) -> Iterator[Row]:
    """Rows of the series that the arm has, at points where all of them have a value."""
    curves = [(one, arm.curves[_metric(one)]) for one in panel.series if _metric(one) in arm.curves]
    if not curves:
        return
    grid = curves[0][1].grid
    curves = [(one, curve) for one, curve in curves if curve.grid == grid]
    values = [numbers(curve.mean) for _, curve in curves]
    x, edges = numbers(arm.grids[grid].steps), _edges(arm.grids[grid].steps)
    for place in range(len(x)):
        level = 0.0
        if any(value[place] is None for value in values):
            continue
        for number, (one, _) in enumerate(curves):
            value = values[number][place] or 0.0
            low, high = (level, level + value) if panel.shape == "stack" else (0.0, -value if number else value)
            level = high
            yield {
                "x": x[place],
                "x0": edges[place],
                "x1": edges[place + 1],
                "y": value,
                "low": low,
                "high": high,
                "label": one.label,
            }


def _not_below(value: float | None, floor: float | None) -> float | None:
    """A band may reach below what the metric can be, where a logarithmic axis has no place at all."""
    return value if value is None or floor is None else max(value, floor)


def numbers(values: np.ndarray) -> list[float | None]:
    """Rounds to five significant digits; NaN becomes None."""
    return [float(f"{value:.5g}") if value == value else None for value in values.tolist()]


def _edges(steps: np.ndarray) -> list[float]:
    """Ends of the stretches that points stand for: halfway to their neighbours."""
    if len(steps) == 1:
        return [float(steps[0]) - 0.5, float(steps[0]) + 0.5]
    middle = (steps[1:] + steps[:-1]) / 2
    return [float(2 * steps[0] - middle[0]), *map(float, middle), float(2 * steps[-1] - middle[-1])]
