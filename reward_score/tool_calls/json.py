"""Reads and prints calls that are written as JSON objects: `{"name": ..., "arguments" or "parameters": {...}}`.

Strict where leniency would pay for broken output or hide what was meant: a key that stands twice, `arguments` beside
`parameters` that differ, another function's name beside the name, NaN and Infinity (a number too large for a float
reads as one), and arguments that are JSON inside a string are refused. Python's own decoder takes the last of two keys,
NaN and Infinity.

Equal calls print alike and others do not, whatever their size, because verl's maj@k groups by it: keys sorted, no white
space, ASCII (a model may write half a surrogate pair, which no file takes), the calls sorted because their order is
free. Printed by hand because `json.JSONEncoder` sets itself up anew for each text, which takes longer than printing a
call.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring_ascii as quote
from typing import Final, NamedTuple, cast

from reward_score.verdict import MAX_PRED_CHARS, shorten

MAX_CALLS = 64
MAX_NESTING = 64
"""Levels of lists and objects in one call; what comes after (comparing, printing) recurses once a level."""


_SKIP_SPACE = cast("Callable[[str, int], re.Match[str]]", re.compile(r"\s*").match)  # matches everywhere

HASH_CHARS: Final = 16


class Call(NamedTuple):
    """One call that a response makes."""

    name: str
    arguments: dict[str, object]


class Found(NamedTuple):
    """Calls, and the text before, between and after them."""

    calls: list[Call]
    outside: tuple[str, ...]


class UnreadableError(ValueError):
    """What looks like a call cannot be read as one; the message says why in a few words."""


def read_objects(text: str, position: int, closer: str | None, separator: str = "") -> tuple[list[Call], int]:
    """Reads JSON objects one after another, with white space between them; lists of objects are taken apart.

    `closer` ends them, None the end of the text; `separator` may also stand between two. Gives the calls in order, and
    the position after the closer. Raises UnreadableError if anything else stands there, or an object is no call.
    """
    try:
        calls, end = _read_objects(text, position, closer, separator)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"no JSON object: {error.msg}") from None
    except RecursionError:
        raise UnreadableError("nested too deeply") from None
    except UnreadableError:
        raise
    except ValueError:  # Python's limit on the digits of an integer
        raise UnreadableError("a number with too many digits") from None
    if text.count("[", position, end) + text.count("{", position, end) > MAX_NESTING:
        for call in calls:
            _refuse_deep(call.arguments)
    return calls, end


def _read_objects(text: str, position: int, closer: str | None, separator: str) -> tuple[list[Call], int]:
    calls: list[Call] = []
    while True:
        position = _SKIP_SPACE(text, position).end()
        if position == len(text):
            if closer is None:
                return calls, position
            raise UnreadableError(f"no {closer}")
        if closer is not None and text.startswith(closer, position):
            return calls, position + len(closer)
        if calls and separator and text.startswith(separator, position):
            position = _SKIP_SPACE(text, position + len(separator)).end()
        value, position = _DECODER.raw_decode(text, position)
        if isinstance(value, list):
            calls += [_as_call(item) for item in cast("list[object]", value)]
        else:
            calls.append(_as_call(value))


def _as_call(value: object) -> Call:
    if not isinstance(value, dict):
        raise UnreadableError("no JSON object")
    fields = cast("dict[str, object]", value)
    name = fields.get("name")
    if not isinstance(name, str):
        raise UnreadableError("no name that is a string")
    key = "arguments" if "arguments" in fields else "parameters"
    arguments = fields.get(key)
    if not isinstance(arguments, dict):
        raise UnreadableError(f"no {key} that are an object")
    if len(fields) > 2:
        # Unlike ==, a spelling tells true and 1.0 from 1.
        spellings = {json.dumps(fields[key], sort_keys=True) for key in ("arguments", "parameters") if key in fields}
        if len(spellings) > 1:
            raise UnreadableError("arguments and parameters that differ")
        if fields.get("function", name) != name:
            raise UnreadableError("a name and a function that differ")
    return Call(name, cast("dict[str, object]", arguments))


def _refuse_deep(value: object) -> None:
    level = [value]
    for _ in range(MAX_NESTING):
        objects = [list(cast("dict[str, object]", item).values()) for item in level if isinstance(item, dict)]
        lists = [cast("list[object]", item) for item in level if isinstance(item, list)]
        level = [child for children in objects + lists for child in children]
        if not level:
            return
    raise UnreadableError("nested too deeply")


def _refuse_double_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UnreadableError("a key stands twice")
    return fields


def _refuse_constant(name: str) -> object:
    raise UnreadableError(f"{name} is no JSON number")


def _read_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise UnreadableError("a number too large")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_refuse_double_keys, parse_constant=_refuse_constant, parse_float=_read_float
)


def print_calls(calls: Iterable[Call]) -> str:
    """Prints calls as a JSON list; beyond MAX_PRED_CHARS its beginning, "#" and a hash of the whole."""
    texts = [f'{{"name":{quote(call.name)},"arguments":{_print_fields(call.arguments)}}}' for call in calls]
    if len(texts) > 1:
        texts.sort()
    return shorten(f"[{','.join(texts)}]", MAX_PRED_CHARS, mark="#", digits=HASH_CHARS)


def _print_fields(fields: dict[str, object]) -> str:
    texts = [
        f"{quote(key)}:{quote(value) if isinstance(value, str) else _print_value(value)}"
        for key, value in sorted(fields.items())
    ]
    return f"{{{','.join(texts)}}}"


def _print_value(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return _print_fields(cast("dict[str, object]", value))
    if isinstance(value, list | tuple):
        return f"[{','.join([_print_value(item) for item in cast('list[object]', value)])}]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
