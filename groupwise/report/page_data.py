"""What the page's script draws from: curves, charts and themes, as a tree for JSON."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from groupwise.report.panels import Panel, arm_colours
from groupwise.report.pictures import file_name
from groupwise.report.results import Results
from groupwise.report.rows import numbers
from groupwise.report.store import ArmCurves, Curve, Grid
from groupwise.report.themes import theme


def page_data(
    results: Results,
    curves: Sequence[ArmCurves],
    panels: Sequence[Panel],
    figures: Sequence[str],
    metrics: Sequence[str],
    reload: float | None,
) -> dict[str, Any]:
    """Collects what the script needs.

    Args:
        results: What the runs show.
        curves: The curves of each arm.
        panels: The charts.
        figures: Names of the validation figures to choose from.
        metrics: Names of the metrics to choose from.
        reload: Seconds after which the page loads itself again; None for a page that stays.

    Returns:
        The tree, numbers rounded to five significant digits; a spec that several charts share is in it once.
    """
    colours = arm_colours(len(results.arms), results.baseline)
    specs: dict[str, int] = {}
    shown = [_panel(panel, specs.setdefault(json.dumps(panel.spec), len(specs))) for panel in panels]
    return {
        "arms": [_arm(arm, colour) for arm, colour in zip(curves, colours, strict=True)],
        "panels": shown,
        "specs": [json.loads(spec) for spec in specs],
        "figures": list(figures),
        "metrics": list(metrics),
        "themes": {name: theme(dark=name == "dark")._asdict() for name in ("light", "dark")},
        "reload": reload,
    }


def _panel(panel: Panel, spec: int) -> dict[str, Any]:
    return {
        "key": panel.key,
        "shape": panel.shape,
        "series": [one._asdict() for one in panel.series],
        "arm": panel.arm,
        "spec": spec,
        "span": panel.span,
        "floor": panel.floor,
        "share": panel.is_share,
        "log": panel.is_log,
        "reach": panel.reach,
        "explores": panel.explores,
        "file": file_name(panel),
    }


def _arm(arm: ArmCurves, colour: str) -> dict[str, Any]:
    return {
        "label": arm.label,
        "colour": colour,
        "grids": [_grid(grid) for grid in arm.grids],
        "curves": {name: _curve(curve) for name, curve in arm.curves.items()},
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
