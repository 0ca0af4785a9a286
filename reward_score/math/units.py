r"""Reads what stands behind a number: a unit, the name of what is counted, or words that are neither.

The one reader of units: of a line behind "####", of a box and of a ground truth.
"""

import re
from dataclasses import dataclass

from reward_score.math.spelling import TEXT_CLOSE, TEXT_OPEN
from reward_score.math.unit_words import (
    FILLERS,
    IRREGULAR,
    LENGTHS,
    NEVER_UNITS,
    ONLY_SEVERAL,
    QUALITIES,
    QUOTIENTS,
    RESERVED,
    SCALES,
    STUFF,
    THINGS,
    UNITS,
)

MAX_WORDS = 10
MAX_UNIT_CHARS = 120

_TOKEN = re.compile(r"\^\{?(-?[0-9])\}?|\^\{\\circ\}|([A-Za-z]+)\.?|[-/*. ,()]|\\cdot(?![A-Za-z])")
_LETTER_OF = re.compile(r"[A-Za-z] (?:of|per) ")
_HALF_OF_DAY = re.compile(r"\b([AaPp])\. ?[Mm]\b\.?")
_QUOTIENT = re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}")
_MONEY = frozenset(("dollar", "cent", "euro", "yen", "rupee", "peso"))
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3, "squared": 2, "cubed": 3}


@dataclass(frozen=True)
class Unit:
    """What was stated behind a number.

    `factors` are the units of measurement with their powers; `things` what is counted or measured, each word in the
    singular; `doubtful` are words, as they stand there, that count only where the ground truth or the prompt has them.
    """

    factors: frozenset[tuple[str, int]] = frozenset()
    things: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()


NONE = Unit()
PERCENT = Unit(frozenset((("percent", 1),)))
DEGREES = Unit(frozenset((("degree", 1),)))
RADIANS = Unit(frozenset((("radian", 1),)))


def read_unit(text: str, *, letters: bool = False) -> Unit | None:
    r"""Reads what stands behind a number, in canonical spelling; a letter is a unit with `letters`, as in `\text{}`.

    NONE is for nothing. None is for what is no unit: a digit, a formula, a word that changes the value, joins a second
    answer or takes the answer back.
    """
    if len(text) > MAX_UNIT_CHARS:
        return None
    plain = _HALF_OF_DAY.sub(r"\1m", text.replace(TEXT_OPEN, " ").replace(TEXT_CLOSE, " ").replace(" ^", "^"))
    plain = _QUOTIENT.sub(r"\1/\2", plain).strip()
    reader = _Reader(letters=letters or "/" in plain or _LETTER_OF.match(plain) is not None)
    place = 0
    while place < len(plain):
        match = _TOKEN.match(plain, place)
        if match is None or not reader.take(match, last=not plain[match.end() : match.end() + 1].strip("^")):
            return None
        place = match.end()
    return reader.unit()


class _Reader:
    def __init__(self, *, letters: bool):
        self.letters = letters
        self.factors: dict[str, int] = {}
        self.things: set[str] = set()
        self.doubtful: set[str] = set()
        self.words = 0
        self.sign = 1
        self.power = 1
        self.divides = False
        """Whether a "per" has nothing behind it yet."""
        self.previous = ""
        """The unit of measurement that the token before was."""

    def unit(self) -> Unit | None:
        if self.power != 1 or self.divides:
            return None  # "square" of nothing, "per" nothing
        factors = frozenset((name, power) for name, power in self.factors.items() if power)
        return Unit(factors, frozenset(self.things), frozenset(self.doubtful))

    def take(self, match: re.Match[str], *, last: bool) -> bool:
        token, word = match[0], match[2]
        if match[1]:
            return self._raise(int(match[1]))
        if word:
            self.words += 1
            self.divides = False
            return self.words <= MAX_WORDS and self._take_word(word, last=last)
        if token == "/":
            self._divide()
        elif token.startswith("^"):
            self._measure("degree")
        return True

    def _take_word(self, word: str, *, last: bool) -> bool:
        lower = word.lower()
        known = UNITS.get(word) or (UNITS.get(lower) if len(word) > 1 else None)
        if lower == "in" and not last and not self.power > 1:
            known = None
        if lower in _POWERS and lower.endswith("ed"):
            return self.previous in LENGTHS and self._raise(_POWERS[lower])
        if lower in _POWERS and not last:
            self.power = _POWERS[lower]
            return True
        if lower == "per" or (lower in ("a", "an", "each", "every") and self.words > 1 and not last):
            self._divide()
            return True
        if lower in QUOTIENTS:
            over, under = QUOTIENTS[lower]
            self.factors |= {over: 1, under: -1}
            return True
        if lower in SCALES and ("degree" in self.factors or len(word) > 1):
            self.things.add(SCALES[lower])
            return True
        if known and (len(word) > 1 or self.letters):
            self._measure(known)
            return True
        return len(word) > 1 and self._take_thing(lower, last=last)

    def _divide(self) -> None:
        self.sign = -1
        self.divides = True

    def _take_thing(self, word: str, *, last: bool) -> bool:
        self.previous = ""
        self.power = 1
        thing = singular(word)
        if word in NEVER_UNITS:
            return False
        if word in FILLERS:
            return word != "more" or not last  # "5 more" is no number yet, "5 more apples" is one
        if word in RESERVED or word in ONLY_SEVERAL or not (word in QUALITIES or word in STUFF or thing in THINGS):
            self.doubtful.add(word)
        self.things.add(thing)
        return True

    def _measure(self, name: str) -> None:
        self.factors[name] = self.factors.get(name, 0) + self.sign * self.power
        self.previous = name
        self.power = 1

    def _raise(self, power: int) -> bool:
        if not self.previous or not 1 <= abs(power) <= 4:
            return False
        self.factors[self.previous] += self.sign * (power - 1)
        self.previous = ""
        return True


def singular(word: str) -> str:
    """Gives the singular of a word as far as it is made by rule, or by one of the exceptions that are known."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


def agree(gold: Unit, answer: Unit) -> bool:
    """Tells whether two units say the same, or one says more than the other, which may be nothing."""
    if gold is answer or gold == NONE or answer == NONE:
        return True
    one, other = _said(gold, answer), _said(answer, gold)
    return one <= other or other <= one


def _said(unit: Unit, beside: Unit) -> frozenset[object]:
    factors = unit.factors
    if any(name in _MONEY and power == 1 for name, power in factors):
        # What is paid for a pound, an hour or each is money.
        factors = frozenset(factor for factor in factors if factor[1] > 0 or factor in beside.factors)
    if all(name == "unit" for name, _ in beside.factors) and all(name in LENGTHS for name, _ in factors):
        # "Square units" are square centimetres where those are meant.
        factors = frozenset(("unit", power) for _, power in factors) if len(factors) == 1 else factors
    said: set[object] = {*unit.things, factors} if factors else {*unit.things}
    return frozenset(said)


def allows(gold: Unit, answer: Unit, question_words: frozenset[str]) -> bool:
    """Tells whether every doubtful word of an answer's unit stands in the ground truth's, or in the prompt."""
    return all(
        word in gold.doubtful or singular(word) in gold.things or word in question_words for word in answer.doubtful
    )
