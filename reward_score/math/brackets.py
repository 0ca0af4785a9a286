r"""Splits a canonical text: at what stands outside of brackets, and at its signs `\pm`."""

import re
from collections.abc import Collection
from itertools import product

from reward_score.math.spelling import EITHER, ROW_END, SEPARATOR, word_set

SCAN = re.compile(rf"\\(?:begin|end)\{{[a-zA-Z*]*\}}|\\[A-Za-z]+|\\.|[()\[\]{{}},:&=<>{SEPARATOR}{ROW_END}{EITHER}]")
OPENERS = word_set(r"( [ { \{ \langle \lfloor \lceil")
CLOSERS = word_set(r") ] } \} \rangle \rfloor \rceil")


_UNARY_PLUS = re.compile(r"(^|[=(\[,{])\+")


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
    closed = closings(text)
    start, end = 0, len(text)
    while text.startswith("{", start) and closed.get(start) == end - 1:
        start, end = start + 1, end - 1
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
    return text[start:end]


def closings(
    text: str, tokens: re.Pattern[str] = SCAN, openers: Collection[str] = OPENERS, closers: Collection[str] = CLOSERS
) -> dict[int, int]:
    """Where the bracket at each place is closed, if it is."""
    opened: list[int] = []
    closed: dict[int, int] = {}
    for match in tokens.finditer(text):
        if match[0] in openers:
            opened.append(match.start())
        elif match[0] in closers and opened:
            closed[opened.pop()] = match.start()
    return closed


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


def both_signs(text: str) -> list[str]:
    r"""Gives a canonical text with the upper and with the lower signs, or nothing without any."""
    if "\\pm" not in text and "\\mp" not in text:
        return []
    upper = re.sub(r"\\pm(?![A-Za-z]) ?", "+", re.sub(r"\\mp(?![A-Za-z]) ?", "-", text))
    lower = re.sub(r"\\pm(?![A-Za-z]) ?", "-", re.sub(r"\\mp(?![A-Za-z]) ?", "+", text))
    return [_UNARY_PLUS.sub(r"\1", upper), lower] if upper != text else []


def each_sign(text: str) -> list[str]:
    r"""Gives a canonical text with each of two or three signs `\pm` either way, or nothing where there are others."""
    first, *rest = text.split("\\pm")
    if not 2 <= len(rest) <= 3 or "\\mp" in text:
        return []
    chosen = product("+-", repeat=len(rest))
    variants = [first + "".join(sign + piece for sign, piece in zip(signs, rest, strict=True)) for signs in chosen]
    return [_UNARY_PLUS.sub(r"\1", variant) for variant in variants]
