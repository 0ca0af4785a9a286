"""Reads a canonical text as one exact number."""

import re
from fractions import Fraction

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


def read_decimal(text: str) -> Fraction:
    """Reads a text known to be a decimal of bounded length: a sign, commas between groups, a point at any place."""
    digits = text.replace(",", "").rstrip(".")
    # A Fraction of an int is made several times faster than one of a text.
    return Fraction(int(digits)) if digits.isdigit() else Fraction(digits)


def read_number(text: str) -> Fraction | None:
    """Reads a canonical text without a unit; None if it is not one number, or one beyond the bounds above."""
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
        # 0.1(6) = 1/10 + 6/9 / 10
        scale = 10 ** len(match["steady"])
        head = Fraction(int((match["before"] or "0") + match["steady"]), scale)
        return head + Fraction(int(match["repeating"]), (10 ** len(match["repeating"]) - 1) * scale)
    exponent = int(match["tens"] or match["exponent"] or 0)
    if abs(exponent) > MAX_EXPONENT:
        return None
    mantissa = read_decimal(match["decimal"] or "1")
    return mantissa * Fraction(10) ** exponent if exponent else mantissa
