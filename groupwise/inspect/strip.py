"""Draws a group's perplexities on a line, with tau*: which side each response lies on is what DiPO decides by."""

import html
import math

from groupwise.inspect.groups import Group, Response
from groupwise.inspect.text import number

WIDTH, HEIGHT = 300, 40
LEFT, RIGHT, MIDDLE = 10, 290, 16
"""Ends and height of the line, in the drawing's units."""


def draw(group: Group) -> str:
    """Draws the strip of a group.

    Args:
        group: The group.

    Returns:
        SVG for the page, of classes that page.css colours; "" where no response has a finite perplexity.
    """
    values = [response.perplexity for response in group.responses]
    marks = [value for value in [*values, group.threshold] if value is not None and 0 < value < math.inf]
    if not marks:
        return ""
    low, high = math.log(min(marks)), math.log(max(marks))
    parts = [f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{MIDDLE}" y2="{MIDDLE}"/>']
    if group.threshold is not None:
        x = _x(group.threshold, low, high)
        anchor = "start" if x < 60 else "end" if x > WIDTH - 60 else "middle"
        parts.append(f'<line class="tau" x1="{x:.1f}" x2="{x:.1f}" y1="3" y2="28"/>')
        parts.append(f'<text x="{x:.1f}" y="38" text-anchor="{anchor}">\u03c4* {number(group.threshold)}</text>')
    # The chosen one last, so that none covers it.
    for response in sorted(group.responses, key=lambda response: response.chosen):
        if response.perplexity is not None:
            parts.append(_mark(response, _x(response.perplexity, low, high)))
    label = html.escape(f"Perplexities from {number(min(marks))} to {number(max(marks))}, on a logarithmic scale")
    return (
        f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"<title>{label}</title>{''.join(parts)}</svg>"
    )


def _x(value: float, low: float, high: float) -> float:
    if value == math.inf or high == low:
        return RIGHT if value == math.inf else (LEFT + RIGHT) / 2
    place = (math.log(value) - low) / (high - low) if value > 0 else 0.0
    return LEFT + place * (RIGHT - LEFT)


def _mark(response: Response, x: float) -> str:
    chosen = " chosen" if response.chosen else ""
    title = f"<title>response {response.number}: {response.verdict}, perplexity {number(response.perplexity)}</title>"
    radius = 6 if response.chosen else 4
    if response.verdict == "wrong":
        d = radius * 0.8
        path = f"M{x - d:.1f} {MIDDLE - d:.1f}l{2 * d:.1f} {2 * d:.1f}m0 {-2 * d:.1f}l{-2 * d:.1f} {2 * d:.1f}"
        return f'<path class="wrong{chosen}" d="{path}">{title}</path>'
    return f'<circle class="{response.verdict}{chosen}" cx="{x:.1f}" cy="{MIDDLE}" r="{radius}">{title}</circle>'
