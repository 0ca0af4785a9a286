"""Two optional syntaxes without tags: bare JSON (`json`, as xLAM writes it) and Llama 3.1's (`llama`).

Each reader gives None for an answer that does not try to call in its syntax, and raises UnreadableError for one that
tries and fails, which is not the same: on a row that wants no call the first is right and the second wrong. JSON
without a key that calls have, `{"error": "..."}`, does not try.
"""

import re
from typing import NamedTuple

from reward_score.tool_calls.json import Call, UnreadableError, read_objects

PYTHON_TAG = "<|python_tag|>"
FENCE_CLOSE = "```"

MAX_FENCES = 64

# What may open JSON: `[Note] ...` and `{x}` are prose.
_JSON_START = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]])")
_FENCE_OPEN = re.compile(r"```(?:[A-Za-z_]+)?(?=\s*[\[{])")
_CALL_KEY = re.compile(
    r"[\"'](?:name|arguments|parameters|tool_calls?|function(?:_call|_name)?|tool(?:_name)?)[\"']"
    r"\s*:(?!\s*\[\s*\])"
)


class Found(NamedTuple):
    """Calls, and the text before, between and after them."""

    calls: list[Call]
    outside: tuple[str, ...]


def read_json(answer: str) -> Found | None:
    """Reads JSON objects or lists of them that are the whole answer, or that stand in ``` fences.

    None if there is no such JSON; an empty list is none.

    Raises:
        UnreadableError: If it is there but is no call.
    """
    if _JSON_START.match(answer):
        found = _read_calls(answer, 0, len(answer), None)
        return Found(found[0], ("",)) if found and found[0] else None
    calls: list[Call] = []
    outside: list[str] = []
    position = kept = fences = 0
    while (fence := _FENCE_OPEN.search(answer, position)) is not None:
        close = answer.find(FENCE_CLOSE, fence.end())
        close = len(answer) if close < 0 else close
        found = _read_calls(answer, fence.end(), close, FENCE_CLOSE) if _JSON_START.match(answer, fence.end()) else None
        position, fences = close, fences + 1
        if fences > MAX_FENCES:
            raise UnreadableError(f"more than {MAX_FENCES} blocks")
        if found is None:
            continue
        outside.append(answer[kept : fence.start()])
        calls += found[0]
        position = kept = found[1]
    return Found(calls, (*outside, answer[kept:])) if calls else None


def _read_calls(answer: str, start: int, end: int, closer: str | None) -> tuple[list[Call], int] | None:
    try:
        return read_objects(answer, start, closer)
    except UnreadableError:
        if _CALL_KEY.search(answer, start, end):
            raise
        return None


def read_llama(answer: str) -> Found | None:
    """Reads Llama 3.1's calls: objects with `; ` between them, after an optional `<|python_tag|>`.

    None if the answer begins with neither the tag nor a JSON object.

    Raises:
        UnreadableError: If it does but is no call.
    """
    text = answer.strip()
    tagged = text.startswith(PYTHON_TAG)
    text = text.removeprefix(PYTHON_TAG)
    if not tagged and not (text.startswith("{") and _JSON_START.match(text) and _CALL_KEY.search(text)):
        return None
    calls, _ = read_objects(text, 0, None, separator=";")
    if not calls:
        raise UnreadableError(f"nothing after {PYTHON_TAG}")
    return Found(calls, ("",))
