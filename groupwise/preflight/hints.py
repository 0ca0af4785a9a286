"""Values against type hints, as verl's config classes have them: whether one fits, and words for what would."""

import dataclasses
import math
import types
import typing
from typing import Any, Final

NONE: Final = type(None)

WORDS: Final = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list: "a list",
    tuple: "a list",
    dict: "a section of keys",
}


def fits(value: object, hint: Any) -> bool:
    """Says whether a plain value, list or dict can be of a type; what is none of the usual types takes anything."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    hint = origin or hint
    if hint is NONE:
        return value is None
    if dataclasses.is_dataclass(hint) or hint is dict:
        return isinstance(value, dict)
    if hint in (list, tuple):
        return isinstance(value, list)
    return _fits_scalar(value, hint)


def _fits_scalar(value: object, hint: Any) -> bool:
    if hint is bool:
        # Numbers and null do as truth values in Python, and scripts use 0 and 1.
        return value is None or isinstance(value, bool) or value in (0, 1)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if hint is str:
        # A name such as 2024 arrives as a number, and is used as text.
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    return True


def config_class(hint: Any) -> type | None:
    """Finds the dataclass that a type is, or allows beside others; None where there is none."""
    parts = typing.get_args(hint) or (hint,)
    return next((part for part in parts if isinstance(part, type) and dataclasses.is_dataclass(part)), None)


def describe(hint: Any, limits: str = "") -> str:
    """Words a type for "... must be <words>"; `limits` is what a value must be besides, such as "of at least 1"."""
    if dataclasses.is_dataclass(hint):
        return WORDS[dict]
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    parts = typing.get_args(hint) if origin in (typing.Union, types.UnionType) else (origin or hint,)
    words = dict.fromkeys(WORDS.get(typing.get_origin(part) or part, "a value") for part in parts if part is not NONE)
    told = " or ".join(words) + (f" {limits}" if limits else "")
    return f"{told}, or null" if NONE in parts else told
