"""Makes hostile text fit to be shown: model output is what a model wrote, not what a terminal or a page may obey."""

from typing import NamedTuple

from groupwise.printable import visible


class Excerpt(NamedTuple):
    """A text, or its beginning and end with `left_out` characters between them; whole where that is 0."""

    head: str
    left_out: int
    tail: str


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
