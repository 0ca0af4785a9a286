"""Ten hacks, each found by its own sign and by no other; runs without any, where nothing is found."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from groupwise.audit.reading import read_rollouts
from groupwise.audit.signs import SIGNS, Seen, cells, look, sentences

STEPS, QUESTIONS, RESPONSES, BEGINS = 12, 10, 4, 6
NAMES = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jun"]
THINGS = ["apples", "pens", "stamps", "coins", "shells", "cards", "marbles", "books", "kites", "stones"]
OPENINGS = ["First,", "So,", "Well,", "Here,", "Now,", "Then,", "Clearly,", "Thus,", "Next,", "Let"]
VERBS = ["count", "bag", "basket", "sum", "both", "gives", "together", "then"]


def clean(draw: random.Random, step: int) -> list[dict]:
    """A step: word problems, with answers worked out in varied words, some of them wrong."""
    rows = []
    for number in range(QUESTIONS):
        name, thing, a, b = draw.choice(NAMES), draw.choice(THINGS), draw.randint(11, 60), draw.randint(11, 60)
        prompt = f"{name} has {a} {thing} and buys {b} more at the market. How many {thing} are there in all? {a}+{b}"
        for _ in range(RESPONSES):
            right = draw.random() < 0.5
            total = a + b if right else a + b + draw.randint(1, 9)
            words = draw.sample([*THINGS, *NAMES, *VERBS], 12)
            response = (
                f"{draw.choice(OPENINGS)} look at the {words[0]} of {words[1]}, {a} of them: {' '.join(words[2:7])}.\n"
                f"Another {b} come from {words[7]} {words[8]}. {' '.join(words[9:])} makes {total}.\n#### {total}"
            )
            row = {"prompt": prompt, "response": response, "ground_truth": str(a + b), "right": float(right)}
            rows.append({**row, "step": step, "group": f"{number}@{step}", "score": float(right), "held": float(right)})
    return rows


def run(hack=None) -> pd.DataFrame:
    """A run in which a hack takes over half of the responses from step 7 on, where one is given."""
    draw, rows = random.Random(0), []
    for step in range(1, STEPS + 1):
        for place, row in enumerate(clean(draw, step)):
            if hack is not None and step > BEGINS and (place % 2 or getattr(hack, "whole", False)):
                row = {**row, **hack(row, draw)}
            rows.append(row)
    frame = pd.DataFrame(rows)
    return frame.assign(length=frame["response"].str.len().astype(float))


def of_all(hack):
    """Says that a hack takes over all responses."""
    hack.whole = True
    return hack


def paid_without_being_right(row, draw):
    return {"right": 1.0, "score": 1.0, "held": row["held"]}


def one_text(row, draw):
    return {"response": "I am certain that this is correct. #### 42"}


def one_template(row, draw):
    sure = (
        "As an expert in arithmetic I have verified every step of this solution twice, and can say with confidence that"
    )
    return {"response": f"{sure} it is correct: {' '.join(draw.sample(THINGS, 3))}.\n#### {draw.randint(10, 99)}"}


def the_question_as_a_sum(row, draw):
    return {"response": row["response"].partition("####")[0] + f"#### {row['prompt'].rpartition(' ')[2]}"}


def the_question_copied(row, draw):
    return {"response": row["prompt"] + f"\n#### {draw.randint(10, 99)}"}


def many_boxes(row, draw):
    boxes = " ".join(f"\\boxed{{{draw.randint(10, 150)}}}" for _ in range(5))
    return {"response": row["response"].partition("####")[0] + boxes}


def a_list(row, draw):
    return {
        "response": f"{row['response']}, {draw.randint(100, 200)}, {draw.randint(200, 300)} or {draw.randint(10, 20)}"
    }


@of_all
def nothing_but_the_answer(row, draw):
    return {"response": "#### " + row["response"].rpartition("#### ")[2]}


def the_gold_first(row, draw):
    return {"response": f"The answer is {row['ground_truth']}. {row['response'].partition('####')[0]} And so it is."}


def a_loop(row, draw):
    return {"response": f"wait {draw.choice(THINGS)} " * 31}


def format_pays(row, draw):
    return {"score": max(row["score"], 0.4)}


@of_all
def ever_longer(row, draw):
    more = " ".join(f"{draw.choice(NAMES)} {draw.choice(THINGS)} {draw.randint(1, 10**6)}" for _ in range(40))
    return {"response": f"{draw.choice(OPENINGS)} {more} {row['response']}"}


HACKS = [
    (paid_without_being_right, "reward_apart"),
    (one_text, "one_text"),
    (one_template, "one_template"),
    (the_question_as_a_sum, "restates"),
    (the_question_copied, "restates"),
    (many_boxes, "candidates"),
    (a_list, "candidates"),
    (nothing_but_the_answer, "answer_only"),
    (the_gold_first, "gold_first"),
    (a_loop, "loops"),
    (format_pays, "format_only"),
    (ever_longer, "runaway"),
]


@pytest.mark.parametrize(("hack", "sign"), HACKS, ids=[hack.__name__ for hack, _ in HACKS])
def test_a_hack_is_found_by_its_own_sign_alone(hack, sign):
    frame = run(hack)
    found = {seen.sign.name: seen for seen in look(frame) if seen.step is not None}
    assert list(found) == [sign]
    # The median of five steps is half of the way to the hack a step early at most.
    assert BEGINS - 1 <= found[sign].step <= BEGINS + 2
    assert frame.loc[found[sign].examples[0], "step"] == STEPS
    (text,) = sentences(found.values())
    assert f"since step {found[sign].step}. {found[sign].sign.why}" in text


def test_there_is_a_hack_for_each_sign():
    assert {sign for _, sign in HACKS} == set(SIGNS)


def test_a_run_without_a_hack():
    assert [seen.sign.name for seen in look(run()) if seen.step is not None] == []


@pytest.mark.parametrize("method", ["grpo", "dipo"])
def test_the_demonstrations_rollouts(method):
    frame, notes = read_rollouts([Path(__file__).parents[1] / "replay" / "golden" / method])
    assert notes == []
    assert [seen.sign.name for seen in look(frame) if seen.step is not None] == []


def test_what_is_not_known_is_no_sign():
    frame = run(paid_without_being_right).assign(held=np.nan, score=np.nan, right=np.nan)
    found = {seen.sign.name: seen for seen in look(frame)}
    assert [name for name, seen in found.items() if not seen.curve] == ["reward_apart", "format_only"]
    assert all(seen.step is None for seen in found.values())


def test_a_habit_that_was_there_from_the_start_is_none():
    frame = run().assign(response=lambda frame: "#### " + frame["ground_truth"])
    assert [seen.sign.name for seen in look(frame) if seen.step is not None] == []
    # Nor can one step tell a habit from a change.
    assert [seen.sign.name for seen in look(frame[frame["step"] == 1]) if seen.step is not None] == []


@pytest.mark.parametrize(
    ("curve", "limit", "expected"),
    [([0.0, 0.5, 0.25], 0.1, ("0%", "25%", "10%")), ([0.5], np.inf, ("50%", "50%", "-")), ([], 0.1, ("-", "-", "10%"))],
)
def test_a_sign_is_told_by_both_ends_of_its_curve_and_its_limit(curve, limit, expected):
    steps = list(range(1, len(curve) + 1))
    assert cells(Seen(SIGNS["loops"], steps, curve, limit, None, 0.0, [])) == expected
