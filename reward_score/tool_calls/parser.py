"""From the text of a response to the calls it makes.

The default is the tag syntax that Qwen (`hermes`) and ToolRL (`toolrl`) ask for: JSON objects between `<tool_call>` and
`</tool_call>`. One reader serves both, and reads more than either: `arguments` or `parameters`, one object, several or
a list in a block, one block or several, with or without line breaks. It finds tags with `str.find` and lets the JSON
decoder say where an object ends, so that a closing tag inside a string is harmless and time is linear. One call that
cannot be read makes the whole answer unreadable, right calls before it or not: it is never dropped in silence, and
never counted as abstention. A tag is a call's beginning in prose too: a server would start to read a call there.

Further syntaxes are read on request: Python (`tool_calls.python`), and without tags bare JSON (`json`, as xLAM writes
it) and Llama 3.1's (`llama`). Each reader gives None for an answer that does not try to call in its syntax, and raises
UnreadableError for one that tries and fails: on a row that wants no call the first is right and the second wrong. JSON
without a key that calls have, `{"error": "..."}`, does not try.
"""

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, NamedTuple, cast

from reward_score.tool_calls.json import MAX_CALLS, Call, Found, UnreadableError, read_objects
from reward_score.tool_calls.python import read_python

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


CALL_OPEN: Final = "<tool_call>"
CALL_CLOSE: Final = "</tool_call>"

MAX_ANSWER_CHARS: Final = 200_000
MAX_REMEMBERED_CHARS: Final = 2_000
"""With the size of the cache this bounds what is kept. Most answers are a tenth as long."""

TAG_FORMATS: Final = ("hermes", "toolrl")

HANDLER_STYLE: Final = "toolrl_handler"
"""The prompt style that goes with `read_last_block`."""


def read_json(answer: str) -> Found | None:
    """Reads JSON objects or lists of them that are the whole answer, or that stand in ``` fences.

    None if there is no such JSON; an empty list is none. Raises UnreadableError if it is there but is no call.
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

    None if the answer begins with neither the tag nor a JSON object. Raises UnreadableError if it does but is no call.
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


_SYNTAXES: Final[dict[str, Callable[[str], Found | None]]] = {
    "json": read_json,
    "llama": read_llama,
    "python": read_python,
}
FORMATS: Final = (*TAG_FORMATS, *_SYNTAXES)


class Reading(NamedTuple):
    """What was read of an answer. Shared by equal answers, so its calls must not be changed.

    Attributes:
        calls: The calls in their order; none if there are none or if one of them cannot be read.
        attempted: Whether the answer uses the call syntax, well or badly; without calls and fault it says there that
            there are none, by an empty list.
        fault: Why it cannot be read, "" if it can.
        outside: The text before, between and after the calls, or None where the call syntax itself has no clear
            beginning and end.
    """

    calls: tuple[Call, ...]
    attempted: bool
    fault: str
    outside: tuple[str, ...] | None


def parse_calls(answer: str, formats: Iterable[str]) -> Reading:
    """Reads the calls of an answer, which is what follows the thinking; raises on no text, in linear time.

    Tags are an attempt to call whichever `formats` are read; ValueError if one is not out of FORMATS.
    """
    known = _check_formats((formats,) if isinstance(formats, str) else tuple(formats))
    if len(answer) > MAX_ANSWER_CHARS:
        return Reading((), True, f"more than {MAX_ANSWER_CHARS} characters", None)
    if CALL_OPEN in answer or CALL_CLOSE in answer:
        reading = _read_tags(answer) if len(answer) > MAX_REMEMBERED_CHARS else _read_short_tags(answer)
        if reading.calls and known.isdisjoint(TAG_FORMATS):
            return Reading((), True, f"{CALL_OPEN} is not the format asked for", None)
        return reading
    return _read_without_tags(answer, known)


@lru_cache
def _check_formats(formats: tuple[str, ...]) -> frozenset[str]:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"formats must be some of {', '.join(FORMATS)}, got {unknown or 'none'}: correct the option")
    return frozenset(formats)


def _read_tags(answer: str) -> Reading:
    calls: list[Call] = []
    outside: list[str] = []
    position = 0
    try:
        while (start := answer.find(CALL_OPEN, position)) >= 0:
            outside.append(answer[position:start])
            start += len(CALL_OPEN)
            block, position = read_objects(answer, start, CALL_CLOSE)
            if not block and not answer[start : position - len(CALL_CLOSE)].strip():
                raise UnreadableError("a block without a call")
            calls += block
            if len(calls) > MAX_CALLS:
                raise UnreadableError(f"more than {MAX_CALLS} calls")
        if not outside:
            raise UnreadableError(f"{CALL_CLOSE} without {CALL_OPEN}")
    except UnreadableError as error:
        # ToolRL pays for the form of a block whatever is in it; only of one block is it clear where it ends.
        before, _, rest = answer.partition(CALL_OPEN)
        _, close, after = rest.partition(CALL_CLOSE)
        whole = close and answer.count(CALL_OPEN) == 1 and answer.count(CALL_CLOSE) == 1
        return Reading((), True, str(error), (before, after) if whole else None)
    return Reading(tuple(calls), True, "", (*outside, answer[position:]))


# The responses to one prompt often end in the same words, which may be the reference's.
_read_short_tags = lru_cache(maxsize=1024)(_read_tags)


def _read_without_tags(answer: str, formats: frozenset[str]) -> Reading:
    faults: list[str] = []
    for name in _SYNTAXES:
        if name not in formats:
            continue
        try:
            found = _SYNTAXES[name](answer)
            if found is not None:
                if len(found.calls) > MAX_CALLS:
                    raise UnreadableError(f"more than {MAX_CALLS} calls")
                return Reading(tuple(found.calls), True, "", found.outside)
        except UnreadableError as error:
            faults.append(str(error))
    return Reading((), True, faults[-1], None) if faults else Reading((), False, "", (answer,))


def read_last_block(response: str, *, in_session: bool = False) -> list[Call] | None:
    """Reads calls as ToolRL's own BFCL handler does, which published figures may rest on.

    Source: benchmarks/BFCL/rlla_qwen.py of https://github.com/qiancheng0/ToolRL, `decode_ast` and `decode_execute`: the
    last `<tool_call>` block, in the thinking or not, a call on each line; a line that is none is passed over, and so is
    a call of a tool named "None", which the prompt offers for "no call". None where one has a name or arguments of
    another type, on which the handler fails as a whole. In a session a call may lack "parameters" and name; elsewhere
    one that does is no call.
    """
    if CALL_OPEN not in response:
        return []
    calls: list[Call] = []
    block = response.rpartition(CALL_OPEN)[2].partition(CALL_CLOSE)[0]
    for line in block.strip().split("\n"):
        try:
            fields: object = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(fields, dict):
            continue
        call = cast("dict[str, object]", fields)
        if in_session:
            call = cast("dict[str, object]", {"name": "", "parameters": {}, **call})
        elif "parameters" not in call or not isinstance(call.get("name"), str):
            continue
        name, arguments = call["name"], call["parameters"]
        if isinstance(name, str) and name.strip().lower() == "none":
            continue
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        calls.append(Call(name, cast("dict[str, object]", arguments)))
    return calls
