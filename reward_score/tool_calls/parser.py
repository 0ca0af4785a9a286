"""From the text of a response to the calls it makes.

The default is the tag syntax that Qwen (`hermes`) and ToolRL (`toolrl`) ask for: JSON objects between `<tool_call>` and
`</tool_call>`. One reader serves both, and reads more than either: `arguments` or `parameters`, one object, several or
a list in a block, one block or several, with or without line breaks. It finds tags with `str.find` and lets the JSON
decoder say where an object ends, so that a closing tag inside a string is harmless and time is linear. One call that
cannot be read makes the whole answer unreadable, right calls before it or not: it is never dropped in silence, and
never counted as abstention. A tag is a call's beginning in prose too: a server would start to read a call there.

Further syntaxes are read on request: see `tool_calls.syntax`.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from reward_score.tool_calls.json import MAX_CALLS, Call, UnreadableError, read_objects
from reward_score.tool_calls.python import read_python
from reward_score.tool_calls.syntax import Found, read_json, read_llama

CALL_OPEN: Final = "<tool_call>"
CALL_CLOSE: Final = "</tool_call>"

MAX_ANSWER_CHARS: Final = 200_000
MAX_REMEMBERED_CHARS: Final = 2_000
"""With the size of the cache this bounds what is kept. Most answers are a tenth as long."""

TAG_FORMATS: Final = ("hermes", "toolrl")
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

    Tags are an attempt to call whichever `formats` (names out of FORMATS) are read.

    Raises:
        ValueError: If a format is not known.
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


@lru_cache(maxsize=1024)
def _read_short_tags(answer: str) -> Reading:
    # The responses to one prompt often end in the same words, which may be the reference's.
    return _read_tags(answer)


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
        return Reading((), True, str(error), _outside_single_block(answer))
    return Reading(tuple(calls), True, "", (*outside, answer[position:]))


def _outside_single_block(answer: str) -> tuple[str, ...] | None:
    # ToolRL pays for the form of a block whatever is in it; only of one block is it clear where it ends.
    before, _, rest = answer.partition(CALL_OPEN)
    _, close, after = rest.partition(CALL_CLOSE)
    whole = close and answer.count(CALL_OPEN) == 1 and answer.count(CALL_CLOSE) == 1
    return (before, after) if whole else None


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
