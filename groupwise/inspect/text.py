"""Makes hostile text fit to be shown: model output is what a model wrote, not what a terminal or a page may obey."""

import re
from typing import Final, NamedTuple

# All but newline and tab: control characters, marks that turn the direction of text, and what has no width.
HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


class Excerpt(NamedTuple):
    """A text, or its beginning and end with `left_out` characters between them; whole where that is 0."""

    head: str
    left_out: int
    tail: str


def visible(text: str) -> str:
    """Replaces what has no shape of its own, newlines and tabs apart, by a sign: ESC by its picture, or `<U+202E>`."""
    return HIDDEN.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def one_line(text: str, most: int) -> str:
    """Shows the words of a text on one line, made visible, cut to so many characters with an ellipsis."""
    # Twice: signs are longer than what they stand for, and a long text need not be gone through as a whole.
    words = " ".join(visible(text[: 4 * most]).split())
    return words if len(words) <= most and len(text) <= 4 * most else words[: most - 1] + "\u2026"


def excerpt(text: str, most: int | None) -> Excerpt:
    """Cuts the middle out of a long text: a response begins with its approach and ends with its answer.

    So many characters stay, None for all; a text that is hardly longer stays whole. The parts are made visible.
    """
    if most is None or len(text) <= most + most // 4:
        return Excerpt(visible(text), 0, "")
    head = most // 2
    tail = most - head
    return Excerpt(visible(text[:head]), len(text) - most, visible(text[-tail:]))


def number(value: float | None, form: str = ".5g") -> str:
    """Prints a number in a form of the format language, "-" where there is none."""
    if value is None:
        return "-"
    return f"{value:{form}}"
