"""Compares ratios with one another and with quotients: 6:4 is 3:2 and three halves."""

import re
from math import gcd

from reward_score.math.answer import Answer
from reward_score.math.approximation import rounds_to
from reward_score.math.numeric import same_value

_CLOCK_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::[0-5][0-9])?")


def equal_ratios(gold: Answer, answer: Answer) -> bool:
    """Compares the quotients of two answers, at least one of which is a ratio.

    A ground truth that may be a time of day equals no other ratio, and a quotient only where it is in lowest terms.
    """
    if not {gold.kind, answer.kind} <= {"ratio", "scalar"}:
        return False
    time = _CLOCK_TIME.fullmatch(gold.text)
    if time and (answer.kind == "ratio" or gcd(int(time[1]), int(time[2])) > 1):
        return False
    one, other = _quotients(gold), _quotients(answer)
    return bool(one) and len(one) == len(other) and all(map(_equal_quotients, one, other))


def _quotients(answer: Answer) -> list[Answer]:
    if answer.kind == "scalar" and not answer.degrees:
        return [answer]
    if any(part.kind != "scalar" or part.percent for part in answer.items) or any(
        part.value == 0 for part in answer.items[1:]
    ):
        return []
    return [_quotient(top, bottom) for top, bottom in zip(answer.items, answer.items[1:], strict=False)]


def _quotient(top: Answer, bottom: Answer) -> Answer:
    value = top.value / bottom.value if top.value is not None and bottom.value else None
    return Answer("scalar", rf"\frac{{{top.text}}}{{{bottom.text}}}", value=value)


def _equal_quotients(one: Answer, other: Answer) -> bool:
    if one.value is not None and other.value is not None:
        return (one.value == other.value and not one.percent) or rounds_to(one, other)
    return same_value(one.text, other.text) or rounds_to(one, other)
