"""Decides whether two scalars are equal: numbers, words, the value of expressions, and whether that is computed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from reward_score.answer import Answer
from reward_score.evaluation import constant
from reward_score.expression import Node, UnreadableError, read_expression, symbols
from reward_score.numeric import Comparison, compare
from reward_score.quantity import read_letter
from reward_score.units import agree, allows
from reward_score.work_left import EXPAND, FUNCTIONS, is_expanded_polynomial, is_written_out, work_left


@dataclass(frozen=True)
class Rules:
    """What a comparison goes by beside the two answers.

    Attributes:
        settle: Decides about two scalars (canonical texts of the ground truth and of the answer) that nothing here can
            decide.
        pure_equivalence: Whether an answer of the right value is right however much is left to be computed in it.
        words: Words of the prompt that may stand behind a number.
    """

    settle: Callable[[str, str], bool]
    pure_equivalence: bool = False
    words: frozenset[str] = frozenset()


def equal_scalars(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Compares two scalars or words.

    Args:
        gold: The ground truth's.
        answer: The answer's.
        rules: What else is to be gone by.

    Returns:
        Whether the answer is right.
    """
    gold, answer = _with_letter(gold, answer), _with_letter(answer, gold)
    if not units_fit(gold, answer, rules):
        return False
    if gold.value is not None and answer.value is not None:
        return _equal_numbers(gold, answer) and (rules.pure_equivalence or _is_number_made(gold, answer))
    if gold.text == answer.text:
        return gold.percent == answer.percent or gold.value is None
    if gold.kind == "word" or answer.kind == "word":
        return gold.text.casefold() == answer.text.casefold()
    return _equal_expressions(gold, answer, rules)


def units_fit(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Tells whether nothing behind an answer contradicts the ground truth's unit, or is a word that is none."""
    return agree(gold.unit, answer.unit) and allows(gold.unit, answer.unit, rules.words)


def _with_letter(one: Answer, other: Answer) -> Answer:
    """Takes 64g for 64 grams where the other side is a number, without a unit if that is the ground truth."""
    if one.value is not None or other.value is None or one.kind != "scalar":
        return one
    found = read_letter(one.text, other.unit)
    return replace(one, text=found.text, value=found.value, unit=found.unit) if found else one


def is_finished(answer: Answer, rules: Rules) -> bool:
    """Tells whether an exact answer to a rounded ground truth is computed as far as it can be.

    Args:
        answer: A scalar.
        rules: What else is to be gone by.

    Returns:
        False for a rational number that is not written out, and for work other than that of a function.
    """
    if rules.pure_equivalence:
        return True
    try:
        tree = read_expression(answer.text)
    except UnreadableError:
        return answer.value is not None
    value = constant(tree)
    return is_written_out(tree, value) if isinstance(value, Fraction) else work_left(tree) <= FUNCTIONS


def _equal_numbers(gold: Answer, answer: Answer) -> bool:
    one, other = gold.value or 0, answer.value or 0
    if gold.percent is answer.percent:
        return one == other
    if gold.percent:
        # The sign left out, or its value.
        return one in (other, 100 * other)
    # One world for a ground truth without the sign: a part of a whole is 75% for 3/4, any other number 5% for 5.
    return other == (100 * one if 0 < abs(one) < 1 else one)


def _is_number_made(gold: Answer, answer: Answer) -> bool:
    """Tells 5 from 10/2 and 0.5 from 1.5/3: a division that is left is no number yet."""
    if gold.text == answer.text or not ("/" in answer.text or "frac" in answer.text):
        return True
    return _is_written(answer) or not _is_written(gold)


def _is_written(number: Answer) -> bool:
    try:
        return is_written_out(read_expression(number.text), number.value or Fraction(0))
    except UnreadableError:
        return True


def _equal_expressions(gold: Answer, answer: Answer, rules: Rules) -> bool:
    found, trees = Comparison.UNDECIDED, None
    try:
        trees = read_expression(gold.text), read_expression(answer.text)
    except UnreadableError:
        if gold.value is not None and not rules.pure_equivalence:
            # What is no number for our own reader is none that is written out.
            return False
    if trees and not rules.pure_equivalence and not _is_evaluated(*trees, gold.value):
        return False
    if trees:
        found = compare(*trees)
    return rules.settle(gold.text, answer.text) if found is Comparison.UNDECIDED else found is Comparison.EQUAL


def _is_evaluated(gold: Node, answer: Node, value: Fraction | None) -> bool:
    """Tells whether an answer, if it is right, leaves nothing to be computed that the ground truth does not leave."""
    if value is not None:
        return is_written_out(answer, value)
    left = work_left(answer) - work_left(gold)
    if left == frozenset((EXPAND,)) and symbols(gold):
        # A product and the sum that it makes are both answers, unless the ground truth is such a sum.
        return not is_expanded_polynomial(gold)
    return not left
