"""What reaches verl from a verdict, and what becomes of a response that could not be judged."""

import asyncio
import logging
import threading
import time

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl import DataProto
from verl.experimental.reward_loop import reward_loop
from verl.experimental.reward_loop.reward_manager import get_reward_manager_cls

import reward_score
from groupwise.errors import GroupwiseError
from groupwise.hook.reward_manager import GroupwiseRewardManager, overlong_penalty
from groupwise.hook.verdicts import failure_of
from reward_score.verdict import Verdict, failed_verdict

KEYS = ["score", "acc", "format", "pred", "reason", "error"]
"""Of every verdict through reward_score, whatever it says."""


@pytest.fixture
def gate():
    """Functions that hang until the test is over, so that no thread outlives it."""
    event = threading.Event()
    yield event
    event.set()


class Tokenizer:
    """Token ids are code points."""

    def decode(self, ids, skip_special_tokens):
        assert skip_special_tokens
        return "".join(map(chr, ids.tolist()))


def make_config(*, custom: str | None = None, enable: bool = False, length: int = 4, max_resp_len: int = 10, **kwargs):
    return OmegaConf.create(
        {
            "reward": {
                "custom_reward_function": {"path": custom},
                "reward_kwargs": {
                    "max_resp_len": max_resp_len,
                    "overlong_buffer_cfg": {"enable": enable, "len": length, "penalty_factor": 1.0},
                    "timeout_s": 30,
                    "max_failure_share": 0.01,
                    "verifier": {"scale": "toolrl", "formats": ["hermes", "toolrl"], "pure_equivalence": False},
                    **kwargs,
                },
            }
        }
    )


def make_session(response: str, *, padding: int = 0, data_source="dipo/arithmetic", gold="12", extra_info=None):
    """Two outputs of a session; the earlier one must not be looked at."""
    ids = torch.tensor([[ord("?")] * (len(response) + padding), [ord(c) for c in response] + [0] * padding])
    mask = torch.tensor([[1] * (3 + len(response)) + [0] * padding] * 2)
    columns = {
        "data_source": data_source,
        "reward_model": {"ground_truth": gold},
        "extra_info": {"index": 7, "id": "row-7"} if extra_info is None else extra_info,
    }
    return DataProto(
        batch=TensorDict({"prompts": torch.ones(2, 3), "responses": ids, "attention_mask": mask}, batch_size=2),
        non_tensor_batch={key: np.array([value] * 2, dtype=object) for key, value in columns.items()},
    )


def run(response: str, *, config=None, compute_score=None, **session):
    async def score():
        manager = GroupwiseRewardManager(config or make_config(), Tokenizer(), compute_score)
        return await manager.run_single(make_session(response, **session))

    return asyncio.run(score())


def run_custom(compute_score, response: str = "abc", **kwargs):
    return run(
        response, config=make_config(custom="mine.py", **kwargs), compute_score=compute_score, data_source="mine"
    )


def test_verl_finds_it_by_name():
    assert get_reward_manager_cls("groupwise") is GroupwiseRewardManager


def test_scores_through_reward_score_and_passes_all_five_keys_on():
    found = run("#### 12")
    oracle = reward_score.compute_score("dipo/arithmetic", "#### 12", "12", {"index": 7})
    assert oracle["acc"] == 1.0
    assert found == {"reward_score": 1.0, "reward_extra_info": {**oracle, "error": ""}}
    assert list(found["reward_extra_info"]) == KEYS


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("asked", [None, "What is it?"])
def test_the_prompt_goes_to_our_verifiers_where_the_row_does_not_say_the_question(custom, asked):
    seen = {}

    def function(data_source, solution_str, ground_truth, extra_info):
        seen.update(extra_info)
        return {"score": 1.0, "acc": 1.0}

    session = make_session("abc", data_source="mine", extra_info={"question": asked} if asked else {"index": 7})
    prompts = np.empty(2, dtype=object)
    prompts[:] = [[{"role": "system", "content": "Sum."}, {"role": "user", "content": "Compute 2+3."}]] * 2
    session.non_tensor_batch["raw_prompt"] = prompts
    manager = GroupwiseRewardManager(make_config(custom="mine.py" if custom else None), Tokenizer(), function)
    manager.compute_score = function
    asyncio.run(manager.run_single(session))
    assert seen == (
        {"question": asked} if asked else {"index": 7} if custom else {"index": 7, "prompt_text": "Compute 2+3."}
    )


def test_padding_of_the_response_is_not_scored():
    assert run("#### 12", padding=3)["reward_score"] == 1.0
    assert run("#### 13", padding=3)["reward_score"] == 0.0


def test_verls_default_function_is_not_used_without_a_custom_one():
    def verls_default(**_):
        raise AssertionError("must not be called")

    assert run("#### 12", compute_score=verls_default)["reward_score"] == 1.0


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_custom_function_is_used_and_its_verdict_passed_on(kind):
    def function(data_source, solution_str, ground_truth, extra_info):
        # The options of reward_score's verifiers are not for it: it would not accept them.
        assert (data_source, solution_str, ground_truth) == ("mine", "abc", "12")
        assert extra_info == {"index": 7, "id": "row-7"}
        on_the_loop = threading.current_thread() is threading.main_thread()
        assert on_the_loop == (kind == "coroutine")
        return {"score": 2.5, "acc": True, "note": "mine"}

    async def coroutine(**kwargs):
        return function(**kwargs)

    found = run_custom(function if kind == "function" else coroutine)
    info = {"reason": "", "score": 2.5, "acc": 1.0, "note": "mine", "error": ""}
    assert found == {"reward_score": 2.5, "reward_extra_info": info}


class TestOptions:
    def spy(self, monkeypatch, **kwargs):
        seen = {}

        def verify(solution_str, ground_truth, extra_info, *, scale="?", formats="?"):
            seen.update(scale=scale, formats=formats)
            return Verdict(1.0, 1.0, 1.0, "x", "correct")

        monkeypatch.setattr("reward_score.registry._verifiers", {})
        reward_score.register("test/options")(verify)
        assert run("abc", config=make_config(**kwargs), data_source="test/options")["reward_score"] == 1.0
        return seen

    def test_reach_the_verifier_as_plain_values(self, monkeypatch):
        assert self.spy(monkeypatch) == {"scale": "toolrl", "formats": ("hermes", "toolrl")}
        found = self.spy(monkeypatch, verifier={"scale": "binary", "formats": ["python"], "pure_equivalence": False})
        assert found == {"scale": "binary", "formats": ("python",)}
        assert type(found["formats"]) is tuple

    @pytest.mark.parametrize(
        ("kwargs", "sentence"),
        [
            (
                {"verifier": {"scale": "big", "formats": ["hermes"], "pure_equivalence": False}},
                "scale must be one of toolrl, unit, binary",
            ),
            ({"verifier": {"scale": "unit", "format": ["hermes"]}}, "no key 'format'; did you mean 'formats'"),
            ({"timeout": 3}, "no key 'timeout'; did you mean 'timeout_s'"),
        ],
    )
    def test_a_wrong_one_is_refused_before_anything_is_scored(self, kwargs, sentence):
        with pytest.raises(ValueError, match=sentence):
            GroupwiseRewardManager(make_config(**kwargs), Tokenizer(), None)


class TestFailures:
    """Each way not to be judged: the kind, the row's name, no reward, and the keys of a judged one."""

    def check(self, found, kind: str, cause: str, keys: list[str]):
        info = found["reward_extra_info"]
        assert sorted(info) == sorted(keys)
        assert (found["reward_score"], info["score"], info["acc"]) == (0.0, 0.0, 0.0)
        failure = failure_of(info)
        assert failure is not None
        assert failure.kind == kind
        assert failure.sentence.startswith("A response could not be judged (data source ")
        assert "id 'row-7', index 7)" in failure.sentence
        assert cause in failure.sentence

    def test_a_ground_truth_that_cannot_be_read(self):
        self.check(run("#### 12", gold="twelve"), "unparsable_gold", "twelve", KEYS)

    @pytest.mark.parametrize(("word", "kind"), [("verifier error", "verifier_error"), ("timeout", "timeout")])
    def test_what_a_verifier_of_ours_says(self, monkeypatch, word, kind):
        monkeypatch.setattr("reward_score.registry._verifiers", {})
        reward_score.register("test/failing")(lambda *_: failed_verdict(word, "worker 3"))
        self.check(run("x", data_source="test/failing"), kind, f"{word}: worker 3", KEYS)

    def test_a_row_without_what_a_verifier_needs(self):
        async def score():
            session = make_session("#### 12")
            session.non_tensor_batch["reward_model"] = np.array([{"style": "rule"}] * 2, dtype=object)
            return await GroupwiseRewardManager(make_config(), Tokenizer(), None).run_single(session)

        # A KeyError is a LookupError, but only compute_score's own means an unknown data source.
        self.check(asyncio.run(score()), "verifier_error", "KeyError: 'ground_truth'", KEYS)

    def test_a_response_that_cannot_be_decoded(self, monkeypatch):
        def fail(*_, **__):
            raise OverflowError("out of range")

        monkeypatch.setattr(Tokenizer, "decode", fail)
        self.check(run("#### 12"), "verifier_error", "OverflowError: out of range", KEYS)

    @pytest.mark.parametrize(
        ("verdict", "cause"),
        [(1.0, "returned float"), ({"score": 1.0, "acc": 0.5}, "`acc` is 0.5"), ({"score": 1.0}, "no 'acc'")],
    )
    def test_what_is_no_verdict(self, verdict, cause):
        self.check(run_custom(lambda **_: verdict), "verifier_error", cause, ["score", "acc", "reason", "error"])

    @pytest.mark.parametrize("kind", ["function", "coroutine"])
    def test_a_custom_function_that_raises(self, kind):
        def function(**_):
            raise LookupError("of its own: it says nothing about the configuration")

        async def coroutine(**_):
            function()

        found = run_custom(function if kind == "function" else coroutine)
        self.check(found, "verifier_error", "LookupError: of its own", ["score", "acc", "reason", "error"])

    @pytest.mark.parametrize(
        ("verdict", "kind", "cause"),
        [
            ({"reason": "unparsable gold: x"}, "unparsable_gold", "unparsable gold: x"),
            ({"reason": "timeout"}, "timeout", "timeout"),
            ({"error": "the sandbox is down"}, "verifier_error", "the sandbox is down"),
            ({"reason": "timeout", "error": "the sandbox is slow"}, "timeout", "the sandbox is slow"),
        ],
    )
    def test_a_custom_function_that_says_so(self, verdict, kind, cause):
        found = run_custom(lambda **_: {"score": 0.7, "acc": 1, "note": "mine", **verdict})
        self.check(found, kind, cause, ["score", "acc", "note", "reason", "error"])

    def test_a_custom_function_that_hangs(self, gate):
        found = run_custom(lambda **_: gate.wait(), timeout_s=0.1)
        self.check(found, "timeout", "no verdict within 0.1 s", ["score", "acc", "reason", "error"])

    def test_time_that_reward_score_takes_to_start_its_processes_is_not_limited_by_the_key(self, monkeypatch):
        monkeypatch.setattr("reward_score.registry._verifiers", {})
        reward_score.register("test/slow")(lambda *_: time.sleep(0.3) or Verdict(1.0, 1.0, 1.0, "x", "correct"))
        found = run("x", data_source="test/slow", config=make_config(timeout_s=0.1))
        assert found["reward_score"] == 1.0

    def test_nor_may_it_hang_for_ever(self, monkeypatch, gate):
        monkeypatch.setattr("groupwise.hook.reward_manager.OWN_TIMEOUT_S", 0.1)
        monkeypatch.setattr("reward_score.registry._verifiers", {})
        reward_score.register("test/hanging")(lambda *_: gate.wait())
        self.check(run("x", data_source="test/hanging"), "timeout", "no verdict within 0.1 s", KEYS)

    def test_a_coroutine_that_waits_for_ever(self):
        async def coroutine(**_):
            await asyncio.sleep(60)

        found = run_custom(coroutine, timeout_s=0.1)
        self.check(found, "timeout", "no verdict within 0.1 s", ["score", "acc", "reason", "error"])

    def test_hung_functions_hold_up_no_other_response(self, gate):
        def compute_score(solution_str, **_):
            if solution_str == "hang":
                gate.wait()
            return {"score": 1.0, "acc": 1}

        async def score():
            config = make_config(custom="mine.py", timeout_s=1)
            manager = GroupwiseRewardManager(config, Tokenizer(), compute_score)
            responses = ["hang", "abc", "hang", "def"]
            return await asyncio.gather(*(manager.run_single(make_session(response)) for response in responses))

        assert [found["reward_score"] for found in asyncio.run(score())] == [0.0, 1.0, 0.0, 1.0]

    def test_an_unknown_data_source_stops_the_run_at_once(self):
        info = run("abc", data_source="no/such")["reward_extra_info"]
        assert list(info) == KEYS
        with pytest.raises(
            GroupwiseError, match=r"data source 'no/such', id 'row-7', index 7\): data_source must be one that"
        ):
            failure_of(info)

    def test_hostile_text_is_one_bounded_line(self):
        def fail(**_):
            raise ValueError("\x1b[2J\n" * 10**5)

        info = run_custom(fail)["reward_extra_info"]
        assert len(info["error"]) <= 500
        assert len(info["reason"]) <= 200
        assert (info["error"] + info["reason"]).isprintable()

    def test_is_logged_in_the_worker(self, caplog):
        with caplog.at_level(logging.WARNING):
            found = run("#### 12", gold="twelve")
        assert found["reward_extra_info"]["error"] + " (failure 1 of this reward worker)" in caplog.messages

    def test_overlong_shaping_is_not_added_but_its_key_is_there(self):
        # 7 tokens: a judged response has the penalty -0.25, see below.
        found = run("#### 12", gold="twelve", config=make_config(enable=True))
        self.check(found, "unparsable_gold", "twelve", [*KEYS, "overlong_penalty"])
        assert found["reward_extra_info"]["overlong_penalty"] == 0.0


class TestVerlsRewardWorker:
    """verl's own worker, which builds the manager from the shipped configuration and scores a batch."""

    @pytest.fixture
    def make_worker(self, monkeypatch):
        monkeypatch.setattr(reward_loop, "copy_to_local", lambda path: path)
        monkeypatch.setattr(reward_loop, "hf_tokenizer", lambda *_, **__: Tokenizer())
        monkeypatch.setattr("reward_score.registry._verifiers", {})
        reward_score.register("test/math")(lambda response, gold, _: Verdict(1.0, 1.0, 1.0, response, "correct"))

        def tool(response, gold, _, *, scale="unit", formats=()):
            if response == "broken":
                raise RecursionError("too deep")
            return Verdict(-3.0 if scale == "toolrl" else 0.0, 0.0, 0.0, "", "wrong answer")

        reward_score.register("test/tool")(tool)

        def make(*overrides: str):
            with initialize_config_module("recipe.dipo.config", version_base=None):
                return reward_loop.RewardLoopWorker(compose("dipo_trainer", overrides=["+device=cpu", *overrides]))

        return make

    def score(self, worker, rows):
        sessions = [make_session(f"{response:<8}"[:8].strip(), **row) for response, row in rows]

        async def gather():
            return await asyncio.gather(*(worker.compute_score(session) for session in sessions))

        return asyncio.run(gather())

    def test_a_mixed_batch_has_the_same_keys_everywhere(self, make_worker):
        rows = [
            ("right", {"data_source": "test/math"}),
            ("broken", {"data_source": "test/tool"}),
            ("wrong", {"data_source": "test/tool"}),
            ("lost", {"data_source": "no/such"}),
        ]
        found = self.score(make_worker(), rows)
        assert [list(output["reward_extra_info"]) for output in found] == [KEYS] * 4
        assert [output["reward_score"] for output in found] == [1.0, 0.0, -3.0, 0.0]
        # What verl makes of them in RewardLoopManager.compute_rm_score: one array a key, of one kind of value.
        kinds = {key: np.array([output["reward_extra_info"][key] for output in found]).dtype.kind for key in KEYS}
        assert kinds == {"score": "f", "acc": "f", "format": "f", "pred": "U", "reason": "U", "error": "U"}

    def test_a_custom_function_of_a_file(self, make_worker, tmp_path):
        (tmp_path / "mine.py").write_text(
            "async def judge(data_source, solution_str, ground_truth, extra_info, bonus):\n"
            "    assert solution_str != 'broken'\n"
            "    return {'score': bonus, 'acc': 1}\n"
        )
        worker = make_worker(
            f"reward.custom_reward_function.path={tmp_path}/mine.py",
            "reward.custom_reward_function.name=judge",
            "+reward.custom_reward_function.reward_kwargs.bonus=0.5",
        )
        found = self.score(worker, [("right", {}), ("broken", {})])
        assert [output["reward_score"] for output in found] == [0.5, 0.0]
        assert {tuple(sorted(output["reward_extra_info"])) for output in found} == {("acc", "error", "reason", "score")}
        assert "AssertionError" in found[1]["reward_extra_info"]["error"]


@pytest.mark.parametrize(
    ("length", "penalty"),
    # DAPO, equation 13, with L_max 10 and L_cache 4: 0 up to 6, then (6 - length) / 4, -1 at 10; longer ones cannot
    # be generated, and the line simply goes on.
    [(0, 0.0), (6, 0.0), (7, -0.25), (8, -0.5), (10, -1.0), (12, -1.5)],
)
def test_overlong_penalty(length, penalty):
    assert overlong_penalty(length, max_resp_len=10, buffer_len=4, penalty_factor=1.0) == penalty
    assert overlong_penalty(length, max_resp_len=10, buffer_len=4, penalty_factor=0.5) == penalty / 2


def test_overlong_shaping_touches_the_score_alone():
    # "#### 12" has 7 tokens: penalty -0.25.
    found = run("#### 12", padding=2, config=make_config(enable=True))
    assert found["reward_score"] == 0.75
    assert found["reward_extra_info"]["acc"] == 1.0
    assert found["reward_extra_info"]["score"] == 1.0
    assert found["reward_extra_info"]["overlong_penalty"] == -0.25


@pytest.mark.parametrize("length", [0, -1, 11])
def test_an_impossible_overlong_buffer_is_refused(length):
    with pytest.raises(ValueError, match=f"between 1 and max_resp_len \\(10\\), but is {length}"):
        GroupwiseRewardManager(make_config(enable=True, length=length), Tokenizer(), None)
