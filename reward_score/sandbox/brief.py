r"""What cannot take a verifier long whatever it holds, so that it is judged without a child process.

Told by looking at a response's end alone, with fixed strings and classes of characters: it is a plain number, or few
characters that only the JSON decoder reads.
"""

from collections.abc import Callable, Mapping
from typing import Final, cast

from reward_score.response import THINK_CLOSE
from reward_score.tool_calls.parser import TAG_FORMATS
from reward_score.verdict import ExtraInfo

Brief = Callable[[str, object, ExtraInfo, Mapping[str, object]], bool]
"""Tells it from response, ground truth, `extra_info` and the verifier's options."""

MAX_NUMBER_CHARS: Final = 40
MAX_CALL_CHARS: Final = 4_000

_TAIL_CHARS: Final = 200
_BEFORE_BOX_CHARS: Final = 80
"""Several boxes are one answer if they are no further apart: see `math.location`."""

_MARKERS: Final = {"boxed": "\\boxed{", "answer_line": "Answer:", "hash": "####"}
_AROUND_NUMBER: Final = " \t\r\n$*.}"
_MAX_NUMBER: Final = 10**MAX_NUMBER_CHARS


def ends_in_number(answer_format: str) -> Brief:
    """Makes the test whether a response ends in a plain number behind the form's marker, and the ground truth is one.

    The form is "boxed", "answer_line" or "hash", unless `extra_info` says otherwise.
    """

    def is_brief(solution_str: str, ground_truth: object, extra_info: ExtraInfo, _: Mapping[str, object]) -> bool:
        if not (extra_info is None or isinstance(extra_info, dict)):
            return False
        asked = (extra_info.get("answer_format") if extra_info else None) or answer_format
        marker = _MARKERS.get(asked, "") if isinstance(asked, str) else ""
        before, found, number = solution_str[-_TAIL_CHARS:].rpartition(marker) if marker else ("", "", "")
        if not found or not _is_number(number) or not _is_number(ground_truth):
            return False
        return asked != "boxed" or "}" not in before[-_BEFORE_BOX_CHARS:]

    return is_brief


def _is_number(number: object) -> bool:
    if not isinstance(number, str):
        return isinstance(number, int) and -_MAX_NUMBER < number < _MAX_NUMBER
    digits = number.strip(_AROUND_NUMBER).removeprefix("-").replace(",", "").replace(".", "", 1)
    return len(number) <= MAX_NUMBER_CHARS and digits.isascii() and digits.isdigit()


def is_short_call(solution_str: str, _: object, __: Mapping[str, object] | None, options: Mapping[str, object]) -> bool:
    """Tells whether reading the calls of a response is a matter of a few characters of JSON between tags.

    Few characters also bound the number of calls and the size of what is compared.
    """
    formats = options.get("formats")
    known = formats is None or (
        isinstance(formats, list | tuple) and all(name in TAG_FORMATS for name in cast("list[object]", formats))
    )
    return known and len(solution_str) - solution_str.rfind(THINK_CLOSE) <= MAX_CALL_CHARS
