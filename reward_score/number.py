"""Reads one line as one exact number.

Deviation from verl's gsm8k verifier, which takes the longest prefix that looks like a number: here the whole line must
be one number, so that `2/3` is not 2, `5e3` not 5, `72 or 73` not 72 and `72,73` not 7273. What people and models put
around a number (currency, per cent, a unit, markdown, LaTeX delimiters, a box) is taken off first.
"""

import re
from fractions import Fraction

from reward_score.latex_spelling import word_set

MAX_LINE_CHARS = 256
MAX_NUMBER_CHARS = 100
MAX_EXPONENT = 50
"""With MAX_NUMBER_CHARS this keeps a number below 256 characters when it is written out as a fraction."""

MAX_UNIT_WORDS = 4
_MAX_NESTING = 3

_CURRENCY = "$€£¥₹"
_AROUND = " \t\r*_`\"'" + _CURRENCY

_TRANSLATION = str.maketrans(
    {"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " "}
    | dict.fromkeys("\N{ZERO WIDTH SPACE}\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}", "")
)
_LATEX_THOUSANDS = re.compile(r"\{,\}|,\\!")
_LATEX_DELIMITER = re.compile(r"\\[()\[\],;: ]|\*\*")
_LATEX_WRAPPER = re.compile(r"\\(?:boxed|fbox|text|textbf|mathbf|mathrm|mbox)\s*\{([^{}]*)\}")

_NUMBER = re.compile(
    rf"""(?P<sign>[+-]?)[ ]?[{_CURRENCY}]?[ ]?
    (?:(?P<mixed>[0-9]+)[ ]+(?P<part>[0-9]+)/(?P<parts>[0-9]+)
      |(?P<top>[0-9]+)[ ]?/[ ]?(?P<bottom>[0-9]+)
      |(?P<decimal>(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}}))?
    )
    (?:[ ]*[%°{_CURRENCY}])?(?P<unit>(?![0-9,]).*)""",
    re.VERBOSE,
)
_UNIT_WORD = re.compile(r"(?:[A-Za-z]{2,20}|[ghlsLCF])\.?(?:\^?[23]|[²³])?")
# A word that joins a second answer, changes the value or takes the answer back is no unit.
_NOT_UNITS = word_set(
    """or and to times plus minus by over point is not no nor either bn mn lakh crore
    half halves third thirds quarter quarters dozen dozens hundred hundreds thousand thousands million millions
    billion billions trillion trillions zero one two three four five six seven eight nine ten eleven twelve
    twenty thirty forty fifty sixty seventy eighty ninety"""
)


def parse_number(line: str) -> Fraction | None:
    """Reads a line that holds one number: integer, decimal, fraction, mixed number or scientific notation.

    Args:
        line: The text; commas must group digits by three, digits must be ASCII.

    Returns:
        Its exact value (per cent signs and units are dropped: `25%` is 25), or None if the line is anything but one
        number, or longer than the bounds above.
    """
    if len(line) > MAX_LINE_CHARS:
        return None
    plain = line.strip()
    if plain.isdigit() and plain.isascii() and len(plain) <= MAX_NUMBER_CHARS:
        return Fraction(int(plain))  # what most answers are, and a tenth of the time
    match = _NUMBER.fullmatch(_undress(line))
    if match is None or not is_unit(match["unit"]):
        return None
    return _value(match)


def _undress(line: str) -> str:
    text = _LATEX_THOUSANDS.sub(",", line.translate(_TRANSLATION)).replace("\\$", "$").replace("\\%", "%")
    text = _LATEX_DELIMITER.sub(" ", text)
    for _ in range(_MAX_NESTING):
        text = _LATEX_WRAPPER.sub(r" \1 ", text)
    return text.lstrip(_AROUND).rstrip(_AROUND + ".")


def read_decimal(text: str) -> Fraction:
    """Reads ASCII digits with what a decimal may have besides: a sign, commas between groups, a point at any place.

    Args:
        text: The text, of bounded length and already known to be such a number.

    Returns:
        Its exact value.
    """
    digits = text.replace(",", "").rstrip(".")
    # A Fraction of an int is made several times faster than one of a text.
    return Fraction(int(digits)) if digits.isdigit() else Fraction(digits)


def is_unit(text: str) -> bool:
    """Tells whether what stands behind a number is a unit or the name of what is counted.

    Args:
        text: Up to MAX_UNIT_WORDS words, separated by blanks, "/" or "-"; "" is one.

    Returns:
        False as well for words that change the value ("million"), join a second answer ("or") or take it back ("not").
    """
    words = re.split(r"[ /-]+", text.strip()) if text.strip() else []
    return len(words) <= MAX_UNIT_WORDS and all(
        _UNIT_WORD.fullmatch(word) is not None and word.rstrip(".").lower() not in _NOT_UNITS for word in words
    )


def _value(match: re.Match[str]) -> Fraction | None:
    if match.start("unit") > MAX_NUMBER_CHARS:
        return None
    if match["decimal"] is not None:
        exponent = int(match["exponent"] or 0)
        if abs(exponent) > MAX_EXPONENT:
            return None
        magnitude = read_decimal(match["decimal"])
        magnitude = magnitude * Fraction(10) ** exponent if exponent else magnitude
    else:
        denominator = int(match["parts"] or match["bottom"])
        if denominator == 0:
            return None
        magnitude = int(match["mixed"] or 0) + Fraction(int(match["part"] or match["top"]), denominator)
    return -magnitude if match["sign"] == "-" else magnitude
