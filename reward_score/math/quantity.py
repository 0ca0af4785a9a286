"""Takes a scalar apart: a number or an expression, and its unit, currency, per cent or degree sign."""

import re
from dataclasses import replace
from fractions import Fraction

from reward_score.math.answer import Answer
from reward_score.math.exact_number import read_number
from reward_score.math.spelling import CURRENCIES, NO_CURRENCIES, TEXT_CLOSE, TEXT_OPEN
from reward_score.math.unit_words import LETTERS, UNITS
from reward_score.math.units import DEGREES, NONE, PERCENT, Unit, read_unit

_SIGN = re.compile(r"[-+ ]{0,3}")
_CLOCK = re.compile(r"0?([0-9]{1,2}):([0-5][0-9])")
# With these zeros it is no ratio.
TIME = re.compile(r"[0-9]{1,2}:0[0-9]|0[0-9]:[0-5][0-9]")
# Backwards from the end: words, with the powers, points and signs that units have.
_TAIL = re.compile(r"(?:\}?[0-9]-?\{?\^|[A-Za-z./ -])+")
_WORDS_BEGIN = re.compile(r"[ -]{0,2}[A-Za-z/]")
_COMMAND = re.compile(r"[A-Za-z]+")
_DEGREE = "^{\\circ}"
_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_LETTER = re.compile(r"(?P<head>.+)(?P<letter>[A-Za-z])(?:\^\{(?P<power>[23])\})?", re.DOTALL)
_HALVES_OF_DAY = (frozenset((("am", 1),)), frozenset((("pm", 1),)))


def read_quantity(text: str) -> Answer:
    """Takes a unit off the end of a scalar's canonical text, and reads the scalar's value."""
    text, money = _without_currency(text)
    head, unit = _without_unit(text)
    if money != NONE:
        unit = replace(unit, factors=unit.factors | money.factors) if money.factors - unit.factors else unit
    percent = PERCENT.factors <= unit.factors
    clock = _CLOCK.fullmatch(head) if unit.factors in _HALVES_OF_DAY or TIME.fullmatch(text) else None
    if clock:
        full_hour = Fraction(int(clock[1])) if clock[2] == "00" and unit != NONE else None
        return Answer("scalar", f"{clock[1]}:{clock[2]}", value=full_hour, unit=unit)
    return Answer("scalar", head.lstrip("+"), (), "", read_number(head), percent, unit == DEGREES, unit)


def _without_currency(text: str) -> tuple[str, Unit]:
    sign = _SIGN.match(text)
    place = sign.end() if sign else 0
    found = next((mark for mark in (text[place : place + 1], text[-1:]) if mark in CURRENCIES), None) if text else None
    if found is None:
        return text, NONE
    unit = read_unit(CURRENCIES[found])
    return text.translate(NO_CURRENCIES).strip(), unit or NONE


def _without_unit(text: str) -> tuple[str, Unit]:
    """Splits a text; the whole of it with NONE where what stands at its end is no unit."""
    if not text or text[-1].isdigit():
        return text, NONE
    place, letters = text.find(TEXT_OPEN), False
    if place > 0:
        return _split(text, place, letters=True) or (text, NONE)
    if place == 0:
        text = text.replace(TEXT_OPEN, " ").replace(TEXT_CLOSE, " ").strip()
        letters = True
    if text.endswith("%"):
        head, unit = text[:-1].rstrip(), PERCENT
        return (head, unit) if read_number(head) is not None or place < 0 else (text, NONE)
    if text.endswith(")") and text[-3:-1].isalpha():
        found = _split(text, text.rfind("("), letters=False)  # 72 (dollars)
        return found if found and read_number(found[0]) is not None else (text, NONE)
    if text.endswith(_DEGREE):
        return _split(text, len(text) - len(_DEGREE), letters=False) or (text, NONE)
    tail = _TAIL.match(text[::-1])
    place = len(text) - tail.end() if tail else 0
    command = _COMMAND.match(text, place) if text[:place].endswith("\\") else None
    begin = _WORDS_BEGIN.match(text, command.end() if command else place)
    if not tail or begin is None:
        return text, NONE
    place = begin.end() - 1
    found = _split(text, place, letters)
    if found is None:
        return text, NONE
    head, unit = found
    # Behind an expression only units that are known stand: what else does is a product of variables.
    is_number = read_number(head) is not None or _CLOCK.fullmatch(head) is not None
    may_be = not unit.doubtful and text[place:][:2].isalpha() and (head[-1] in "})" or head.endswith("\\pi"))
    return found if is_number or may_be else (text, NONE)


def _split(text: str, place: int, letters: bool) -> tuple[str, Unit] | None:
    head, tail = text[:place].rstrip(" *"), text[place:]
    head = head.removesuffix("\\cdot").rstrip()
    if head.endswith("/"):
        head, tail = head[:-1].rstrip(), f"/{tail}"
    for sign, spelled in ((_DEGREE, _DEGREE), ("%", " percent ")):
        # One degree sign of several belongs to a sum, one in a function to its argument, and not to the whole.
        if head.endswith(sign) and head.count("\\circ") <= 1 and not _FUNCTION.search(head):
            head, tail = head.removesuffix(sign).rstrip(), spelled + tail
    if head.endswith("\\frac{"):
        head, tail = head.removesuffix("\\frac{"), "\\frac{" + tail
    if tail.startswith(_DEGREE) and ("\\circ" in head or _FUNCTION.search(head)):
        return None
    unit = read_unit(tail, letters=letters) if head else None
    return None if unit is None else (head, unit)


def read_letter(text: str, stated: Unit = NONE, *, behind_number: bool = True) -> Answer | None:
    r"""Reads a letter at the end as a unit: behind a number, as 64g, or where the other side states it, as 9\pi m^2."""
    match = _LETTER.fullmatch(text)
    name = UNITS.get(match["letter"]) if match else None
    if match is None or name is None:
        return None
    unit = (name, int(match["power"] or 1))
    value = read_number(match["head"])
    may_be = behind_number and value is not None and unit[1] == 1 and match["letter"] in LETTERS
    if not may_be and unit not in stated.factors:
        return None
    return Answer("scalar", match["head"], value=value, unit=Unit(frozenset((unit,))))
