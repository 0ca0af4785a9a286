"""Writes groups as a page with filters: a card a group, with its perplexities on a line."""

import math
import os
import re
from argparse import Namespace
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

from groupwise.errors import GroupwiseError
from groupwise.html_page import render
from groupwise.inspect.groups import KINDS, Census, Group, Response
from groupwise.inspect.text import excerpt, number, one_line, visible
from groupwise.inspect.words import about, fate, happened, many, settings_of

PAGE_CHARACTERS: Final = 5_000_000
"""Of all groups' HTML: beyond some megabytes a page is slow to search. One group is shown whatever its size."""

MOST: Final = 10_000
"""Characters of a text, --full apart."""

INKS: Final = {"right": "good", "wrong": "bad", "unjudged": "warn"}
WIDTH, HEIGHT = 300, 40
LEFT, RIGHT, MIDDLE = 10, 290, 16
"""Size of the drawing of perplexities; ends and height of its line."""


def write_page(given: Namespace, groups: Iterable[Group], census: Census, *, matching: int) -> str:
    """Writes the page, whole or not at all.

    Args:
        given: What was asked for, the file among it.
        groups: Those that are shown, read as they are needed.
        census: Of the dumps.
        matching: Number of groups that were asked for.

    Returns:
        What was left out, behind a colon; "" where nothing was.

    Raises:
        GroupwiseError: The file's place is taken by a folder.
        OSError: The file cannot be written.
    """
    output: Path = given.output
    if output.is_dir():
        raise GroupwiseError(
            f"-o must name the file of a page, but {output} is a folder; add a name, such as page.html."
        )
    kept = list(_within(groups, full=given.full))
    left = f"{len(kept):,} of {many(matching, 'such group')}" if len(kept) < matching else ""
    why = "--limit" if len(kept) == given.limit else "a page's size"
    left = f"{left}, for {why}; --step, --kind and other options select" if left else ""
    title = f"What {census.display} {'would have done' if census.estimators else 'did'}"
    cards, shown = [text for text, _ in kept], [group for _, group in kept]
    body = f"{_introduction(census, left)}{_controls(shown, census, given.wanted.label)}\n{''.join(cards)}\n"
    output.parent.mkdir(parents=True, exist_ok=True)
    partial_file = output.with_name(f".{output.name}.partial")
    partial_file.write_text(
        render(title, body, style=_asset("page.css"), scripts=[_asset("page.js")]), encoding="utf-8"
    )
    os.replace(partial_file, output)
    return f": {left}" if left else ""


def _asset(name: str) -> str:
    return (files("groupwise.inspect") / name).read_text(encoding="utf-8")


def _within(groups: Iterable[Group], *, full: bool) -> Iterator[tuple[str, Group]]:
    size = 0
    for group in groups:
        text = card(group, is_open=size == 0, full=full)
        size += len(text)
        if size > PAGE_CHARACTERS and size > len(text):
            return
        # Texts are in the card; what the controls list is short.
        yield text, group._replace(prompt="", responses=[])


def _introduction(census: Census, left: str) -> str:
    sentences = " ".join(escape(sentence) for sentence in about(census))
    # Without its own element, a line may end between the hyphens of an option.
    options = re.sub(r"--\w+", r"<code>\g<0></code>", escape(left))
    note = f'<p class="warn left-out">Shown here: {options}.</p>' if left else ""
    return (
        f'<p>{sentences}</p><p class="faint">Settings: {escape(settings_of(census))}.</p>{note}'
        '<details class="faint"><summary>How to read this page</summary><p>A card is a prompt with its responses. On '
        "its line of perplexities (logarithmic) a ring is a right response, a cross a wrong one. The advantage is that "
        f"of the verified rewards alone, then that with {escape(str(census.display))}. "
        f"{_subscripts(escape(census.display.reading))}</p></details>"
    )


def _subscripts(name: str) -> str:
    return re.sub(r"\b([A-Z])_(\w)\b", r"\1<sub>\2</sub>", name)


def _controls(groups: list[Group], census: Census, label: str | None) -> str:
    acts = census.display.acts
    steps = {str(step): str(step) for step in sorted({group.step for group in groups})}
    sources = {source: source or "unnamed" for source in sorted({visible(group.data_source) for group in groups})}
    codes = {each.code: f"{each.code}: {each.meaning}" for each in acts.labels.values()}
    ways = ["up", "down", *(["both"] if census.directions["both"] else [])]
    return f"""<div class="controls" role="search">
{_select("step", "Step", steps)}
{_select("kind", "Group", {kind: kind for kind in KINDS})}
{_select("direction", "Direction", {**{way: way for way in ways}, "none": "left alone"})}
{_select("label", acts.label_title, codes, label) if codes else ""}
{_select("verdict", "Verdict", {verdict: verdict for verdict in INKS})}
{_select("source", "Data source", sources)}
<label>Text <input id="search" type="search" placeholder="in prompts and responses"></label>
<label class="check"><input id="whole" type="checkbox"> whole groups</label>
<output id="count"></output>
<span class="buttons"><button id="open" type="button">Open all</button>
<button id="reset" type="button">Reset filters</button></span>
</div>"""


def _select(name: str, label: str, values: dict[str, str], chosen: str | None = None) -> str:
    options = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(shown)}</option>'
        for value, shown in values.items()
    )
    # The first option has a value that no group can have: a source may well be named "".
    return f'<label>{label} <select id="{name}"><option value="*any*">any</option>{options}</select></label>'


def card(group: Group, *, is_open: bool, full: bool) -> str:
    """Writes the card of a group, unfolded or not; what the filters go by stands in data attributes."""
    most = None if full else MOST
    responses = "\n".join(_response(response, group, most) for response in group.responses)
    source = escape(visible(group.data_source))
    return f"""<details class="group panel" data-step="{group.step}" data-kind="{group.kind}"
 data-direction="{group.direction or "none"}" data-source="{source}"{" open" if is_open else ""}>
<summary>{_summary(group)}</summary>
<dl class="facts">{_facts(group)}</dl>
<h3>Prompt</h3>
{_text(group.prompt, most)}
<h3>Responses</h3>
{responses}
<p class="faint rest" hidden></p>
</details>
"""


def _summary(group: Group) -> str:
    right = sum(response.verdict == "right" for response in group.responses)
    prompt = escape(one_line(group.prompt, 160))
    return (
        f'<span class="line"><span class="badge {group.direction or "none"}">{_badge(group)}</span> '
        f"<b>step {group.step}</b> {group.kind} <span class='faint'>{right} of {len(group.responses)} right</span>"
        f' <span class="faint source">{escape(one_line(group.data_source, 40))}</span></span>'
        f'<span class="snippet" dir="auto">{prompt}</span>{draw(group)}'
    )


def _badge(group: Group) -> str:
    if group.direction is None:
        return happened(group)
    arrow = {"up": "\u25b2", "down": "\u25bc", "both": "\u25b2\u25bc"}[group.direction]
    return f"{arrow} {'' if group.applied else 'would be '}{group.direction}"


def _facts(group: Group) -> str:
    facts = {
        "ground truth": one_line(group.ground_truth, 400) or "-",
        **group.facts,
        "prompt's uid": one_line(group.uid, 120),
        "data source": one_line(group.data_source, 120) or "-",
    }
    return "".join(
        f'<div><dt>{escape(name)}</dt><dd dir="auto">{escape(value)}</dd></div>' for name, value in facts.items()
    )


def _response(response: Response, group: Group, most: int | None) -> str:
    facts = {
        "perplexity": number(response.perplexity),
        "score": number(response.score, ".4g"),
        **response.facts,
        "advantage": f"{number(response.advantage_before, '+.3f')} \u2192 {number(response.advantage_after, '+.3f')}",
        "tokens": number(response.length, "d"),
    }
    pairs = "".join(
        f"<span><i>{_subscripts(escape(name))}</i> {escape(one_line(value, 120))}</span>"
        for name, value in facts.items()
    )
    read = f" <span><i>answer</i> <code>{escape(one_line(response.pred, 120))}</code></span>" if response.pred else ""
    acts = group.display.acts
    label = f'<abbr title="{escape(acts.label_title.lower())}">{response.label or "--"}</abbr>' if acts.labels else ""
    note = f'<b class="fate">{escape(fate(group, response.fate))}</b>' if response.fate else ""
    return (
        f'<article class="response{" chosen " + response.fate if response.fate else ""}" '
        f'data-label="{response.label or "none"}" data-verdict="{response.verdict}"><header>'
        f'<b>{response.number}</b><b class="{INKS[response.verdict]}">{response.verdict}</b>{label}{note}{pairs}'
        f"<span class='faint'>{escape(one_line(response.why, 200))}</span>{read}</header>{_text(response.text, most)}"
        "</article>"
    )


def _text(text: str, most: int | None) -> str:
    parts = excerpt(text.strip("\n"), most)
    middle = ""
    if parts.left_out:
        middle = f'<span class="cut">{parts.left_out:,} characters left out; --full keeps them</span>'
    return f'<pre dir="auto" tabindex="0">{escape(parts.head)}{middle}{escape(parts.tail)}</pre>'


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
