"""Judging as in training: the decoded text, reward_score's verdict, and what could not be judged."""

from typing import Any

import reward_score
from groupwise.demo import tiny_model
from groupwise.evaluation import evaluate
from groupwise.evaluation.client import Generated
from groupwise.evaluation.evaluate import Work, judge
from groupwise.evaluation.options import Sampling
from groupwise.evaluation.responses import Record
from groupwise.evaluation.sets import EvaluationSet

OPTIONS = {"scale": "toolrl", "formats": ("hermes", "toolrl")}
TOKENIZER = tiny_model.build_tokenizer()
SAMPLING = Sampling(samples=3, temperature=1.0, top_p=1.0, max_tokens=12, seed=0)


def judge_texts(*responses: Generated, **changes: Any) -> list[dict[str, Any]]:
    row = {
        "data_source": "dipo/arithmetic",
        "reward_model": {"ground_truth": "2"},
        "extra_info": {"id": "sum/0"},
        **changes,
    }
    prompt = TOKENIZER("<|user|>1+1=<|end|><|assistant|>")["input_ids"]
    work = Work(EvaluationSet("sums", "math", [row], ["sum/0"], ""), {0: prompt}, SAMPLING, Record({}, {}))
    return [
        judge(work, 0, sample, response, tokenizer=TOKENIZER, verifier_options=OPTIONS)
        for sample, response in enumerate(responses)
    ]


def respond(text: str, reason: str = "stop") -> Generated:
    return Generated(TOKENIZER(text)["input_ids"], reason)


def test_a_response_is_judged_as_in_training():
    right, wrong, cut = judge_texts(respond("#### 2<|end|>"), respond("#### 3<|end|>"), respond("#### ", "length"))
    assert right == {
        **{"set": "sums", "data_source": "dipo/arithmetic", "prompt_id": "sum/0", "sample": 0},
        # One token a byte, and one for each of the three special ones.
        **{"prompt": "<|user|>1+1=<|end|><|assistant|>", "prompt_tokens": 7},
        # Special tokens are skipped in what is judged, and count as tokens.
        **{"response": "#### 2", "response_tokens": 7, "finished": True},
        **reward_score.compute_score("dipo/arithmetic", "#### 2", "2"),
        "bfcl": None,
    }
    assert right["acc"] == 1.0
    assert (wrong["acc"], wrong["sample"], wrong["pred"]) == (0.0, 1, "3")
    assert (cut["finished"], cut["response_tokens"], cut["acc"]) == (False, 5, 0.0)


def test_the_verifier_gets_the_rows_own_fields_and_the_options(monkeypatch):
    seen: dict[str, Any] = {}

    def verifier(data_source, solution_str, ground_truth, extra_info, **options):
        seen.update(source=data_source, gold=ground_truth, extra=extra_info, options=options)
        return {"score": -3.0, "acc": 0.0, "format": 1.0, "pred": "", "reason": "wrong call"}

    monkeypatch.setattr(evaluate, "compute_score", verifier)
    (record,) = judge_texts(respond("x"), extra_info={"id": "a", "think": "asked"})
    assert record["score"] == -3.0
    assert seen == {
        "source": "dipo/arithmetic",
        "gold": "2",
        "extra": {"id": "a", "think": "asked"},
        "options": OPTIONS,
    }


def test_what_could_not_be_judged_has_no_verdict():
    (record,) = judge_texts(respond("#### 2"), reward_model={"ground_truth": "not a number"})
    assert record["reason"].startswith("unparsable gold")
    assert (record["acc"], record["score"], record["format"]) == (None, None, None)
