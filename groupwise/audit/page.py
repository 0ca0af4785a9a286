"""Writes what was found as a page: a table of the signs, and of each its course, its threshold and examples."""

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
import pandas as pd

from groupwise.audit.signs import Seen, shown
from groupwise.html_page import render
from groupwise.inspect.text import excerpt

EXAMPLES: Final = 3
MOST: Final = 1_500
"""Characters of a text."""
WIDTH, HEIGHT, EDGE = 640, 150, 64

STYLE: Final = """
.found { color: var(--bad); font-weight: 600; } .plain { color: var(--faint); }
svg.course { display: block; width: 100%; max-width: 44rem; height: auto; }
svg.course polyline { fill: none; stroke: var(--accent); stroke-width: 2.2; }
svg.course .axis { stroke: var(--line); } svg.course text { fill: var(--faint); font-size: 11px; }
svg.course .limit { stroke: var(--warn); stroke-dasharray: 5 4; } svg.course circle { fill: var(--accent); }
.example { margin: 0.8rem 0; } .example pre { background: var(--sunk); padding: 0.5rem 0.7rem; border-radius: 6px; }
.example p { margin: 0.2rem 0; }
"""


def write_page(seen: Sequence[Seen], frame: pd.DataFrame, notes: Sequence[str], title: str) -> str:
    """Writes the page of a run's responses."""
    found = [one for one in seen if one.step is not None]
    count = f"{len(found)} of {len(seen)} signs" if found else f"None of {len(seen)} signs"
    head = (
        f"<p>{count} in {len(frame):,} responses of {frame['step'].nunique()} steps. A sign is a reason to read the "
        "responses, and no proof.</p>"
    )
    rows = "".join(
        f'<tr><th><a href="#{one.sign.name}">{escape(one.sign.title)}</a></th><td>{_since(one)}</td>'
        f"<td>{_end(one, 0)}</td><td>{_end(one, -1)}</td><td>{_limit(one)}</td></tr>"
        for one in seen
    )
    table = (
        '<div class="panel scroll"><table><thead><tr><th>sign</th><th></th><th>first</th><th>last</th>'
        f"<th>told above</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
    told = "".join(f"<li>{escape(note)}</li>" for note in notes)
    sections = "".join(_section(one, frame) for one in [*found, *(one for one in seen if one.step is None)])
    return render(title, f"{head}{table}{sections}<ul class='faint'>{told}</ul>", style=STYLE)


def _limit(seen: Seen) -> str:
    return shown(seen, seen.limit) if np.isfinite(seen.limit) else "-"


def _end(seen: Seen, place: int) -> str:
    return shown(seen, seen.curve[place] if seen.curve else np.nan)


def _since(seen: Seen) -> str:
    if seen.step is not None:
        return f'<span class="found">since step {seen.step}</span>'
    return f'<span class="plain">{"no" if seen.curve else "not known"}</span>'


def _section(seen: Seen, frame: pd.DataFrame) -> str:
    examples = (
        "".join(_example(frame.loc[place]) for place in seen.examples[:EXAMPLES]) if seen.step is not None else ""
    )
    return (
        f'<section class="panel" id="{seen.sign.name}"><h2>{escape(seen.sign.title)}: {_since(seen)}</h2>'
        f"<p>{escape(seen.sign.why)}</p>{_course(seen)}{examples}</section>"
    )


def _course(seen: Seen) -> str:
    """Draws the curve over the steps, with the limit, as SVG."""
    if len(seen.curve) < 2:
        return ""
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
    return (
        f'<svg class="course" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>'
        f"{''.join(parts)}</svg>"
    )


def _example(row: pd.Series) -> str:
    known = {"right": row["right"], "held out": row["held"], "score": row["score"]}
    facts = "  ".join(f"{name} {value:.3g}" for name, value in known.items() if not np.isnan(value))
    texts = {"prompt": row["prompt"], "response": row["response"], "ground truth": row["ground_truth"] or "-"}
    shown_ = "".join(f'<p class="faint">{name}</p><pre dir="auto">{_text(text)}</pre>' for name, text in texts.items())
    return (
        f'<details class="example" open><summary>step {row["step"]}  <small>{facts}</small></summary>{shown_}</details>'
    )


def _text(text: str) -> str:
    parts = excerpt(text.strip("\n"), MOST)
    middle = f"\n... {parts.left_out:,} characters ...\n" if parts.left_out else ""
    return f"{escape(parts.head)}{middle}{escape(parts.tail)}"
