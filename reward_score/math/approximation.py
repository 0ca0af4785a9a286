r"""Decimals that stand for a value they only approximate: `A \approx 2.15`, and a ground truth that is rounded."""

import re
from fractions import Fraction
from typing import Any

from reward_score.math.answer import Answer
from reward_score.math.evaluation import constant, inexact
from reward_score.math.exact_number import read_number
from reward_score.math.expression import tree_of

MIN_DECIMALS, MIN_SIGNIFICANT = 2, 3
"""A decimal ground truth with fewer digits than either is taken for exact: 0.5 is one half and not about 0.53."""

_DECIMAL = re.compile(r"-?([0-9,]*)(?:\.([0-9]*))?(?:(?:[eE]|\\cdot10\^)\{?(-?[0-9]{1,3})\}?)?")


def is_rounded(answer: Answer) -> bool:
    """Tells whether a number is written so that it may be a rounded one: as a decimal with enough digits."""
    match = _DECIMAL.fullmatch(answer.text)
    if match is None or not (match[2] or "").strip("0"):
        return False  # 27.0 is an integer that went through a float
    significant = (match[1] + match[2]).replace(",", "").lstrip("0")
    return len(match[2]) >= MIN_DECIMALS or len(significant) >= MIN_SIGNIFICANT


def rounds_to(gold: Answer, answer: Answer) -> bool:
    """Tells whether an exact answer is what a decimal ground truth was rounded from.

    The ground truth must have enough digits to be a rounded number, and the answer must round to exactly these, halves
    away from zero; it is taken as a per cent where only the ground truth is one. A decimal is no exact answer.
    """
    if gold.value is None or not is_rounded(gold) or ("." in answer.text and "\\overline" not in answer.text):
        return False
    value = _value(answer)
    if value is None or (value < 0) is not (gold.value < 0):
        return False
    if gold.percent is not answer.percent:
        value = value * 100 if gold.percent else value / 100
    half = _last_place(gold.text) / 2
    wanted = abs(gold.value)
    if isinstance(value, Fraction):
        return wanted - half <= abs(value) < wanted + half
    return bool(inexact(wanted - half) <= abs(value) < inexact(wanted + half))


def contradicts(exact: Answer, decimal: Answer) -> bool:
    """Tells whether a decimal is no approximation of a value: off by one or more in its last place."""
    value = _value(exact)
    if value is None or decimal.value is None or not _DECIMAL.fullmatch(decimal.text):
        return False
    if exact.percent is not decimal.percent:
        value = value * 100 if decimal.percent else value / 100
    return bool(abs(inexact(value) - inexact(decimal.value)) >= inexact(_last_place(decimal.text)))


def _last_place(text: str) -> Fraction:
    """The value of one in the last place that counts of a number that `_DECIMAL` matches."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return Fraction(1)
    whole, places = match[1].replace(",", ""), match[2] or ""
    exponent = int(match[3] or 0) - len(places) if places else len(whole) - len(whole.rstrip("0"))
    return Fraction(10) ** exponent


def _value(answer: Answer) -> Any:
    if answer.kind == "relation" and set(answer.name.split()) == {"="}:
        answer = answer.items[-1]
    if answer.kind != "scalar":
        return None
    number = answer.value if answer.value is not None else read_number(answer.text)
    tree = tree_of(answer.text) if number is None else None
    return constant(tree) if tree else number
