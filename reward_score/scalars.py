"""Decides whether two scalars are equal: numbers, words, the value of expressions, and whether that is computed."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from reward_score.answer import Answer
from reward_score.evaluation import constant
from reward_score.expression import Node, UnreadableError, read_expression, symbols
from reward_score.numeric import Comparison, compare
from reward_score.work_left import EXPAND, FUNCTIONS, is_expanded_polynomial, is_written_out, work_left


@dataclass(frozen=True)
class Rules:
    """What a comparison goes by beside the two answers.

    Attributes:
        settle: Decides about two scalars (canonical texts of the ground truth and of the answer) that nothing here can
            decide.
        pure_equivalence: Whether an answer of the right value is right however much is left to be computed in it.
    """

    settle: Callable[[str, str], bool]
    pure_equivalence: bool = False


def equal_scalars(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Compares two scalars or words.

    Args:
        gold: The ground truth's.
        answer: The answer's.
        rules: What else is to be gone by.

    Returns:
        Whether the answer is right.
    """
    if gold.value is not None and answer.value is not None:
        return _equal_numbers(gold, answer) and (rules.pure_equivalence or _is_number_made(gold, answer))
    if gold.text == answer.text:
        return gold.percent == answer.percent or gold.value is None
    if gold.kind == "word" or answer.kind == "word":
        return gold.text.casefold() == answer.text.casefold()
    return _equal_expressions(gold, answer, rules)


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
    if gold.value == answer.value:
        return True
    if gold.percent == answer.percent:
        return False
    larger, smaller = (gold, answer) if gold.percent else (answer, gold)
    return larger.value == 100 * smaller.value  # type: ignore[operator]


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
