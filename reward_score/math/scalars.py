"""Decides whether two scalars or ratios are equal: numbers, words, the value of expressions, what is left to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import gcd

from reward_score.math.answer import Answer
from reward_score.math.approximation import rounds_to
from reward_score.math.evaluation import constant
from reward_score.math.expression import tree_of
from reward_score.math.numeric import Comparison, compare, same_value
from reward_score.math.quantity import read_letter
from reward_score.math.question import asks_to_expand, stands_in, unit_words
from reward_score.math.tree import Node, symbols
from reward_score.math.units import NONE, Unit, agree, allows
from reward_score.math.work_left import (
    DIVIDE,
    EXPAND,
    FUNCTIONS,
    POWER_BELOW,
    POWER_FORM,
    is_expanded_polynomial,
    is_written_out,
    work_left,
)

_CLOCK_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::[0-5][0-9])?")


@dataclass(frozen=True)
class Rules:
    """What a comparison goes by beside the two answers.

    `settle` decides about two scalars (canonical texts of the ground truth and of the answer) that nothing here can
    decide. With `pure_equivalence` an answer of the right value is right however much is left to be computed in it.
    `question` is the prompt, "" where it is not at hand.
    """

    settle: Callable[[str, str], bool]
    pure_equivalence: bool = False
    question: str = ""


def equal_scalars(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Compares two scalars or words."""
    # 4s is the perimeter of a square before it is four seconds, unless the ground truth is a number.
    if gold.text != answer.text:
        gold, answer = (
            _with_letter(gold, answer.unit, behind_number=False),
            _with_letter(answer, gold.unit, behind_number=gold.value is not None),
        )
    if not units_fit(gold, answer, rules):
        return False
    if gold.value is not None and answer.value is not None:
        return _equal_numbers(gold, answer) and (rules.pure_equivalence or _is_number_made(gold, answer, rules))
    if gold.text == answer.text:
        return gold.percent == answer.percent or gold.value is None
    if gold.kind == "word" or answer.kind == "word":
        return gold.text.casefold() == answer.text.casefold()
    return _equal_expressions(gold, answer, rules)


def units_fit(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Tells whether nothing behind an answer contradicts the ground truth's unit, or is a word that is none."""
    return agree(gold.unit, answer.unit) and are_units(gold, answer, rules)


def are_units(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Tells whether the words behind an answer are units: known as such, or the ground truth's own, or the prompt's."""
    return not answer.unit.doubtful or allows(gold.unit, answer.unit, unit_words(rules.question))


def _with_letter(one: Answer, stated: Unit, *, behind_number: bool) -> Answer:
    """Takes 64g for 64 grams where the other side is a number, or is stated in grams."""
    if one.value is not None or (stated == NONE and not behind_number) or one.kind != "scalar":
        return one
    found = read_letter(one.text, stated, behind_number=behind_number)
    return replace(one, text=found.text, value=found.value, unit=found.unit) if found else one


def is_finished(answer: Answer, rules: Rules) -> bool:
    """Tells whether an exact answer to a rounded ground truth is computed as far as it can be.

    It is not if it is a rational number that is not written out, or leaves work other than the value of a function.
    """
    if rules.pure_equivalence:
        return True
    tree = tree_of(answer.text)
    if tree is None:
        return answer.value is not None
    value = constant(tree)
    return is_written_out(tree, value) if isinstance(value, Fraction) else work_left(tree) <= FUNCTIONS


def _equal_numbers(gold: Answer, answer: Answer) -> bool:
    one, other = gold.value or 0, answer.value or 0
    if gold.percent is answer.percent:
        return one == other
    if gold.percent:
        # Its value, or the sign left out, which no part of a whole can be.
        return one == 100 * other or (one == other and abs(one) >= 1)
    # One world for a ground truth without the sign: a part of a whole is 75% for 3/4, any other number 5% for 5.
    return other == (100 * one if 0 < abs(one) < 1 else one)


def _is_number_made(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Tells 5 from 10/2 and 0.5 from 1.5/3: a division that is left is no number yet."""
    if gold.text == answer.text or not any(sign in answer.text for sign in ("/", "frac", "^")):
        return True
    one, other = tree_of(gold.text), tree_of(answer.text)
    if one is None or other is None:
        return True
    left = is_written_out(one, gold.value or Fraction(0)) and not is_written_out(other, answer.value or Fraction(0))
    # 6.72 x 10^{-5} has no line below it.
    return not (left and "^" not in answer.text) and not _is_the_question(one, other, rules)


def _is_the_question(gold: Node, answer: Node, rules: Rules) -> bool:
    """Tells whether an answer that is no plain number or name only says again what the prompt says."""
    if answer.kind in ("number", "symbol", "constant", "negate") or gold == answer:
        return False
    return stands_in(rules.question, answer) and not stands_in(rules.question, gold)


def _equal_expressions(gold: Answer, answer: Answer, rules: Rules) -> bool:
    one, other = tree_of(gold.text), tree_of(answer.text)
    if one is None or other is None:
        # What is no number for our own reader is none that is written out.
        by_form = gold.value is not None and not rules.pure_equivalence
        return not by_form and rules.settle(gold.text, answer.text)
    if not rules.pure_equivalence and not _is_evaluated(one, other, gold.value, rules):
        return False
    found = compare(one, other)
    if found is Comparison.UNDECIDED:
        return rules.settle(gold.text, answer.text)
    return found is Comparison.EQUAL and (rules.pure_equivalence or not _is_the_question(one, other, rules))


def _is_evaluated(gold: Node, answer: Node, value: Fraction | None, rules: Rules) -> bool:
    """Tells whether an answer, if it is right, leaves nothing to be computed that the ground truth does not leave."""
    if value is not None:
        return is_written_out(answer, value)
    wanted = work_left(gold)
    left = work_left(answer) - wanted - {POWER_FORM} - ({POWER_BELOW} if POWER_FORM in wanted else set())
    if not left or not left <= frozenset((EXPAND, DIVIDE)) or not symbols(gold):
        # Without a variable a quotient is a number, and to divide is no work of its own.
        return not left
    # A product and the sum that it makes are both answers, unless the ground truth is such a sum and was asked for.
    if not is_expanded_polynomial(gold):
        return True
    return left == frozenset((EXPAND,)) and rules.question != "" and not asks_to_expand(rules.question)


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
    quotients: list[Answer] = []
    for top, bottom in pairwise(answer.items):
        value = top.value / bottom.value if top.value is not None and bottom.value else None
        quotients.append(Answer("scalar", rf"\frac{{{top.text}}}{{{bottom.text}}}", value=value))
    return quotients


def _equal_quotients(one: Answer, other: Answer) -> bool:
    if one.value is not None and other.value is not None:
        return (one.value == other.value and not one.percent) or rounds_to(one, other)
    return same_value(one.text, other.text) or rounds_to(one, other)
