r"""Reads a canonical text as one exact number, with the unit, per cent or degree sign behind it."""

import re
from dataclasses import dataclass
from fractions import Fraction

from reward_score.latex_spelling import TEXT_CLOSE, TEXT_OPEN
from reward_score.number import is_unit, read_decimal

MAX_CHARS = 1_000
"""Well below the 4,300 digits from which Python refuses to convert."""

MAX_EXPONENT = 400

_DECIMAL = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)(?:
     (?P<whole>[0-9]+)(?:[ ](?P<part>[0-9]+)/(?P<parts>[0-9]+)|\\frac\{{(?P<top>[0-9]+)\}}\{{(?P<bottom>[0-9]+)\}})
    |\\frac\{{(?P<numerator>[+-]?(?:{_DECIMAL}))\}}\{{(?P<denominator>[+-]?(?:{_DECIMAL}))\}}
    |(?P<over>{_DECIMAL})/(?P<under>{_DECIMAL})
    |(?P<before>[0-9]*)\.(?P<steady>[0-9]*)\\(?:overline|bar|dot)\{{?(?P<repeating>[0-9]+)\}}?
    |(?P<power>10)\^\{{(?P<tens>[+-]?[0-9]{{1,4}})\}}
    |(?P<decimal>{_DECIMAL})(?:(?:[eE]|(?:\\cdot|\*)10\^)\{{?(?P<exponent>[+-]?[0-9]{{1,4}})\}}?)?
    )""",
    re.VERBOSE,
)
_PARENTHESES = re.compile(r"(-?)\(([^()]*)\)")
_TEXT_UNIT = re.compile(rf"{TEXT_OPEN}[^{TEXT_CLOSE}]*(?P<closed>{TEXT_CLOSE}(?:\^\{{?-?[1-4]\}}?)?\.?)?")
_JOINED = re.compile(r"(?:\\cdot|[ */])*")
_JOINED_REVERSED = re.compile(r"(?:todc\\|[ */])*")
_TEXT_MARKS = re.compile(rf"\\cdot|\^\{{?-?[0-9]\}}?|[{TEXT_OPEN}{TEXT_CLOSE}*().,]")
_LETTER = re.compile(r"\b[A-Za-z]\b")
_DEGREE = re.compile(rf"\^\{{\\circ\}}(?:{TEXT_OPEN}?[CFK]{TEXT_CLOSE}?)?$")
_TIGHT_UNITS = r"cm|mm|km|kg|mg|ml|ft|mph|km/h"
_SPACED_UNITS = rf"{_TIGHT_UNITS}|in|yd|mi|lb|oz|hr|[A-Za-z]{{3,20}}"
_BARE_UNIT = re.compile(
    rf"(?<=[0-9.}}])(?P<unit>(?:{_TIGHT_UNITS})|[ ](?:{_SPACED_UNITS})\.?(?:[ /-](?:{_SPACED_UNITS})\.?){{0,3}})"
    r"(?:\^\{?[23]\}?)?$"
)
_PERCENT = re.compile(r"%$|[ ]?per[ ]?cent$")


@dataclass(frozen=True)
class Quantity:
    """A scalar without what stands behind it.

    Attributes:
        text: The canonical text without unit, per cent and degree sign.
        value: Its exact value where it is a number, a per cent sign not counted in.
        percent: Whether a per cent sign was behind it.
        degrees: Whether a degree sign was.
    """

    text: str
    value: Fraction | None
    percent: bool
    degrees: bool = False


def read_quantity(text: str) -> Quantity:
    """Takes a unit off a scalar and reads its value.

    Args:
        text: Canonical text of one scalar. Units are looked for at its end only, bare words only behind a number;
            a unit is ignored, as in Hendrycks' grader.

    Returns:
        The rest, with its value if it is an integer, decimal, fraction, mixed number, repeating decimal or a number
            in scientific notation.
    """
    head = _without_text_unit(text)
    percent = _PERCENT.search(head)
    head = head[: percent.start()] if percent else head
    # One degree sign of several belongs to a sum, and not to the whole.
    degree = _DEGREE.search(head) if head.count("\\circ") == 1 else None
    head = head[: degree.start()] if degree else head
    value = read_number(head)
    bare = _BARE_UNIT.search(head) if value is None else None
    if bare is not None and is_unit(bare["unit"]):
        value = read_number(head[: bare.start()])
        head = head[: bare.start()] if value is not None else head
    return Quantity(head.lstrip("+"), value, percent is not None, degree is not None)


def read_number(text: str) -> Fraction | None:
    """Reads a number.

    Args:
        text: Canonical text without a unit.

    Returns:
        Its exact value, or None if it is anything but one number, or longer or larger than the bounds above.
    """
    if len(text) > MAX_CHARS:
        return None
    match = _NUMBER.fullmatch(text)
    if match is None:
        inner = _PARENTHESES.fullmatch(text)
        if inner is None or not inner[2] or inner[2][0] == "(":
            return None
        value = read_number(inner[2])
        return -value if value is not None and inner[1] else value
    try:
        magnitude = _magnitude(match)
    except ZeroDivisionError:
        return None
    return None if magnitude is None else -magnitude if match["sign"] == "-" else magnitude


def _magnitude(match: re.Match[str]) -> Fraction | None:
    if match["whole"]:
        top, bottom = (match["part"], match["parts"]) if match["part"] else (match["top"], match["bottom"])
        return int(match["whole"]) + Fraction(int(top), int(bottom))
    if match["numerator"]:
        return read_decimal(match["numerator"]) / read_decimal(match["denominator"])
    if match["over"]:
        return read_decimal(match["over"]) / read_decimal(match["under"])
    if match["repeating"]:
        return _repeating(match["before"], match["steady"], match["repeating"])
    exponent = int(match["tens"] or match["exponent"] or 0)
    if abs(exponent) > MAX_EXPONENT:
        return None
    mantissa = read_decimal(match["decimal"] or "1")
    return mantissa * Fraction(10) ** exponent if exponent else mantissa


def _repeating(before: str, steady: str, repeating: str) -> Fraction:
    # 0.1(6) = 1/10 + 6/9 / 10
    scale = 10 ** len(steady)
    head = Fraction(int((before or "0") + steady), scale)
    return head + Fraction(int(repeating), (10 ** len(repeating) - 1) * scale)


def _without_text_unit(text: str) -> str:
    start = _start_of_text_units(text) if TEXT_CLOSE in text else 0
    if not start:
        return text
    words = _TEXT_MARKS.sub(" ", text[start:]).strip()
    head = text[:start]
    if _PERCENT.fullmatch(words):
        return head + "%"
    if words in ("degree", "degrees"):
        return head + "^{\\circ}"
    # In \text{} a single letter is a unit too: m, s, N.
    return head if is_unit(_LETTER.sub("mm", words)) else text


def _start_of_text_units(text: str) -> int:
    """Where the units in text groups begin that a text ends with, each joined to the next; 0 if there are none."""
    start = end = -1
    for unit in _TEXT_UNIT.finditer(text):
        if end < 0 or not _JOINED.fullmatch(text, end, unit.start()):
            start = unit.start()
        end = unit.end()
        if unit["closed"] is None:
            return 0
    before = text[:start][::-1] if end == len(text) else ""
    match = _JOINED_REVERSED.match(before)
    return len(before) - match.end() if match else 0
