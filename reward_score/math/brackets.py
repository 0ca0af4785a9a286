"""Finds what stands outside of brackets in a canonical text."""

import re

from reward_score.math.spelling import EITHER, ROW_END, SEPARATOR, word_set

SCAN = re.compile(rf"\\(?:begin|end)\{{[a-zA-Z*]*\}}|\\[A-Za-z]+|\\.|[()\[\]{{}},:&=<>{SEPARATOR}{ROW_END}{EITHER}]")
OPENERS = word_set(r"( [ { \{ \langle \lfloor \lceil")
CLOSERS = word_set(r") ] } \} \rangle \rfloor \rceil")


def split_outside(text: str, separators: tuple[str, ...]) -> list[str]:
    """Splits a text at separators that stand in no bracket."""
    depth, start, members = 0, 0, list[str]()
    for match in SCAN.finditer(text):
        token = match[0]
        if token in OPENERS or token.startswith("\\begin"):
            depth += 1
        elif token in CLOSERS or token.startswith("\\end"):
            depth -= 1
        elif depth == 0 and token in separators:
            members.append(text[start : match.start()].strip())
            start = match.end()
    return [*members, text[start:].strip()]


def strip_braces(text: str) -> str:
    """Takes off braces around the whole of a text."""
    if not (text.startswith("{") and text.endswith("}")):
        return text
    closings = _closings(text)
    start, end = 0, len(text)
    while text.startswith("{", start) and closings.get(start) == end - 1:
        start, end = start + 1, end - 1
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
    return text[start:end]


def _closings(text: str) -> dict[int, int]:
    """Where the bracket at each place is closed, if it is."""
    opened: list[int] = []
    closings: dict[int, int] = {}
    for match in SCAN.finditer(text):
        if match[0] in OPENERS:
            opened.append(match.start())
        elif match[0] in CLOSERS and opened:
            closings[opened.pop()] = match.start()
    return closings


def closing(text: str) -> int | None:
    """Where the bracket that `text` begins with is closed; the place of its closing token."""
    depth = 0
    for match in SCAN.finditer(text):
        if match[0] in OPENERS:
            depth += 1
        elif match[0] in CLOSERS:
            depth -= 1
            if depth == 0:
                return match.start()
    return None
