"""What is wrong with an input, in one sentence."""

import re
from collections.abc import Iterator
from reprlib import Repr
from typing import Final

MAX_KINDS: Final = 20
"""Kinds of faults of one file that are told; those of further kinds are counted."""


class DataError(ValueError):
    """The input or an option is at fault; the message says where, what must hold and what was found.

    Every function of the package that reads an input or an option raises it.
    """


class UnsolvableError(DataError):
    """A row is well formed, but no answer to it can be right; what makes a row of a record raises it."""


def short(value: object) -> str:
    """Shows any value of an input in a sentence: at most 80 characters on one line."""
    text = "nothing" if value is None else _REPR.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


_REPR: Final = Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 100


class Faults:
    """Sentences about records or rows, one for each kind: what was found differs from one to the next, what must hold
    does not."""

    def __init__(self) -> None:
        self.count = 0
        self._kinds: dict[str, tuple[str, int]] = {}

    def add(self, sentence: str) -> None:
        self.count += 1
        kind = _DETAIL.sub(_varies, _FOUND.split(sentence, maxsplit=1)[0])
        if kind in self._kinds or len(self._kinds) < MAX_KINDS:
            first, count = self._kinds.get(kind, (sentence, 0))
            self._kinds[kind] = (first, count + 1)

    def lines(self, what: str) -> Iterator[str]:
        """Yields the first sentence of each kind, with the number of others; `what` they are of, in the plural."""
        for sentence, count in self._kinds.values():
            yield f"{sentence} (and {count - 1} more {what} with the same fault)" if count > 1 else sentence
        told = sum(count for _, count in self._kinds.values())
        if self.count > told:
            yield f"... and {self.count - told} more {what} are at fault"


def _varies(found: re.Match[str]) -> str:
    """Keeps the name of a field that a sentence is about."""
    is_name = found.string.endswith("field ", 0, found.start()) or found.string.startswith(" must", found.end())
    return found[0] if is_name else "_"


_FOUND: Final = re.compile(r", (?:got|has) ")
_DETAIL: Final = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")
