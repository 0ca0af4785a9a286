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


@pytest.mark.parametrize(("gold", "answer", "question"), payment_cases.PROMPT_SAID_AGAIN)
def test_what_the_prompt_says_is_no_answer_to_it(gold, answer, question):
    for said in ({"question": question}, {"prompt_text": f"{question} Put your answer into \\boxed{{}}."}):
        assert compute_score(MATH, rf"$\boxed{{{answer}}}$", gold, said)["acc"] == 0.0


@pytest.mark.parametrize(("gold", "answer", "question"), payment_cases.ALLOWED_BY_THE_PROMPT)
def test_what_the_prompt_speaks_of_may_stand_in_the_answer(gold, answer, question):
    assert compute_score(MATH, rf"$\boxed{{{answer}}}$", gold, {"question": question})["acc"] == 1.0


def test_without_the_prompt_only_words_that_are_known_may_stand_behind_a_number():
    assert compute_score("openai/gsm8k", "#### 3 schmeckles", "3")["acc"] == 0.0
    asked = {"question": "Rick pays some schmeckles per ride. How many?"}
    assert compute_score("openai/gsm8k", "#### 3 schmeckles", "3", asked)["acc"] == 1.0


def test_there_are_200_of_each():
    assert sum(map(len, payment_cases.MADE_TO_BE_PAID.values())) >= 200
    assert sum(map(len, payment_cases.ORDINARY.values())) >= 200
