"""Seeds and settings of an evaluation."""

import json

import pytest

from groupwise.evaluation.evaluate import Work, seed_of, settings_of
from groupwise.evaluation.options import Sampling, parse
from groupwise.evaluation.responses import Record
from groupwise.evaluation.sets import EvaluationSet

SAMPLED = Sampling(samples=8, temperature=0.6, top_p=0.9, max_tokens=64, seed=0)


def seeds(name: str = "aime24", ids: tuple[str, ...] = ("a", "b", "c"), sampling: Sampling = SAMPLED) -> dict[str, int]:
    each = EvaluationSet(name, "math", [{}] * len(ids), list(ids), "sha")
    work = Work(each, {row: [row] for row in range(len(ids))}, sampling, Record({}, {}))
    return {ids[row]: seed_of(work, row) for row in work.prompts}


def test_a_prompts_seed_depends_on_it_alone():
    whole = seeds()
    assert len(set(whole.values())) == 3
    # Other prompts and another order change nothing.
    assert seeds(ids=("c", "a")) == {name: whole[name] for name in ("c", "a")}
    # vLLM takes seeds of 64 bits with a sign, and the sample's number is added.
    assert all(0 <= seed < 2**63 - 10**6 for seed in whole.values())


@pytest.mark.parametrize("other", [{"name": "amc23"}, {"ids": ("d", "e", "f")}, {"sampling": SAMPLED._replace(seed=1)}])
def test_other_prompts_and_seeds_have_other_seeds(other):
    assert not set(seeds().values()) & set(seeds(**other).values())


def settings(*given: str, digest: str = "sha") -> str:
    each = EvaluationSet("aime24", "math", [], [], digest)
    return json.dumps(settings_of(parse(["model", *given]), each, {"path": "/m"}), sort_keys=True)


@pytest.mark.parametrize(
    "given",
    [
        ["-n", "4"],
        ["--temperature", "0.5"],
        ["--top-p", "0.5"],
        ["--max-tokens", "9"],
        ["--seed", "1"],
        ["--limit", "5"],
        ["--max-prompt-length", "9"],
        ["--skip-overlong"],
        ["--scale", "unit"],
        ["--formats", "json"],
        ["--engine-option", "dtype=float16"],
        ["--apply-chat-template-kwargs", '{"enable_thinking": false}'],
    ],
)
def test_what_decides_on_the_responses_is_in_the_settings(given):
    assert settings(*given) != settings()


def test_another_file_is_another_setting():
    assert settings(digest="other") != settings()


@pytest.mark.parametrize(
    "given",
    [
        ["--data-parallel-size", "2"],
        ["--endpoint", "http://node7:8000"],
        ["--concurrency", "2"],
        ["--tensor-parallel-size", "2"],
        ["--gpu-memory-utilization", "0.5"],
        ["--again"],
        ["--output", "x"],
    ],
)
def test_what_only_makes_it_faster_is_not(given):
    assert settings(*given) == settings()
