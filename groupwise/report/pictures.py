"""Writes the charts as PNG files, without a browser: vl-convert draws the page's own specs."""

import copy
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from groupwise.report.charts import LEAST_TICK
from groupwise.report.panels import Panel
from groupwise.report.rows import extent, form_rows
from groupwise.report.store import ArmCurves
from groupwise.report.themes import X_TITLE, painted, theme

VEGA_LITE = "6.4"
"""The release whose schema the pinned Altair writes."""

WIDTH = 560
SCALE = 2.0
STEP = "training step"


def full_spec(panel: Panel, arms: Sequence[ArmCurves], *, dark: bool) -> dict[str, Any] | None:
    """Completes the spec of a chart.

    Args:
        panel: The chart.
        arms: The curves of all arms.
        dark: Whether it is drawn for a dark page.

    Returns:
        A spec with data, size, title and colours; None where nothing was logged.
    """
    rows = form_rows(panel, arms)
    if not rows:
        return None
    chosen = theme(dark=dark)
    spec = painted(copy.deepcopy(panel.spec), {**chosen.tokens, X_TITLE: STEP})
    values = {**extent(panel, rows)._asdict(), LEAST_TICK: 1}
    for parameter in spec["params"]:
        parameter["value"] = values[parameter["name"]]
    return {**spec, "config": chosen.config, "datasets": {"rows": rows}, "width": WIDTH, "title": panel.title}


def write_pictures(panels: Iterable[Panel], arms: Sequence[ArmCurves], folder: Path) -> list[Path]:
    """Writes a PNG for each chart that has something to show, but for the explorer.

    Args:
        panels: The charts.
        arms: The curves of all arms.
        folder: Where to write, made where it is not there; the theme is the light one.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for panel in panels:
        spec = None if panel.explores else full_spec(panel, arms, dark=False)
        if spec is not None:
            file = folder / f"{file_name(panel)}.png"
            file.write_bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE))
            files.append(file)
    return files


def file_name(panel: Panel) -> str:
    """Names a chart's picture: its key, and of its title what a file name may hold."""
    return f"{panel.key}-{re.sub(r'[^a-z0-9]+', '-', panel.title.lower()).strip('-')[:60]}".rstrip("-")
