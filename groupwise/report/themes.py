"""Colours of the charts, light and dark, and Vega's settings for both.

Colours follow Okabe and Ito's palette, which the common forms of colour blindness tell apart; the dark ones are its
hues, lightened. A spec names both (`theme:#6e747c/#a9b0ba`), so that a page changes its theme without other specs. The
baseline is grey and dashed throughout; variants differ in dash and shape as well as in colour.
"""

import re
from collections.abc import Mapping
from typing import Any

from groupwise.display import BASE, METHOD, Colour
from groupwise.html_page import DARK, LIGHT

TOKEN = "theme:"
TOKEN_FORM = re.compile(f"{TOKEN}(?P<light>#[0-9A-Fa-f]{{6}})/(?P<dark>#[0-9A-Fa-f]{{6}})")
X_TITLE, Y_TITLE = f"{TOKEN}x", f"{TOKEN}y"
DASHES = ([5, 3], [1, 0], [2, 2], [9, 3, 2, 3])
SHAPES = ("square", "circle", "triangle-up", "diamond")
FONT = "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, Liberation Sans, Arial, sans-serif"

BASELINE = BASE
VARIANTS = (
    METHOD, Colour("#D55E00", "#ff8c42"), Colour("#009E73", "#2fc79a"), Colour("#B65B92", "#e39cc4"),
    Colour("#C78500", "#f2b632"), Colour("#4b9fd1", "#8fd0f5"), Colour("#7a62c9", "#b3a1ee"),
)  # fmt: skip
SERIES = tuple(
    Colour(colour, colour)
    for colour in (
        "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8c7ad6", "#b8a800",
        "#6f9ceb", "#a86b4c", "#5fb3a1", "#d98aa3", "#94a1b3", "#c9ced6", "#7d8590",
    )
)  # fmt: skip
"""Colours of series that name none, by their order."""


def token(colour: Colour) -> str:
    """What stands for a colour in a spec."""
    return f"{TOKEN}{colour.light}/{colour.dark}"


def variant_colours(count: int, baseline: int | None) -> list[Colour]:
    """Gives each variant its colour: the baseline is grey, the others follow in order."""
    others = [VARIANTS[place % len(VARIANTS)] for place in range(count)]
    return [BASELINE if place == baseline else others.pop(0) for place in range(count)]


def config(*, dark: bool) -> dict[str, Any]:
    """Vega-Lite's `config` of a theme."""
    colours = DARK if dark else LIGHT
    text, faint, line = colours["text"], colours["faint"], colours["line"]
    return {
        "background": colours["panel"],
        "font": FONT,
        "padding": {"left": 4, "right": 10, "top": 4, "bottom": 4},
        "view": {"stroke": None},
        "title": {"color": text, "fontSize": 14, "fontWeight": 600, "anchor": "start", "offset": 10},
        "axis": {
            "labelColor": faint, "titleColor": faint, "gridColor": line, "domainColor": line, "tickColor": line,
            "labelFontSize": 11, "titleFontSize": 11.5, "titleFontWeight": 400, "gridOpacity": 0.7, "labelFlush": False,
            "titlePadding": 6, "tickCount": 6, "labelLimit": 110,
        },
        "legend": {
            "labelColor": text, "labelFontSize": 11.5, "orient": "top", "title": None, "direction": "horizontal",
            "symbolStrokeWidth": 2.5, "symbolSize": 140, "labelLimit": 260, "columnPadding": 14, "offset": 6,
            "padding": 0,
        },
    }  # fmt: skip


def painted(value: Any, titles: Mapping[str, str], *, dark: bool | None = None) -> Any:
    """Replaces titles of axes in a spec, and tokens of colours by a theme's where one is named.

    A label that looks like a token of a title or a colour is replaced alike in data and domains; it stays a label.
    """
    if isinstance(value, dict):
        return {key: painted(inner, titles, dark=dark) for key, inner in value.items()}
    if isinstance(value, list):
        return [painted(inner, titles, dark=dark) for inner in value]
    both = TOKEN_FORM.fullmatch(value) if isinstance(value, str) and dark is not None else None
    if both:
        return both["dark" if dark else "light"]
    return titles.get(value, value) if isinstance(value, str) else value
