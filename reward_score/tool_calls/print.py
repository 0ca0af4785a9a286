"""Prints calls so that equal ones print alike and others do not, whatever their size: verl's maj@k groups by it.

Canonical JSON: keys sorted, no white space, ASCII (a model may write half a surrogate pair, which no file takes), the
calls sorted because their order is free. Written by hand because `json.JSONEncoder` sets itself up anew for each text,
which takes longer than printing a call.
"""

from collections.abc import Iterable
from json.encoder import encode_basestring_ascii as quote
from typing import Final, cast

from reward_score.tool_calls.json import Call
from reward_score.verdict import MAX_PRED_CHARS, shorten

HASH_CHARS: Final = 16


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
