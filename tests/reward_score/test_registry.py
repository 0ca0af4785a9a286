"""Which verifier judges what, and the signature that verl calls."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

import reward_score
from reward_score import GroundTruthError, Verdict, compute_score, known_sources, registry
from reward_score.verdict import FAILURES, binary_verdict


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_verifiers", dict(registry._verifiers))
    monkeypatch.setattr(reward_score, "_logged", set())


def says(pred):
    return lambda solution_str, ground_truth, extra_info: binary_verdict(right=True, pred=pred)


@pytest.mark.parametrize("source", ["openai/gsm8k", "dipo/arithmetic"])
def test_every_verdict_has_exactly_the_five_keys(source):
    for response in ("#### 1", "#### 2", "", "#### x"):
        verdict = compute_score(source, response, "1")
        assert list(verdict) == ["score", "acc", "format", "pred", "reason"]
        assert [type(value) for value in verdict.values()] == [float, float, float, str, str]


@pytest.mark.parametrize("source", ["openai/gsm8", "openai/gsm8k2", "", "DIPO/arithmetic"])
def test_unknown_source_is_an_error_that_lists_the_known(source):
    with pytest.raises(reward_score.UnknownDataSourceError, match=r"dipo/arithmetic, .*openai/gsm8k.*, got"):
        compute_score(source, "#### 1", "1")


def test_further_arguments_of_verl_are_ignored():
    plain = compute_score("openai/gsm8k", "#### 1", "1")
    assert plain == compute_score(
        "openai/gsm8k", "#### 1", "1", {"index": 3}, reward_router_address="x:1", reward_model_tokenizer=None
    )


@pytest.mark.parametrize("response", [None, b"#### 1", 1])
def test_response_that_is_no_text_is_an_error(response):
    with pytest.raises(TypeError, match="must be the decoded response"):
        compute_score("openai/gsm8k", response, "1")


def test_a_verifier_registered_from_outside_judges_and_gets_all_it_needs():
    seen = []

    @reward_score.register("mine/set")
    def verify(solution_str, ground_truth, extra_info):
        seen.append((solution_str, ground_truth, extra_info))
        return Verdict(score=0.5, acc=0.0, format=1.0, pred="p", reason="half right")

    assert compute_score("mine/set", "r", ["g"], {"id": "7"})["score"] == 0.5
    assert seen == [("r", ["g"], {"id": "7"})]
    assert "mine/set" in known_sources()


@pytest.mark.parametrize("source", ["openai/gsm8k", "math_dapo"])
def test_a_ground_truth_of_numpys_types_is_as_good(source):
    numpy = pytest.importorskip("numpy")
    golds = [numpy.array(["72"]), numpy.array([72]), numpy.int64(72), numpy.float64(72), numpy.str_("72")]
    for response, acc in (("#### 72\nAnswer: 72", 1.0), ("#### 73\nAnswer: 73", 0.0)):
        assert [compute_score(source, response, gold)["acc"] for gold in golds] == [acc] * len(golds)


def test_a_verifier_gets_its_own_options_only():
    @reward_score.register("mine/set")
    def verify(solution_str, ground_truth, extra_info, *, scale="unit", strict=True):
        return binary_verdict(right=strict, pred=scale)

    assert compute_score("mine/set", "", "")["pred"] == "unit"
    verdict = compute_score("mine/set", "", "", scale="binary", strict=False, reward_router_address="x:1")
    assert (verdict["pred"], verdict["acc"]) == ("binary", 0.0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (GroundTruthError("must be a number,\ngot x"), "unparsable gold: must be a number, got x"),
        (ValueError("broken"), "verifier error: ValueError: broken"),
        (RecursionError("too deep"), "verifier error: RecursionError: too deep"),
        (MemoryError(), "verifier error: MemoryError: "),
    ],
)
def test_what_a_verifier_raises_is_told_and_is_no_verdict_on_the_answer(error, reason, caplog):
    @reward_score.register("mine/set")
    def verify(solution_str, ground_truth, extra_info):
        raise error

    verdict = compute_score("mine/set", "", "")
    assert verdict == {"score": 0.0, "acc": 0.0, "format": 0.0, "pred": "", "reason": reason.strip()}
    assert verdict["reason"].startswith(FAILURES)
    # A bug is logged with its traceback; a bad row has said all there is to say.
    assert bool(caplog.records) == (not isinstance(error, GroundTruthError))
    # Another response that meets it fills the log no further.
    assert compute_score("mine/set", "", "") == verdict
    assert len(caplog.records) <= 1


def test_whole_name_goes_before_longest_prefix_before_shorter():
    for name in ("mine*", "mine25*", "mine25_I"):
        reward_score.register(name)(says(name))
    assert compute_score("mine24", "", "")["pred"] == "mine*"
    assert compute_score("mine25_II", "", "")["pred"] == "mine25*"
    assert compute_score("mine25_I", "", "")["pred"] == "mine25_I"
    with pytest.raises(reward_score.UnknownDataSourceError):
        compute_score("min", "", "")


def test_a_name_has_one_verifier():
    reward_score.register("mine")(first := says("1"))
    reward_score.register("mine")(first)
    with pytest.raises(ValueError, match="'mine' must have one verifier"):
        reward_score.register("mine")(says("2"))


@pytest.mark.parametrize("name", ["", "*", "a*b", "**"])
def test_name_that_can_match_nothing_or_everything_is_refused(name):
    with pytest.raises(ValueError, match="a data source must be a name"):
        reward_score.register(name)


def test_works_from_threads_and_pickles():
    assert pickle.loads(pickle.dumps(compute_score)) is compute_score
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda i: compute_score("openai/gsm8k", f"#### {i}", str(i % 2)), range(200)))
    # i equals i % 2 for 0 and 1 only.
    assert [verdict["acc"] for verdict in verdicts] == [1.0, 1.0] + [0.0] * 198


def test_verl_loads_it_as_a_custom_reward_function():
    omegaconf = pytest.importorskip("omegaconf")
    reward = pytest.importorskip("verl.trainer.ppo.reward")
    settings = {"path": "pkg://reward_score", "name": "compute_score", "reward_kwargs": {"box_instead": False}}
    config = omegaconf.OmegaConf.create({"reward": {"custom_reward_function": settings}})
    function = reward.get_custom_reward_fn(config)
    assert function("math_dapo", "Answer: 5", "5")["acc"] == 1.0
    assert function("math_dapo", "\\boxed{5}", "5")["reason"] == "no answer"


@pytest.mark.parametrize(
    ("answer_format", "right", "wrong", "gold"),
    [
        ("boxed", r"\boxed{1/2}", "Answer: 1/2", "0.5"),
        ("answer_line", "Answer: 1/2", "#### 1/2", "0.5"),
        ("hash", "#### Paris", r"\boxed{Paris}", "Paris"),
        (
            "calls",
            '<tool_call>{"name": "f", "arguments": {}}</tool_call>',
            '<tool_call>{"name": "g", "arguments": {}}</tool_call>',
            '{"category": "multiple", "functions": [{"name": "f", "parameters": {"properties": {}}},'
            ' {"name": "g", "parameters": {"properties": {}}}], "possible_answer": [{"f": {}}]}',
        ),
    ],
)
def test_a_row_of_any_name_may_say_how_it_is_judged(answer_format, right, wrong, gold):
    info = {"answer_format": answer_format, "id": "x"}
    assert compute_score("my own/set", right, gold, info)["acc"] == 1.0
    assert compute_score("my own/set", wrong, gold, info)["acc"] == 0.0
    for missing in (None, {}, {"answer_format": ""}, {"answer_format": "box"}, {"answer_format": 5}):
        with pytest.raises(reward_score.UnknownDataSourceError, match=r"is one of boxed, answer_line, hash, calls$"):
            compute_score("my own/set", right, gold, missing)


def test_a_registered_name_is_judged_by_its_own_verifier_whatever_its_rows_say():
    reward_score.register("mine/*")(says("mine"))
    assert compute_score("mine/set", r"\boxed{1}", "1", {"answer_format": "boxed"})["pred"] == "mine"
