"""GSM8K's convention: the final answer is the number after "####".

Where this deviates from verl's own gsm8k verifier (verl/utils/reward_score/gsm8k.py): the answer is looked for in the
whole response and not in its last 300 characters, the whole line after the last marker must be one number, numbers are
compared by value and not as text, and an answer inside unfinished thinking does not count.
"""

import math
import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from numbers import Rational, Real

from reward_score.math.answer import Answer, shown
from reward_score.math.labels import read_label
from reward_score.math.latex import canonical
from reward_score.math.quantity import read_letter, read_quantity
from reward_score.math.question import question_of
from reward_score.math.scalars import Rules, are_units, equal_scalars
from reward_score.math.structure import read_answer
from reward_score.response import after_thinking
from reward_score.verdict import (
    MAX_PRED_CHARS,
    NO_ANSWER,
    UNFINISHED_THINKING,
    UNPARSABLE,
    ExtraInfo,
    GroundTruthError,
    Verdict,
    binary_verdict,
    failed_verdict,
    read_any,
    shorten,
)

MARKER = "####"
MAX_LINE_CHARS = 256

_BOX = re.compile(r"\\f?boxed\{([^{}]*)\}")
_LINE = re.compile(r"[ \t]*(?:\r?\n)?[ \t]*([^\r\n]*)")


def verify(
    solution_str: str, ground_truth: object, extra_info: ExtraInfo = None, /, *, pure_equivalence: bool = False
) -> Verdict:
    """Judges a response whose answer is the number on the line after the last "####".

    Time is linear in the response, and what is parsed is bounded. The ground truth is a str ("1,234", "5.0"), an int, a
    float, or several of these. With `pure_equivalence` a fraction that is a whole number, as 36/2, is that number.
    `format` is 1 if there is such a line and it reads as one number. Raises GroundTruthError if the ground truth has no
    number.
    """
    golds = read_any(ground_truth, _read_gold)
    answer = after_thinking(solution_str)
    if answer is None:
        return failed_verdict(UNFINISHED_THINKING)
    line = final_line(answer)
    if line is None:
        return failed_verdict(NO_ANSWER)
    number = read_line(line)
    # Two numbers leave nothing to settle.
    rules = Rules(str.__eq__, pure_equivalence, question_of(extra_info))
    if number is None or not any(are_units(gold, number, rules) for gold in golds):
        return failed_verdict(UNPARSABLE)
    right = any(equal_scalars(gold, number, rules) for gold in golds)
    return binary_verdict(right=right, pred=shorten(shown(replace(number, percent=False)), MAX_PRED_CHARS))


def read_line(line: str) -> Answer | None:
    """Reads a line, of at most MAX_LINE_CHARS, that holds one number and perhaps its unit and what it is called.

    That is an integer, decimal, fraction, mixed number or scientific notation, in ASCII digits grouped by threes if at
    all.
    """
    if len(line) > MAX_LINE_CHARS:
        return None
    plain = line.strip()
    if plain.isdecimal() and plain.isascii():
        return Answer("scalar", plain, value=Fraction(int(plain)))  # what most answers are, and a tenth of the time
    text = canonical(plain.strip("_\"'"))
    box = _BOX.fullmatch(text)
    quantity = read_quantity(box[1] if box else text)
    if quantity.value is not None:
        return quantity
    labelled = read_label(read_answer(text)[0])
    return labelled[1] if labelled and labelled[1].value is not None else read_letter(quantity.text)


def final_line(answer: str) -> str | None:
    """Gives what stands behind the last "####", on the same line or on the next, if anything does.

    It is cut only where it is longer than any number may be.
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
    """Gives the exact value of a ground truth; raises GroundTruthError if it is not one number."""
    return _read_gold(ground_truth).value or Fraction(0)


def _read_gold(ground_truth: object) -> Answer:
    number = None
    if isinstance(ground_truth, str):
        number = _read_gold_line(ground_truth)
    elif not isinstance(ground_truth, bool) and isinstance(ground_truth, Real) and math.isfinite(ground_truth):
        is_ratio = isinstance(ground_truth, Rational)
        value = Fraction(str(Fraction(ground_truth) if is_ratio else repr(float(ground_truth))))
        number = Answer("scalar", str(value), value=value)
    if number is None:
        found = repr(ground_truth[:80]) if isinstance(ground_truth, str) else repr(ground_truth)[:80]
        raise GroundTruthError(f"the ground truth must be a number, got {found}: correct the data")
    return number


_read_gold_line = lru_cache(maxsize=65536)(read_line)
