"""Prints groups for a terminal. Without rich, which ends the process where a reader such as `head` leaves."""

import textwrap
from collections.abc import Callable, Iterator
from typing import Final

from groupwise.inspect.groups import Group, Response
from groupwise.inspect.text import Excerpt, excerpt, number, one_line
from groupwise.inspect.words import INKS, fate, happened

MOST: Final = 600
"""Characters of a text, --full apart."""

CODES: Final = {"bold": 1, "dim": 2, "good": 32, "bad": 31, "warn": 33, "accent": 36}

Paint = Callable[[str, str], str]
"""Gives a text and the name of its ink, the text as it is printed."""


def paint(text: str, ink: str) -> str:
    """Colours a text, made visible already, with an ink of `CODES`."""
    return f"\x1b[{CODES[ink]}m{text}\x1b[0m"


def plain(text: str, ink: str) -> str:
    """Leaves a text as it is, in place of `paint`."""
    del ink
    return text


def lines_of(
    group: Group, *, label: str | None, whole: bool, full: bool, width: int, ink: Paint = plain
) -> Iterator[str]:
    """Prints a group: with a label that was asked for, unless `whole`, only such responses and those acted on.

    `full` leaves texts uncut; `width` is the columns to wrap them at, 0 for no wrapping; `ink` is `paint` or `plain`.
    """
    most = None if full else MOST
    named = f"{one_line(group.data_source, 60)} {one_line(group.uid, 80)}".strip()
    yield f"{ink(f'== step {group.step}: {group.kind}, {happened(group)}', 'bold')}  {ink(named, 'dim')}"
    right = sum(response.verdict == "right" for response in group.responses)
    facts = [f"{name} {one_line(value, 200)}" for name, value in group.facts.items()]
    truth = one_line(group.ground_truth, 200) or "-"
    yield "  " + "   ".join([f"{right} of {len(group.responses)} right", *facts, f"ground truth {truth}"])
    yield "  prompt"
    yield from _block(excerpt(group.prompt.strip("\n"), most), width, ink)
    shown = [
        response for response in group.responses if whole or label is None or response.label == label or response.fate
    ]
    for response in shown:
        yield _response_head(response, group, ink)
        yield from _block(excerpt(response.text.strip("\n"), most), width, ink)
    hidden = len(group.responses) - len(shown)
    if hidden:
        title = group.display.acts.label_title.lower()
        others = f"  {hidden} of {len(group.responses)} responses have another {title}; --whole-groups shows them"
        yield ink(others, "dim")
    yield ""


def _response_head(response: Response, group: Group, ink: Paint) -> str:
    marks = {"up": "^", "down": "v"} if group.applied else {}
    facts = [
        f"{marks.get(response.fate, '?') if response.fate else ' '} {response.number:>2}",
        ink(response.verdict, INKS[response.verdict]),
        *([response.label or "--"] if group.display.acts.label else []),
        f"perplexity {number(response.perplexity)}",
        f"score {number(response.score, '.4g')}",
        *(f"{name} {one_line(value, 60)}" for name, value in response.facts.items()),
        f"advantage {number(response.advantage_before, '+.3f')} -> {number(response.advantage_after, '+.3f')}",
    ]
    if response.why:
        facts.append(one_line(response.why, 120))
    if response.pred:
        facts.append(f"answer {one_line(response.pred, 60)}")
    if response.fate:
        facts.append(ink(fate(group, response.fate), "accent"))
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
