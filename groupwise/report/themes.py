"""Colours of the charts, light and dark, and Vega's settings for both.

Colours follow Okabe and Ito's palette, which the common forms of colour blindness tell apart; the dark ones are its
hues, lightened. Specs name colours by tokens (`theme:arm0`), so that the page can change its theme without other specs.
The baseline is grey and dashed throughout; arms differ in dash and shape as well as in colour.
"""

from typing import Any, NamedTuple

from groupwise.html_page import DARK, LIGHT

TOKEN = "theme:"
X_TITLE, Y_TITLE = f"{TOKEN}x", f"{TOKEN}y"
ARMS = 8
DASHES = ([5, 3], [1, 0], [2, 2], [9, 3, 2, 3])
SHAPES = ("square", "circle", "triangle-up", "diamond")
FONT = "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, Liberation Sans, Arial, sans-serif"


class Theme(NamedTuple):
    """What a chart needs to know of a theme.

    Attributes:
        tokens: Colour by token.
        config: Vega-Lite's `config`.
    """

    tokens: dict[str, str]
    config: dict[str, Any]


_LIGHT_ARMS = ("#6e747c", "#0072B2", "#D55E00", "#009E73", "#B65B92", "#C78500", "#4b9fd1", "#7a62c9")
_DARK_ARMS = ("#a9b0ba", "#4aa8e8", "#ff8c42", "#2fc79a", "#e39cc4", "#f2b632", "#8fd0f5", "#b3a1ee")

_SERIES = {
    "right": ("#009E73", "#2fc79a"),
    "wrong": ("#D55E00", "#ff8c42"),
    "threshold": ("#1f2328", "#f2f4f7"),
    "hard": ("#D55E00", "#e0763a"),
    "mixed": ("#d3d6da", "#4a505a"),
    "easy": ("#56B4E9", "#56B4E9"),
    "CL": ("#00805d", "#1f9d78"),
    "CH": ("#8fd6bf", "#9be3cc"),
    "EL": ("#c44f00", "#e0672a"),
    "EH": ("#f4bb94", "#f3c29f"),
    "base": ("#6e747c", "#a9b0ba"),
    "dipo": ("#0072B2", "#4aa8e8"),
}
_MIXED_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8c7ad6", "#b8a800",
    "#6f9ceb", "#a86b4c", "#5fb3a1", "#d98aa3", "#94a1b3", "#c9ced6", "#7d8590",
)  # fmt: skip
MIXED = len(_MIXED_COLOURS)


def theme(*, dark: bool) -> Theme:
    """Gives a theme.

    Args:
        dark: Whether it is the dark one.

    Returns:
        The theme.
    """
    colours, place = (DARK, 1) if dark else (LIGHT, 0)
    arms = _DARK_ARMS if dark else _LIGHT_ARMS
    tokens = {
        **{f"{TOKEN}arm{number}": colour for number, colour in enumerate(arms)},
        **{f"{TOKEN}{name}": pair[place] for name, pair in _SERIES.items()},
        **{f"{TOKEN}mix{number}": colour for number, colour in enumerate(_MIXED_COLOURS)},
    }
    text, faint, line = colours["text"], colours["faint"], colours["line"]
    config = {
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
    return Theme(tokens, config)


def painted(value: Any, tokens: dict[str, str]) -> Any:
    """Replaces tokens in a spec by what they stand for.

    Args:
        value: A spec, or a part of one.
        tokens: Values by token; a string that is none of them stays as it is.

    Returns:
        A copy with values in the place of tokens.
    """
    if isinstance(value, dict):
        return {key: painted(inner, tokens) for key, inner in value.items()}
    if isinstance(value, list):
        return [painted(inner, tokens) for inner in value]
    return tokens.get(value, value) if isinstance(value, str) else value
