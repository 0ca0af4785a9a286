"""MATH's and DAPO's conventions: where the answer is looked for, what equals what, real ground truths, limits."""

import importlib.util
import json
import time
from pathlib import Path

import pytest

from reward_score import GroundTruthError, compute_score
from reward_score.math import symbolic, symbolic_job, verify
from reward_score.math.location import MAX_ANSWER_CHARS, find_boxed
from reward_score.sandbox import guard
from reward_score.sandbox.protocol import WorkerCrashError, WorkerMemoryError, WorkerTimeoutError
from reward_score.verdict import MAX_PRED_CHARS, TIMEOUT

_spec = importlib.util.spec_from_file_location("math_cases", Path(__file__).with_name("math_cases.py"))
math_cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(math_cases)

MATH, DAPO, GSM8K = "lighteval/MATH", "math_dapo", "openai/gsm8k"


def boxed(answer):
    return rf"We add them up and get $\boxed{{{answer}}}$."


@pytest.mark.parametrize(("gold", "answer"), math_cases.EQUAL)
def test_the_same_answer_in_another_form_is_right(gold, answer):
    verdict = compute_score(MATH, boxed(answer), gold)
    assert (verdict["acc"], verdict["score"], verdict["reason"]) == (1.0, 1.0, "correct")
    assert compute_score(DAPO, f"So.\nAnswer: {answer}", gold)["acc"] == 1.0


@pytest.mark.parametrize(("gold", "answer"), math_cases.DIFFERENT)
def test_another_answer_is_wrong(gold, answer):
    assert compute_score(MATH, boxed(answer), gold)["acc"] == 0.0
    assert compute_score(DAPO, f"So.\nAnswer: {answer}", gold)["acc"] == 0.0


def test_there_are_more_negatives_than_positives():
    assert len(math_cases.DIFFERENT) >= len(math_cases.EQUAL) > 100


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"\boxed{5}", "5"),
        (r"\boxed {5}", "5"),
        (r"\fbox{5}", "5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\}", None),
        (r"first \boxed{4}, then \boxed{5}", "5"),
        (r"\boxed{5} and later \boxed{}", None),
        (r"\boxed{5} and later $\fbox{ }$", None),
        (r"\boxed 5 and later \boxed{}", None),
        (r"\boxed{} and later \boxed{5}", "5"),
        (r"\boxed{5}. I put it into \boxed as asked.", "5"),
        (r"Use the \boxed command: \boxed{5}", "5"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{5} or \boxed{6}", "5 ; 6"),
        (r"\boxed{5}, \boxed{6}", "5 ; 6"),
        (r"$\boxed{5}$ and $\boxed{6}$", "5 ; 6"),
        (r"\boxed{5}\boxed{6}", "5 ; 6"),
        (r"\boxed{5} or \boxed{5}", "5"),
        (r"\boxed{5}. Checking again with the other formula: \boxed{6}", "6"),
        (r"$\boxed 5$", "5"),
        ("no box, but the answer is 5", None),
        (r"the answer is \textbf{5}", None),
        (r"\box{5}", None),
        ("", None),
    ],
)
def test_the_last_box_is_the_answer(response, answer):
    if response == r"\boxed{\}":
        assert compute_score(MATH, response, "5")["reason"] == "truncated box"
    else:
        assert find_boxed(response) == answer


@pytest.mark.parametrize(
    ("response", "acc", "format_", "reason"),
    [
        ("Answer: 34", 1, 1, "correct"),
        ("answer : 34", 1, 1, "correct"),
        ("**Answer:** 34", 1, 1, "correct"),
        ("**Answer**: $34$", 1, 1, "correct"),
        ("### Final Answer:\n\n34", 1, 1, "correct"),
        ("Answer:\n\\[\n34\n\\]", 1, 1, "correct"),
        ("Answer: \\(34\\)", 1, 1, "correct"),
        (r"Answer: $\boxed{34}$", 1, 1, "correct"),
        ("Answer: 34<|im_end|>\n", 1, 1, "correct"),
        ("Answer: 34 <|eot_id|><|end_of_text|>", 1, 1, "correct"),
        ("Answer: 34</s>", 1, 1, "correct"),
        (r"Answer: 34\\", 1, 1, "correct"),
        ("Answer: 34<|im_end|>\n<|im_start|>user", 0, 1, "wrong answer"),
        ("Answer: 34<b>", 0, 1, "wrong answer"),
        ("Answer: 34." + "  \n" * 200, 1, 1, "correct"),
        ("Answer: 33\nWait.\nAnswer: 34", 1, 1, "correct"),
        ("Answer: 34 \N{DEGREE SIGN}", 1, 1, "correct"),
        ("Answer: \\boxed{\n34\n}\nThat is all.", 1, 1, "correct"),
        ("Answer: \\begin{align*}\n34\n\\end{align*}", 1, 1, "correct"),
        ("Answer:\n\\begin{align*}\n34\n\\end{align*}\n35", 1, 1, "correct"),
        ("Answer: \\boxed{\n35\n}\n34", 0, 1, "wrong answer"),
        ("Answer: \\boxed{\n34", 0, 1, "wrong answer"),
        ("Answer: 34 {\n", 0, 1, "wrong answer"),
        ("Answer: 3\n4", 0, 1, "wrong answer"),
        ("Answer: 34\n\\boxed{}", 1, 1, "correct"),
        (r"\boxed{34} \boxed{}", 0, 0, "no answer"),
        (r"so it is \boxed{34}", 1, 0, "correct"),
        (r"so it is \boxed{34}" + " as said" * 50, 1, 0, "correct"),
        ("Answer: 34\nAnswer: 33", 0, 1, "wrong answer"),
        (r"\boxed{34}" + "\nAnswer: 33", 0, 1, "wrong answer"),
        ("Answer: 34 or 35", 0, 1, "wrong answer"),
        ("Answer: not 34", 0, 1, "wrong answer"),
        ("the result is 34", 0, 0, "no answer"),
        ("34", 0, 0, "no answer"),
        ("Answer:", 0, 0, "no answer"),
        ("Answer: 34" + "\nand so on" * 1000, 0, 0, "no answer"),
        ("", 0, 0, "no answer"),
    ],
)
def test_dapo_takes_the_last_answer_line_and_else_the_box(response, acc, format_, reason):
    verdict = compute_score(DAPO, response, "34")
    assert (verdict["acc"], verdict["format"], verdict["reason"]) == (acc, format_, reason)


MATRIX = "\\begin{pmatrix}\n1 & 2 \\\\\n3 & 4\n\\end{pmatrix}"


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (
            MATRIX,
            [f"${MATRIX}$", f"\n$$\n{MATRIX}\n$$\nDone.", f"\\[{MATRIX}\\]", MATRIX.replace("\n", " ")],
            [f"${MATRIX.replace('4', '5')}$", MATRIX.partition("3")[0]],
        ),
        (
            "x=1\ny=2",
            ["x=1\ny=2\nDone.", "\nx=1,\ny=2", "x=1, y=2\nDone.", "\n$$\nx=1\ny=2\n$$", "(1,2)"],
            ["x=1\nDone.", "x=1\ny=3", "x=2\ny=1", "\nDone.\nx=1\ny=2"],
        ),
        ("5\n", ["5\nDone."], ["\nDone.\n5"]),
    ],
)
def test_a_ground_truth_of_several_lines_may_be_answered_on_as_many(gold, right, wrong):
    accs = [[compute_score(DAPO, f"Answer: {answer}", gold)["acc"] for answer in answers] for answers in (right, wrong)]
    assert accs == [[1.0] * len(right), [0.0] * len(wrong)]


def test_the_box_in_place_of_the_answer_line_can_be_refused():
    assert compute_score(DAPO, r"\boxed{34}", "34", box_instead=False)["reason"] == "no answer"
    assert compute_score(DAPO, "Answer: 34", "34", box_instead=False)["acc"] == 1.0


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (r"<think>It is \boxed{5}.</think> The answer was given above.", "no boxed answer"),
        (r"<think>It is \boxed{5}.", "unfinished thinking"),
        (r"It is \boxed{5", "truncated box"),
        (r"First \boxed{5}, and then \boxed{5", "truncated box"),
        (r"\boxed{" + "1" * (MAX_ANSWER_CHARS + 1) + "}", "too long"),
        (r"\boxed{" + "1" * 10**6, "too long"),
        ("5", "no boxed answer"),
        (r"\boxed{9^{9^{9^{9}}}}", "wrong answer: too complex to compare"),
    ],
)
def test_what_is_no_answer_says_why(response, reason):
    verdict = compute_score(MATH, response, r"\sqrt{5}")
    assert (verdict["acc"], verdict["reason"]) == (0.0, reason)


def test_an_answer_after_thinking_counts():
    assert compute_score(MATH, r"<think>\boxed{4}</think>\boxed{5}", "5")["acc"] == 1.0


@pytest.mark.parametrize(
    ("source", "asked", "response", "acc"),
    [
        (GSM8K, "boxed", r"\boxed{72}", 1),
        (GSM8K, "boxed", "#### 72", 0),
        (GSM8K, "answer_line", "Answer: 72", 1),
        (GSM8K, "hash", "#### 72", 1),
        (GSM8K, "", r"\boxed{72}", 0),
        (MATH, "answer_line", "Answer: 72", 1),
        (MATH, "hash", "#### 72", 1),
        (DAPO, "boxed", "Answer: 72", 0),
    ],
)
def test_the_row_may_say_what_its_prompt_asked_for(source, asked, response, acc):
    assert compute_score(source, response, "72", {"answer_format": asked})["acc"] == acc


def test_a_format_that_is_none_is_the_rows_fault():
    verdict = compute_score(MATH, r"\boxed{5}", "5", {"answer_format": "box"})
    assert verdict["reason"].startswith("unparsable gold: extra_info.answer_format must be 'boxed', ")


@pytest.mark.parametrize(
    "source", ["DigitalLearningGmbH/MATH-lighteval", "HuggingFaceH4/MATH-500", "aime24", "aime2025", "amc23", "minerva"]
)
def test_the_sources_of_verl_and_of_the_evaluations_are_known(source):
    assert compute_score(source, r"\boxed{025}", "25")["acc"] == 1.0
    assert compute_score(source, r"\boxed{26}", "25")["acc"] == 0.0


@pytest.mark.parametrize("gold", [72, 72.0, "72", ["72"], "\\boxed{72}", "$72$", "72.0"])
def test_the_ground_truth_may_have_any_form_that_verl_shows(gold):
    assert compute_score(MATH, r"\boxed{72}", gold)["acc"] == 1.0
    assert compute_score(MATH, r"\boxed{73}", gold)["acc"] == 0.0


@pytest.mark.parametrize(
    "gold", ["", " ", "$$", "\\boxed{}", "\\boxed{5", None, True, float("nan"), [], ["", None], {}, "1" * 5000]
)
def test_a_ground_truth_that_is_none_never_pays(gold):
    for response in (r"\boxed{}", r"\boxed{5}", "", boxed(gold)):
        verdict = compute_score(MATH, response, gold)
        assert verdict["acc"] == 0.0
        assert verdict["reason"].startswith("unparsable gold: the ground truth must be ")


SEVERAL = [r"\frac12", "50\\text{ cents}", 7, "never"]


@pytest.mark.parametrize(
    "gold",
    [
        *(SEVERAL, tuple(SEVERAL), {"any": SEVERAL}, json.dumps({"any": SEVERAL}), ["", None, [], *SEVERAL]),
        json.dumps(list(map(str, SEVERAL))),
    ],
)
def test_of_several_ground_truths_any_counts(gold):
    assert [compute_score(MATH, boxed(answer), gold)["acc"] for answer in ("0.5", "50", "7.0", "Never")] == [1.0] * 4
    wrong = ("0.6", r"\frac12, 7", "1", "any", "never, 7", r"\frac12 \text{ or } 7", "")
    assert [compute_score(MATH, boxed(answer), gold)["acc"] for answer in wrong] == [0.0] * len(wrong)
    assert compute_score(MATH, boxed("3"), gold)["reason"] == "wrong answer"
    # An answer prints alike whichever ground truth it equals: verl's maj@k groups by it.
    assert compute_score(MATH, boxed("0.5"), gold)["pred"] == compute_score(MATH, boxed("0.5"), "0.5")["pred"]


@pytest.mark.parametrize(
    "gold",
    [
        '{"any": ["5", ',
        '["5", ',
        '{"any": "5"}',
        '{"any": []}',
        '{"any": ["5"], "all": ["6"]}',
        {"target": ["5"]},
        {"any": 5},
        [["5"]],
        ["5"] * 65,
        '{"any": ' + "[" * 100_000,
    ],
)
def test_what_is_no_list_of_ground_truths_is_not_judged(gold):
    verdict = compute_score(MATH, boxed(5), gold)
    assert verdict["reason"].startswith("unparsable gold: the ground truth must be ")
    assert verdict["acc"] == 0.0


def test_the_ground_truth_is_read_once():
    verify.read_gold.cache_clear()
    for answer in range(50):
        verify.verify_boxed(boxed(answer), r"\frac{123456}{7}")
    assert verify.read_gold.cache_info().misses == 1
    with pytest.raises(GroundTruthError):
        verify.read_gold("")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.5", r"\frac12"),
        ("1,000", "1000"),
        ("2, 1", r"1 \text{ and } 2"),
        (r"\dfrac{a}{2}", r"\frac a2"),
        ("5.0", "5"),
    ],
)
def test_equal_answers_print_alike_for_majority_voting(one, other):
    preds = {compute_score(MATH, boxed(answer), "7")["pred"] for answer in (one, other)}
    assert len(preds) == 1
    assert preds != {""}


def test_pred_is_bounded_and_keeps_different_answers_apart():
    preds = [compute_score(MATH, boxed("1" * 500 + end), "7")["pred"] for end in "12"]
    assert preds[0] != preds[1]
    assert max(map(len, preds)) <= MAX_PRED_CHARS


def _raises(error):
    def compare(request, *_, **__):
        asked.append(request)
        raise error

    asked = []
    return compare, asked


@pytest.mark.parametrize("error", [WorkerTimeoutError("2 s"), WorkerMemoryError("4 GB"), WorkerCrashError("signal 9")])
def test_a_comparison_that_was_ended_is_no_verdict_and_is_not_remembered(error, monkeypatch):
    compare, asked = _raises(error)
    monkeypatch.setattr(guard, "compare", compare)
    # Nothing but the computer algebra system reads \delta(t)/2t.
    response = boxed(rf"\mho(t)/2t+{type(error).__name__[6]}")
    gold = rf"{type(error).__name__[6]}+\mho(t)/2t"
    for calls in (1, 2):
        verdict = verify.verify_boxed(response, gold)
        assert (verdict.acc, verdict.reason) == (0.0, TIMEOUT)
        assert len(asked) == calls


def test_several_ground_truths_share_the_time_of_one(monkeypatch):
    asked = []

    def compare(request):
        asked.append(request)
        return {"equal": False, "seconds": 1}

    monkeypatch.setattr(guard, "compare", compare)
    verdict = verify.verify_boxed(boxed(r"\mho(t)/2t+99"), [rf"{n}+\mho(t)/2t" for n in range(50)])
    assert (verdict.acc, verdict.reason) == (0.0, TIMEOUT)
    assert len(asked) == 1


def test_what_the_computer_algebra_system_cannot_compare_is_wrong(monkeypatch):
    monkeypatch.setattr(symbolic_job, "verify", _raises(TypeError("no"))[0])
    assert not symbolic_job.answer({"gold": r"\mho(t)/2t+3", "answer": r"3+\mho(t)/2t"})["equal"]


def test_a_comparison_that_would_hang_ends_in_time_and_the_next_is_judged(monkeypatch):
    monkeypatch.setattr(symbolic, "too_large", lambda text: False)
    guard.warm_up()
    start = time.monotonic()
    verdict = verify.verify_boxed(boxed("10000000!/2x"), "5/2x")
    assert (verdict.acc, verdict.reason) == (0.0, TIMEOUT)
    assert time.monotonic() - start < 2.5
    assert compute_score(MATH, boxed(r"\lfloor\log_2 m\rfloor+1"), r"1+\lfloor\log_2 m\rfloor")["acc"] == 1.0


def _golds(shared_data: Path):
    def rows(name):
        return [json.loads(line) for line in (shared_data / name).read_text().splitlines()]

    for name, source in (("math500", "HuggingFaceH4/MATH-500"), ("aime24", "aime24"), ("amc23", "amc23")):
        yield from ((source, row["answer"]) for row in rows(f"{name}/test.jsonl"))
    yield from (("minerva", find_boxed(row["solution"])) for row in rows("minerva/test.jsonl"))
    yield from (("olympiadbench", row["final_answer"][0]) for row in rows("olympiadbench/test.jsonl"))
    for row in rows("math/train_sample1000.jsonl"):
        gold = find_boxed(row["solution"])
        # Rows 5341 and 5343 of MATH have an empty box for a ground truth: nothing can be right there.
        assert (gold is None) == (row["idx"] in (5341, 5343))
        if gold is not None:
            yield MATH, gold


def test_every_real_ground_truth_is_right_against_itself_and_wrong_against_the_next(shared_data):
    golds = list(_golds(shared_data))
    assert len(golds) == 500 + 30 + 40 + 272 + 675 + 998
    unequal = [gold for source, gold in golds if compute_score(source, boxed(gold), gold)["acc"] != 1.0]
    assert unequal == []
    # A number other than the ground truth is never it.
    for source, gold in golds:
        assert compute_score(source, boxed("271828"), gold)["acc"] == 0.0


def test_every_dapo_ground_truth_is_right_against_itself(shared_data):
    parquet = pytest.importorskip("pyarrow.parquet")
    rewards = parquet.read_table(shared_data / "dapo" / "svs_dapo_math_17k.parquet")["reward_model"].to_pylist()
    golds = sorted({row["ground_truth"] for row in rewards})
    for gold in golds:
        assert compute_score(DAPO, f"Answer: {gold}", gold)["acc"] == 1.0
        assert compute_score(DAPO, f"Answer: {gold}1", gold)["acc"] == 0.0
