"""What a policy could be paid for without solving anything, kind by kind, and the ordinary answers that stay right."""

import importlib.util
from pathlib import Path

import pytest

from reward_score import compute_score

_spec = importlib.util.spec_from_file_location("payment_cases", Path(__file__).with_name("payment_cases.py"))
payment_cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(payment_cases)

MATH, DAPO = "lighteval/MATH", "math_dapo"


def flat(kinds):
    return [(kind, *pair) for kind, pairs in kinds.items() for pair in pairs]


def judged(gold, answer, **options):
    return [
        compute_score(source, response, gold, **options)["acc"]
        for source, response in ((MATH, rf"So it is $\boxed{{{answer}}}$."), (DAPO, f"So.\nAnswer: {answer}"))
    ]


@pytest.mark.parametrize(("kind", "gold", "answer"), flat(payment_cases.MADE_TO_BE_PAID))
def test_an_answer_made_to_be_paid_is_wrong(kind, gold, answer):
    assert judged(gold, answer) == [0.0, 0.0]


@pytest.mark.parametrize(("kind", "gold", "answer"), flat(payment_cases.ORDINARY))
def test_an_ordinary_right_answer_is_right(kind, gold, answer):
    assert judged(gold, answer) == [1.0, 1.0]


def test_the_option_of_pure_equivalence_takes_what_is_left_to_be_computed():
    # Sums with dots, functions that nothing here reads, and names that the ground truth has not, stay wrong.
    unread = {r"1+2+3+\cdots+10", r"\sin 60^\circ", r"\sin^2x+\cos^2x", r"\gcd(10,15)", r"\max(3,5)"}
    for gold, answer in payment_cases.MADE_TO_BE_PAID["left to be computed"]:
        assert answer in unread or judged(gold, answer, pure_equivalence=True) == [1.0, 1.0], (gold, answer)
    assert judged("391", r"17\cdot 24", pure_equivalence=True) == [0.0, 0.0]
