"""Other verifiers beside the training reward: which responses they grade differently, with both reasons."""

import json

import pyarrow.parquet as pq
import pytest

from reward_score.__main__ import main
from reward_score.against import find_judge

LENIENT = """
def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    if "boom" in solution_str:
        raise RuntimeError("no such answer")
    return {"score": 0.2, "acc": ground_truth in solution_str, "pred": "it", "reason": f"lenient on {data_source}"}


def number(data_source, solution_str, ground_truth, extra_info=None):
    return 0.9 if ground_truth in solution_str else 0.5
"""
RESPONSES = ("#### 4", "it is 4", "#### 5", "boom #### 4", "#### 44")


@pytest.fixture(autouse=True)
def verifier(tmp_path, monkeypatch):
    (tmp_path / "lenient_verifier.py").write_text(LENIENT)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def responses(tmp_path):
    rows = [{"data_source": "openai/gsm8k", "response": text, "ground_truth": "4"} for text in RESPONSES]
    file = tmp_path / "responses.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def judged(name, response, gold="4", source="openai/gsm8k"):
    return find_judge(name)(source, response, gold, "", None)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_what_is_graded_differently_is_counted_by_reasons_and_written(responses, tmp_path, capsys, ending):
    output = tmp_path / f"disputed.{ending}"
    against = ["--against", "lenient_verifier:compute_score", "--show", "disputed", "-n", "9"]
    assert main([str(responses), *against, "--output", str(output)]) == 0
    told = capsys.readouterr().out
    # Right for both is "#### 4", wrong "#### 5"; "boom" is left unjudged there.
    assert (
        "against lenient_verifier:compute_score: right by both 1, wrong by both 1, right here alone 0, there alone 2,"
        " unjudged by either 1"
    ) in told
    assert "1  here: no answer     there: lenient on openai/gsm" in told
    assert told.count("acc 1, lenient on openai/gsm8k") == 2
    rows = [json.loads(line) for line in output.read_text().splitlines()] if ending == "jsonl" else []
    rows = rows or pq.read_table(output).to_pylist()
    assert [row["response"] for row in rows] == ["it is 4", "#### 44"]
    assert rows[0]["reason"] == "no answer"
    assert rows[0]["lenient_verifier:compute_score_acc"] == 1.0
    assert rows[0]["lenient_verifier:compute_score_reason"] == "lenient on openai/gsm8k"


def test_a_number_is_right_above_a_half():
    assert judged("lenient_verifier:number", "4") == {
        "score": 0.9, "acc": 1.0, "format": 1.0, "pred": "", "reason": "score 0.9",
    }  # fmt: skip
    assert judged("lenient_verifier:number", "5")["acc"] == 0.0
    assert "RuntimeError: no such answer" in judged("lenient_verifier:compute_score", "boom")["reason"]
    assert judged("lenient_verifier:none", "4")["reason"].startswith("verifier error")


@pytest.mark.parametrize(
    ("response", "gold", "acc", "reason"),
    [
        ("so \\boxed{\\frac{1}{2}}", "0.5", 1.0, "correct"),
        ("so it is 7", "8", 0.0, "wrong answer"),
        ("no idea", "8", 0.0, "no answer"),
        ("so \\boxed{8}", "", 0.0, "unparsable gold"),
    ],
)
def test_math_verify(response, gold, acc, reason):
    verdict = judged("math_verify", response, gold)
    assert verdict["acc"] == acc
    assert verdict["reason"].startswith(reason)


# Loads verl, and torch with it.
@pytest.mark.slow
def test_verls_own_dispatch():
    assert judged("verl", "#### 4")["acc"] == 1.0
    assert judged("verl", "it is 4")["acc"] == 0.0
    assert judged("verl", "4", source="no/such")["reason"].startswith("verifier error: NotImplementedError")


def test_a_registered_verifier_and_the_one_that_the_row_tells():
    assert judged("lighteval/MATH", "\\boxed{4}")["acc"] == 1.0
    assert judged("", "\\boxed{4}")["acc"] == 0.0
    assert find_judge("")("", "#### 10", "10", "4+6=", None)["acc"] == 1.0
    assert "neither ground truth nor prompt tell" in find_judge("")("mine", "4", "4", "", None)["reason"]


@pytest.mark.parametrize("name", ["no_such_source", "no_such_module:function", "no.such.module:function"])
def test_an_unknown_one_is_refused_with_those_there_are(responses, capsys, name):
    assert main([str(responses), "--against", name]) == 1
    told = capsys.readouterr().err
    assert "must be package.module:function or one of math_verify, verl, DAPO-17k" in told
    assert repr(name.partition(":")[0]) in told
