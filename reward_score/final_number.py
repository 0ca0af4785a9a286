"""GSM8K's convention: the final answer is the number after "####".

Where this deviates from verl's own gsm8k verifier (verl/utils/reward_score/gsm8k.py): the answer is looked for in the
whole response and not in its last 300 characters, the whole line after the last marker must be one number, numbers are
compared by value and not as text, and an answer inside unfinished thinking does not count.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from numbers import Rational, Real

from reward_score.number import MAX_LINE_CHARS, parse_number
from reward_score.response import after_thinking
from reward_score.verdict import (
    NO_ANSWER,
    UNFINISHED_THINKING,
    UNPARSABLE,
    GroundTruthError,
    Verdict,
    binary_verdict,
    failed_verdict,
    read_any,
)

MARKER = "####"

_LINE = re.compile(r"[ \t]*(?:\r?\n)?[ \t]*([^\r\n]*)")


def verify(solution_str: str, ground_truth: object, extra_info: Mapping[str, object] | None = None, /) -> Verdict:
    """Judges a response whose answer is the number on the line after the last "####".

    Time is linear in the response, and what is parsed is bounded, whatever it contains.

    Args:
        solution_str: The response.
        ground_truth: The right number: a str ("1,234", "5.0"), an int or a float; or several, any of which counts (see
            `reward_score.verdict.read_any`).
        extra_info: Not used.

    Returns:
        The verdict; score equals acc. `format` is 1 if there is such a line and it reads as one number.

    Raises:
        GroundTruthError: If the ground truth has no number.
    """
    golds = read_any(ground_truth, read_ground_truth)
    answer = after_thinking(solution_str)
    if answer is None:
        return failed_verdict(UNFINISHED_THINKING)
    line = final_line(answer)
    if line is None:
        return failed_verdict(NO_ANSWER)
    number = parse_number(line)
    if number is None:
        return failed_verdict(UNPARSABLE)
    return binary_verdict(right=number in golds, pred=str(number))


def final_line(answer: str) -> str | None:
    """Gives what stands on the line after the last "####", on the same line or on the next.

    Args:
        answer: The text to look in.

    Returns:
        The text, cut only where it is longer than any number may be, or None if there is no marker or nothing
        after it.
    """
    start = answer.rfind(MARKER)
    if start < 0:
        return None
    window = answer[start + len(MARKER) :][: MAX_LINE_CHARS + 1]
    match = _LINE.match(window)
    # A line that runs out of the window is handed on whole, too long to be read: its beginning could pass for a number.
    line = window if match is None or match.end() > MAX_LINE_CHARS else match[1]
    return line if line.strip() else None


def read_ground_truth(ground_truth: object) -> Fraction:
    """Reads the right number.

    Args:
        ground_truth: A str, an int or a float.

    Returns:
        Its exact value.

    Raises:
        GroundTruthError: If it is not one number.
    """
    if isinstance(ground_truth, str):
        return _read_text(ground_truth)
    if isinstance(ground_truth, bool):
        raise GroundTruthError(f"the ground truth must be a number, got {ground_truth}: correct the data")
    if isinstance(ground_truth, Rational):
        return Fraction(int(ground_truth.numerator), int(ground_truth.denominator))
    if isinstance(ground_truth, Real) and math.isfinite(ground_truth):
        return Fraction(repr(float(ground_truth)))
    raise GroundTruthError(f"the ground truth must be a number, got {repr(ground_truth)[:80]}: correct the data")


@lru_cache(maxsize=65536)
def _read_text(ground_truth: str) -> Fraction:
    number = parse_number(ground_truth)
    if number is None:
        raise GroundTruthError(f"the ground truth must be a number, got {ground_truth[:80]!r}: correct the data")
    return number
