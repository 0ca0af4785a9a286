"""Text of files and models on its way out to a terminal, which must not obey it."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOWrapper
from typing import Any, Final, TextIO

# All but newline and tab: control characters, marks that turn the direction of text, and what has no width.
HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
_INK: Final = re.compile("(\x1b\\[[0-9;]*m)")


def visible(text: str) -> str:
    """Replaces what has no shape of its own, newlines and tabs apart, by a sign: ESC by its picture, or `<U+202E>`."""
    return HIDDEN.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


class _Visible:
    """A stream that makes visible what is written to it, our own inks apart."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not of UTF-8

    def write(self, text: str) -> int:
        self._stream.write("".join(part if _INK.match(part) else visible(part) for part in _INK.split(text)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def visible_output() -> Iterator[None]:
    """Lets nothing that a command writes, nor the sentence that it ends with, move a terminal's cursor or the like."""
    with redirect_stdout(_Visible(sys.stdout)), redirect_stderr(_Visible(sys.stderr)):  # pyright: ignore
        try:
            yield
        except SystemExit as end:
            raise SystemExit(visible(end.code) if isinstance(end.code, str) else end.code) from end
