"""What is wrong with an input, in one sentence."""

from reprlib import Repr
from typing import Final


class DataError(ValueError):
    """The input or an option is at fault; the message says where, what must hold and what was found."""


class UnsolvableError(DataError):
    """A row is well formed, but no answer to it can be right; the message says why."""


def short(value: object) -> str:
    """Shows any value of an input in a sentence: at most 80 characters on one line."""
    text = "nothing" if value is None else _REPR.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


_REPR: Final = Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 100
