"""Prints groups for a terminal."""

import textwrap
from collections.abc import Callable, Iterator
from typing import Final

from groupwise.inspect.groups import Group, Response
from groupwise.inspect.text import Excerpt, excerpt, number, one_line
from groupwise.inspect.words import fate

MOST: Final = 600
"""Characters of a text, --full apart."""

CODES: Final = {"bold": 1, "dim": 2, "good": 32, "bad": 31, "warn": 33, "accent": 36}
INKS: Final = {"right": "good", "wrong": "bad", "unjudged": "warn"}

Paint = Callable[[str, str], str]
"""Gives a text and the name of its ink, the text as it is printed."""


def paint(text: str, ink: str) -> str:
    """Colours a text.

    Args:
        text: Made visible already.
        ink: A key of `CODES`.

    Returns:
        The text between escape sequences.
    """
    return f"\x1b[{CODES[ink]}m{text}\x1b[0m"


def plain(text: str, ink: str) -> str:
    """Leaves a text as it is, in place of `paint`."""
    del ink
    return text


def lines_of(
    group: Group, *, quadrant: str | None, whole: bool, full: bool, width: int, ink: Paint = plain
) -> Iterator[str]:
    """Prints a group.

    Args:
        group: The group.
        quadrant: The one that was asked for.
        whole: Whether responses of other quadrants are shown too.
        full: Whether texts are left uncut.
        width: Columns to wrap texts at; 0 for no wrapping.
        ink: `paint` or `plain`.

    Yields:
        Its lines.
    """
    most = None if full else MOST
    yield _head(group, ink)
    yield "  " + "   ".join(_facts(group))
    yield "  prompt"
    yield from _block(excerpt(group.prompt.strip("\n"), most), width, ink)
    shown = [
        response
        for response in group.responses
        if whole or quadrant is None or response.quadrant == quadrant or response.chosen
    ]
    for response in shown:
        yield _response_head(response, group, ink)
        yield from _block(excerpt(response.text.strip("\n"), most), width, ink)
    hidden = len(group.responses) - len(shown)
    if hidden:
        others = f"  {hidden} of {len(group.responses)} responses lie in other quadrants; --whole-groups shows them"
        yield ink(others, "dim")
    yield ""


def _head(group: Group, ink: Paint) -> str:
    if group.direction is None:
        what = f"{group.kind}, left alone"
    else:
        what = f"{group.kind}, {'' if group.applied else 'would have been '}reallocated {group.direction}"
    return f"{ink(f'== step {group.step}: {what}', 'bold')}  {ink(_named(group), 'dim')}"


def _named(group: Group) -> str:
    return f"{one_line(group.data_source, 60)} {one_line(group.uid, 80)}".strip()


def _facts(group: Group) -> list[str]:
    right = sum(response.verdict == "right" for response in group.responses)
    tau = "none admissible" if group.threshold is None else number(group.threshold)
    return [
        f"{right} of {len(group.responses)} right",
        f"tau* {tau}",
        f"group perplexity ({group.rule}) {number(group.group_perplexity)}",
        f"ground truth {one_line(group.ground_truth, 200) or '-'}",
    ]


def _response_head(response: Response, group: Group, ink: Paint) -> str:
    mark = " "
    if response.chosen and group.direction:
        mark = ("^" if group.direction == "up" else "v") if group.applied else "?"
    facts = [
        f"{mark} {response.number:>2}",
        ink(response.verdict, INKS[response.verdict]),
        response.quadrant or "--",
        f"perplexity {number(response.perplexity)}",
        f"score {number(response.score, '.4g')}",
        f"R_r {response.reallocated_reward:g}",
        f"advantage {number(response.advantage_before, '+.3f')} -> {number(response.advantage_after, '+.3f')}",
    ]
    if response.reason or response.error:
        facts.append(one_line(response.error or response.reason, 120))
    if response.pred:
        facts.append(f"answer {one_line(response.pred, 60)}")
    if response.chosen and group.direction:
        facts.append(ink(fate(group.direction, applied=group.applied), "accent"))
    return "  ".join(facts)


def _block(text: Excerpt, width: int, ink: Paint) -> Iterator[str]:
    """Prints a text behind a margin, so that nothing in it can pass for a line of this program."""
    margin = "     | "
    yield from (margin + line for line in _wrapped(text.head, width - len(margin)))
    if text.left_out:
        yield margin + ink(f"[... {text.left_out:,} characters left out; --full shows them ...]", "dim")
        yield from (margin + line for line in _wrapped(text.tail, width - len(margin)))


def _wrapped(text: str, width: int) -> Iterator[str]:
    for line in text.expandtabs(4).split("\n"):
        if width < 20:
            yield line
        else:
            yield from textwrap.wrap(line, width, drop_whitespace=False, replace_whitespace=False) or [""]
