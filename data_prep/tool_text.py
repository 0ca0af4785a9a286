"""Values that published tool data holds as text: JSON, one object below another, Python's dicts, JSON within quotes."""

import ast
import json
from collections.abc import Iterator
from typing import Final, cast

from data_prep.errors import DataError, short
from reward_score.rescore.json_line import DECODER, RepeatedKeyError

_MAX_LITERAL_CHARS: Final = 100_000


def objects(text: str) -> Iterator[object]:
    """Yields the JSON objects of a text one after another, up to the first that cannot be read."""
    position = text.find("{")
    while position >= 0:
        try:
            value, end = DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield value
        position = text.find("{", end)


def parsed_list(value: object, what: str, where: str) -> list[object]:
    """Reads a list, or what may stand for one: JSON text, objects one below another, or one object."""
    if isinstance(value, str):
        several = list(objects(value)) if value.strip().startswith("{") else []
        value = several if len(several) > 1 else parsed(value, what, where)
    if isinstance(value, dict):
        return [cast("object", value)]
    if not isinstance(value, list):
        raise DataError(f"{where}: {what} must be a list, got {short(value)}")
    return cast("list[object]", value)


def parsed(value: object, what: str, where: str) -> object:
    """Returns what a text in JSON, or as Python or Glaive write it, holds; anything else is returned as it is.

    Raises:
        DataError: If it cannot be read, or an object in it has a key twice.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return DECODER.decode(text)
    except RepeatedKeyError as error:
        raise DataError(f"{where}: {what} {error}") from error
    except (ValueError, RecursionError) as error:
        fault = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    head, _, rest = text.partition("'{")
    inner, _, tail = rest.rpartition("}'")
    try:
        if inner or tail:  # {"name": "f", "arguments": '{"a": 1}'}
            return DECODER.decode(f"{head}{{{inner}}}{tail}")
        if len(text) <= _MAX_LITERAL_CHARS:
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        pass
    raise DataError(f"{where}: {what} must be JSON, but {fault}: {short(text)}")
