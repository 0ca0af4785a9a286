"""Judging as in training: the decoded text, reward_score's verdict, and what could not be judged."""

import threading
from typing import Any

import pyarrow.parquet as pq
import pytest

import reward_score
from groupwise.demo import tiny_model
from groupwise.errors import GroupwiseError
from groupwise.evaluation import judging
from groupwise.evaluation.judging import Judges, Work, judge
from groupwise.evaluation.replica import Generated, Response
from groupwise.evaluation.responses import Record
from groupwise.evaluation.sets import EvaluationSet

OPTIONS = {"scale": "toolrl", "formats": ("hermes", "toolrl")}
TOKENIZER = tiny_model.build_tokenizer()


def make_set(count: int = 1, name: str = "sums", **changes: Any) -> EvaluationSet:
    rows = [
        {
            "data_source": "dipo/arithmetic",
            "reward_model": {"ground_truth": str(number + 2)},
            "extra_info": {"id": f"sum/{number}"},
            **changes,
        }
        for number in range(count)
    ]
    return EvaluationSet(name, "math", rows, [f"sum/{number}" for number in range(count)], "")


def respond(text: str, reason: str = "stop") -> Response:
    return Response(TOKENIZER(text)["input_ids"], reason)


def judge_texts(*responses: Response, each: EvaluationSet | None = None) -> list[dict[str, Any]]:
    prompt = TOKENIZER("<|user|>1+1=<|end|><|assistant|>")["input_ids"]
    return judge(each or make_set(), 0, prompt, responses, TOKENIZER, OPTIONS)


def test_a_response_is_judged_as_in_training():
    right, wrong, cut = judge_texts(respond("#### 2<|end|>"), respond("#### 3<|end|>"), respond("#### ", "length"))
    assert right == {
        **{"set": "sums", "data_source": "dipo/arithmetic", "prompt_id": "sum/0", "sample": 0},
        # One token a byte, and one for each of the three special ones.
        **{"prompt": "<|user|>1+1=<|end|><|assistant|>", "prompt_tokens": 7},
        # Special tokens are skipped in what is judged, and count as tokens.
        **{"response": "#### 2", "response_tokens": 7, "finished": True},
        **reward_score.compute_score("dipo/arithmetic", "#### 2", "2"),
    }
    assert right["acc"] == 1.0
    assert (wrong["acc"], wrong["sample"], wrong["pred"]) == (0.0, 1, "3")
    assert (cut["finished"], cut["response_tokens"], cut["acc"]) == (False, 5, 0.0)


def test_the_verifier_gets_the_rows_own_fields_and_the_options(monkeypatch):
    seen: dict[str, Any] = {}

    def verifier(data_source, solution_str, ground_truth, extra_info, **options):
        seen.update(source=data_source, gold=ground_truth, extra=extra_info, options=options)
        return {"score": -3.0, "acc": 0.0, "format": 1.0, "pred": "", "reason": "wrong call"}

    monkeypatch.setattr(judging, "compute_score", verifier)
    (record,) = judge_texts(respond("x"), each=make_set(extra_info={"id": "a", "think": "asked"}))
    assert record["score"] == -3.0
    assert seen == {
        "source": "dipo/arithmetic",
        "gold": "2",
        "extra": {"id": "a", "think": "asked"},
        "options": OPTIONS,
    }


def test_what_could_not_be_judged_has_no_verdict():
    (record,) = judge_texts(respond("#### 2"), each=make_set(reward_model={"ground_truth": "not a number"}))
    assert record["reason"].startswith("unparsable gold")
    assert (record["acc"], record["score"], record["format"]) == (None, None, None)


@pytest.mark.parametrize("reason", ["abort", "error", "None"])
def test_a_response_that_vllm_gave_up_is_no_wrong_answer(reason):
    with pytest.raises(GroupwiseError, match=f"of sum/0 with '{reason}'"):
        judge_texts(respond("#### 2", reason))


@pytest.fixture
def works() -> list[Work]:
    return [
        Work(make_set(count, name), {row: [1, row] for row in range(count)}, Record({"name": name}, {}))
        for name, count in (("first", 3), ("second", 2))
    ]


def make_judges(works: list[Work], folder: Any) -> Judges:
    return Judges(works, output=folder, tokenizer=TOKENIZER, verifier_options=OPTIONS)


def test_a_set_is_written_when_its_last_prompt_is_there(tmp_path, works):
    with make_judges(works, tmp_path) as judges:
        for row in (2, 0):
            judges.add(Generated(("first", row), [respond("#### 2"), respond("#### 3")]))
        assert not list(tmp_path.iterdir())
        judges.add(Generated(("second", 0), [respond("#### 2")]))
        judges.add(Generated(("first", 1), [respond("#### 2"), respond("#### 3")]))
    # In the order of the rows, whatever that of the responses; gold answers are 2, 3 and 4.
    table = pq.read_table(tmp_path / "first.parquet").to_pylist()
    assert [(row["prompt_id"], row["sample"], row["acc"]) for row in table] == [
        *[("sum/0", 0, 1.0), ("sum/0", 1, 0.0), ("sum/1", 0, 0.0), ("sum/1", 1, 1.0)],
        *[("sum/2", 0, 0.0), ("sum/2", 1, 0.0)],
    ]
    assert not (tmp_path / "second.parquet").exists()


def test_a_set_that_cannot_be_judged_or_written_ends_the_run(tmp_path, works):
    def run(folder, reason):
        with make_judges(works, folder) as judges:
            for row in range(3):
                judges.add(Generated(("first", row), [respond("#### 2", reason)]))

    with pytest.raises(GroupwiseError, match="'abort'"):
        run(tmp_path, "abort")
    with pytest.raises(FileNotFoundError):
        run(tmp_path / "none", "stop")


def test_an_interruption_waits_for_no_verdict(tmp_path, works, monkeypatch):
    entered, leave = threading.Event(), threading.Event()
    judged = []

    def slow(*arguments, **options):
        entered.set()
        leave.wait(20)
        judged.append(reward_score.compute_score(*arguments))
        return judged[-1]

    def interrupt():
        with make_judges(works, tmp_path) as judges:
            for row in range(3):
                judges.add(Generated(("first", row), [respond("#### 2")]))
            entered.wait(60)
            raise KeyboardInterrupt

    monkeypatch.setattr(judging, "compute_score", slow)
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert judged == []
    leave.set()
