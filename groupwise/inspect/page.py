"""Writes groups as a page with filters: a card a group, with its perplexities on a line."""

import math
import re
from argparse import Namespace
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Final

from markupsafe import Markup

from groupwise.errors import GroupwiseError
from groupwise.files import replacing
from groupwise.html_page import fill, template
from groupwise.inspect.groups import KINDS, Census, Group, Response
from groupwise.inspect.text import excerpt, number, one_line, visible
from groupwise.inspect.words import INKS, about, fate, happened, many, settings_of

PAGE_CHARACTERS: Final = 5_000_000
"""Of all groups' HTML: beyond some megabytes a page is slow to search. One group is shown whatever its size."""

MOST: Final = 10_000
"""Characters of a text, --full apart."""

WIDTH, HEIGHT = 300, 40
LEFT, RIGHT, MIDDLE = 10, 290, 16
"""Size of the drawing of perplexities; ends and height of its line."""


def write_page(given: Namespace, groups: Iterable[Group], census: Census, *, matching: int) -> str:
    """Writes the page, whole or not at all, of the groups that are shown, which are read as they are needed.

    Returns:
        What was left out of the `matching` groups that were asked for, behind a colon; "" where nothing was.

    Raises:
        GroupwiseError: The file's place is taken by a folder.
        OSError: The file cannot be written.
    """
    output: Path = given.output
    if output.is_dir():
        raise GroupwiseError(
            f"-o must name the file of a page, but {output} is a folder; add a name, such as page.html."
        )
    display, acts = census.display, census.display.acts
    kept = list(_within(groups, full=given.full))
    left = f"{len(kept):,} of {many(matching, 'such group')}" if len(kept) < matching else ""
    why = "--limit" if len(kept) == given.limit else "a page's size"
    left = f"{left}, for {why}; --step, --kind and other options select" if left else ""
    ways = ["up", "down", *(["both"] if census.directions["both"] else [])]
    sources = sorted({visible(group.data_source) for _, group in kept})
    page = fill(
        "groupwise.inspect",
        f"What {display} {'would have done' if census.estimators else 'did'}",
        about=" ".join(about(census)),
        settings=settings_of(census),
        # Without its own element, a line may end between the hyphens of an option.
        left=Markup(re.sub(r"--\w+", r"<code>\g<0></code>", escape(left))),
        display=display,
        reading=subscripts(display.reading),
        steps={str(step): str(step) for step in sorted({group.step for _, group in kept})},
        kinds={kind: kind for kind in KINDS},
        ways={**{way: way for way in ways}, "none": "left alone"},
        codes={each.code: f"{each.code}: {each.meaning}" for each in acts.labels.values()},
        label=given.label,
        verdicts={verdict: verdict for verdict in INKS},
        sources={source: source or "unnamed" for source in sources},
        cards=[card for card, _ in kept],
    )
    with replacing(output) as partial:
        partial.write_text(page, encoding="utf-8")
    return f": {left}" if left else ""


def _within(groups: Iterable[Group], *, full: bool) -> Iterator[tuple[Markup, Group]]:
    size = 0
    for group in groups:
        text = card(group, is_open=size == 0, full=full)
        size += len(text)
        if size > PAGE_CHARACTERS and size > len(text):
            return
        # Texts are in the card; what the controls list is short.
        yield text, group._replace(prompt="", responses=[])


def subscripts(name: str) -> Markup:
    """Escapes a text, and sets what follows an underscore low: R_r."""
    return Markup(re.sub(r"\b([A-Z])_(\w)\b", r"\1<sub>\2</sub>", escape(name)))


def card(group: Group, *, is_open: bool, full: bool) -> Markup:
    """Writes the card of a group, unfolded or not; what the filters go by stands in data attributes."""
    arrow = {"up": "\u25b2", "down": "\u25bc", "both": "\u25b2\u25bc", None: ""}[group.direction]
    facts = {
        "ground truth": one_line(group.ground_truth, 400) or "-",
        **group.facts,
        "prompt's uid": one_line(group.uid, 120),
        "data source": one_line(group.data_source, 120) or "-",
    }
    written = template("groupwise.inspect", "card.html").render(
        group=group,
        is_open=is_open,
        most=None if full else MOST,
        badge=f"{arrow} {'' if group.applied else 'would be '}{group.direction}" if arrow else happened(group),
        right=sum(response.verdict == "right" for response in group.responses),
        drawing=Markup(draw(group)),
        facts=facts,
        inks=INKS,
        **{function.__name__: function for function in (excerpt, fate, one_line, subscripts, visible)},
        facts_of=_facts_of,
    )
    return Markup(written)


def _facts_of(response: Response) -> dict[str, str]:
    return {
        "perplexity": number(response.perplexity),
        "score": number(response.score, ".4g"),
        **response.facts,
        "advantage": f"{number(response.advantage_before, '+.3f')} \u2192 {number(response.advantage_after, '+.3f')}",
        "tokens": number(response.length, "d"),
    }


def draw(group: Group) -> str:
    """Draws a group's perplexities on a line, as SVG; "" where no response has a finite one."""
    values = [response.perplexity for response in group.responses]
    marks = [value for value in [*values, *group.marks.values()] if value is not None and 0 < value < math.inf]
    if not marks:
        return ""
    low, high = math.log(min(marks)), math.log(max(marks))
    parts = [f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{MIDDLE}" y2="{MIDDLE}"/>']
    for name, value in group.marks.items():
        x = _x(value, low, high)
        anchor = "start" if x < 60 else "end" if x > WIDTH - 60 else "middle"
        parts.append(f'<line class="tau" x1="{x:.1f}" x2="{x:.1f}" y1="3" y2="28"/>')
        parts.append(f'<text x="{x:.1f}" y="38" text-anchor="{anchor}">{escape(name)} {number(value)}</text>')
    # Those that were acted on last, so that none covers them.
    for response in sorted(group.responses, key=lambda response: response.fate is not None):
        if response.perplexity is not None:
            parts.append(_mark(response, _x(response.perplexity, low, high)))
    label = escape(f"Perplexities from {number(min(marks))} to {number(max(marks))}, on a logarithmic scale")
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
    chosen = " chosen" if response.fate else ""
    title = f"<title>response {response.number}: {response.verdict}, perplexity {number(response.perplexity)}</title>"
    radius = 6 if response.fate else 4
    if response.verdict == "wrong":
        d = radius * 0.8
        path = f"M{x - d:.1f} {MIDDLE - d:.1f}l{2 * d:.1f} {2 * d:.1f}m0 {-2 * d:.1f}l{-2 * d:.1f} {2 * d:.1f}"
        return f'<path class="wrong{chosen}" d="{path}">{title}</path>'
    return f'<circle class="{response.verdict}{chosen}" cx="{x:.1f}" cy="{MIDDLE}" r="{radius}">{title}</circle>'
