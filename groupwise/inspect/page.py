"""Writes groups as a page with filters."""

import os
import re
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from typing import Final

from groupwise.errors import GroupwiseError
from groupwise.html_page import render
from groupwise.inspect.card import card
from groupwise.inspect.finding import Census
from groupwise.inspect.groups import Group
from groupwise.inspect.options import Options
from groupwise.inspect.text import visible
from groupwise.inspect.words import about, many, settings_of

PAGE_CHARACTERS: Final = 5_000_000
"""Of all groups' HTML: beyond some megabytes a page is slow to search. One group is shown whatever its size."""

QUADRANT_NAMES: Final = {
    "EL": "EL: wrong, low",
    "CH": "CH: right, high",
    "CL": "CL: right, low",
    "EH": "EH: wrong, high",
}


def write_page(given: Options, groups: Iterable[Group], census: Census, *, matching: int) -> str:
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
    output = given.output
    assert output is not None  # this is what was asked for
    if output.is_dir():
        raise GroupwiseError(
            f"-o must name the file of a page, but {output} is a folder; add a name, such as page.html."
        )
    kept = list(_within(groups, full=given.full))
    left = f"{len(kept):,} of {many(matching, 'such group')}" if len(kept) < matching else ""
    why = "--limit" if len(kept) == given.limit else "a page's size"
    left = f"{left}, for {why}; --step, --kind and others choose" if left else ""
    title = "What DiPO did" if len(census.estimators) == 0 else "What DiPO would have done"
    cards, shown = [text for text, _ in kept], [group for _, group in kept]
    body = f"{_introduction(census, left)}{_controls(shown, given.wanted.quadrant)}\n{''.join(cards)}\n"
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
        "its line of perplexities (logarithmic) a ring is a right response, a cross a wrong one, the bold mark the "
        "chosen one: in a hard group (all wrong) it is rewarded, in an easy group (all right) penalised. "
        "R<sub>r</sub> is the reallocated reward; the advantage is that of the verified rewards alone, then that with "
        "R<sub>r</sub>. Quadrants: correct or error (C, E), of low or high perplexity (L, H), below or above "
        "\u03c4*.</p></details>"
    )


def _controls(groups: list[Group], quadrant: str | None) -> str:
    steps = sorted({group.step for group in groups})
    sources = sorted({visible(group.data_source) for group in groups})
    return f"""<div class="controls" role="search">
{_select("step", "Step", {str(step): str(step) for step in steps})}
{_select("kind", "Group", {"hard": "hard", "easy": "easy", "mixed": "mixed", "unjudged": "unjudged"})}
{_select("direction", "Direction", {"up": "up", "down": "down", "none": "left alone"})}
{_select("quadrant", "Quadrant", QUADRANT_NAMES, quadrant)}
{_select("verdict", "Verdict", {"right": "right", "wrong": "wrong", "unjudged": "unjudged"})}
{_select("source", "Data source", {source: source or "unnamed" for source in sources})}
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
