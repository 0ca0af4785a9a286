"""Writes what was found as a page: a table of the signs, and of each its course, its threshold and examples."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from groupwise.audit.signs import Seen, cells, shown
from groupwise.html_page import fill
from groupwise.inspect.text import excerpt

EXAMPLES: Final = 3
MOST: Final = 1_500
"""Characters of a text."""
WIDTH, HEIGHT, EDGE = 640, 150, 64


def write_page(seen: Sequence[Seen], frame: pd.DataFrame, notes: Sequence[str], title: str) -> str:
    """Writes the page of a run's responses; what was found stands first."""
    found = sum(one.step is not None for one in seen)
    return fill(
        "groupwise.audit",
        title,
        count=f"{found} of {len(seen)} signs" if found else f"None of {len(seen)} signs",
        responses=f"{len(frame):,}",
        steps=frame["step"].nunique(),
        seen=seen,
        cells=cells,
        course=_course,
        most=EXAMPLES,
        example_of=lambda place: _example(frame.loc[place]),
        notes=notes,
    )


def _course(seen: Seen) -> Markup:
    """Draws the curve over the steps, with the limit, as SVG."""
    if len(seen.curve) < 2:
        return Markup()
    limits = [seen.limit] if np.isfinite(seen.limit) else []
    low, high = min(0.0, *seen.curve), max([*seen.curve, *limits]) or 1.0
    right, bottom = WIDTH - 10, HEIGHT - 22

    def place(step: float, value: float) -> tuple[float, float]:
        first, last = seen.steps[0], seen.steps[-1]
        across = EDGE + (step - first) / (last - first) * (right - EDGE)
        return round(across, 1), round(bottom - (value - low) / (high - low) * (bottom - 12), 1)

    points = [place(step, value) for step, value in zip(seen.steps, seen.curve, strict=True)]
    heights = [place(seen.steps[0], limit)[1] for limit in limits]
    rules = [f'<line class="limit" x1="{EDGE}" x2="{right}" y1="{y}" y2="{y}"/>' for y in heights]
    label = f"{escape(seen.sign.title)} by step; the dashed line is the limit"
    parts = [
        f'<line class="axis" x1="{EDGE}" x2="{right}" y1="{bottom}" y2="{bottom}"/>',
        *rules,
        f'<polyline points="{" ".join(f"{x},{y}" for x, y in points)}"/>',
        *(f'<circle cx="{x}" cy="{y}" r="2.6"/>' for x, y in points),
        f'<text x="0" y="16">{shown(seen, high)}</text><text x="0" y="{bottom + 2}">{shown(seen, low)}</text>',
        f'<text x="{EDGE}" y="{HEIGHT - 5}">step {seen.steps[0]}</text>',
        f'<text x="{right}" y="{HEIGHT - 5}" text-anchor="end">step {seen.steps[-1]}</text>',
    ]
    return Markup(
        f'<svg class="course" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>'
        f"{''.join(parts)}</svg>"
    )


def _example(row: pd.Series) -> dict[str, Any]:
    known = {"right": row["right"], "held out": row["held"], "score": row["score"]}
    texts = {"prompt": row["prompt"], "response": row["response"], "ground truth": row["ground_truth"] or "-"}
    return {
        "step": row["step"],
        "facts": "  ".join(f"{name} {value:.3g}" for name, value in known.items() if not np.isnan(value)),
        "texts": {name: _cut(text) for name, text in texts.items()},
    }


def _cut(text: str) -> str:
    parts = excerpt(text.strip("\n"), MOST)
    middle = f"\n... {parts.left_out:,} characters ...\n" if parts.left_out else ""
    return f"{parts.head}{middle}{parts.tail}"
