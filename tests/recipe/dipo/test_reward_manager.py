"""What reaches verl from a verdict, and what becomes of one that is none."""

import asyncio
import math

import pytest
import torch
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl import DataProto
from verl.experimental.reward_loop.reward_manager import get_reward_manager_cls

import reward_score
from recipe.dipo.reward_manager import DiPORewardManager, check_verdict, overlong_penalty

NAN = math.nan


class Tokenizer:
    """Token ids are code points."""

    def decode(self, ids, skip_special_tokens):
        assert skip_special_tokens
        return "".join(map(chr, ids.tolist()))


def make_config(*, custom: str | None = None, enable: bool = False, length: int = 4, max_resp_len: int = 10):
    return OmegaConf.create(
        {
            "reward": {
                "custom_reward_function": {"path": custom},
                "reward_kwargs": {
                    "max_resp_len": max_resp_len,
                    "overlong_buffer_cfg": {"enable": enable, "len": length, "penalty_factor": 1.0},
                },
            }
        }
    )


def run(response: str, *, padding: int = 0, config=None, compute_score=None, data_source="dipo/arithmetic", gold="12"):
    """Scores one response of a session, whose earlier output must not be looked at."""
    ids = torch.tensor([[ord("?")] * (len(response) + padding), [ord(c) for c in response] + [0] * padding])
    mask = torch.tensor([[1] * (3 + len(response)) + [0] * padding] * 2)
    data = DataProto(
        batch=TensorDict({"prompts": torch.ones(2, 3), "responses": ids, "attention_mask": mask}, batch_size=2),
    )
    data.non_tensor_batch = {
        "data_source": [data_source] * 2,
        "reward_model": [{"ground_truth": gold}] * 2,
        "extra_info": [{"index": 7}] * 2,
    }
    import numpy as np

    data.non_tensor_batch = {key: np.array(value, dtype=object) for key, value in data.non_tensor_batch.items()}

    async def score():
        manager = DiPORewardManager(config or make_config(), Tokenizer(), compute_score)
        manager.loop = asyncio.get_running_loop()
        return await manager.run_single(data)

    return asyncio.run(score())


def test_verl_finds_it_by_name():
    assert get_reward_manager_cls("dipo") is DiPORewardManager


def test_scores_through_reward_score_and_passes_all_five_keys_on():
    found = run("#### 12")
    oracle = reward_score.compute_score("dipo/arithmetic", "#### 12", "12", {"index": 7})
    assert oracle["acc"] == 1.0
    assert found == {"reward_score": 1.0, "reward_extra_info": oracle}
    assert set(found["reward_extra_info"]) == {"score", "acc", "format", "pred", "reason"}


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
        assert (data_source, solution_str, ground_truth, extra_info) == ("mine", "abc", "12", {"index": 7})
        return {"score": 2.5, "acc": True, "note": "mine"}

    async def coroutine(**kwargs):
        return function(**kwargs)

    chosen = function if kind == "function" else coroutine
    found = run("abc", config=make_config(custom="mine.py"), compute_score=chosen, data_source="mine")
    assert found == {"reward_score": 2.5, "reward_extra_info": {"score": 2.5, "acc": 1.0, "note": "mine"}}


@pytest.mark.parametrize(
    ("verdict", "found"),
    [
        (1.0, "returned float"),
        (None, "returned NoneType"),
        ({"score": 1.0}, "no 'acc'"),
        ({"acc": 1.0}, "no 'score'"),
        ({"score": 1.0, "acc": 0.5}, "`acc` is 0.5"),
        ({"score": 1.0, "acc": None}, "`acc` is None"),
        ({"score": "high", "acc": 1}, "`score` is 'high'"),
        ({"score": NAN, "acc": 1}, "`score` is nan"),
        ({"score": math.inf, "acc": 1}, "`score` is inf"),
        ({"score": None, "acc": 1}, "`score` is None"),
    ],
)
def test_what_is_no_verdict_is_reported_and_never_a_plain_zero(verdict, found):
    with pytest.raises(ValueError, match=found):
        check_verdict(verdict)
    result = run("abc", config=make_config(custom="mine.py"), compute_score=lambda **_: verdict, data_source="mine")
    assert list(result["reward_extra_info"]) == ["error"]
    assert found in result["reward_extra_info"]["error"]


def test_an_error_names_the_data_source_and_the_row():
    error = run("abc", data_source="no/such")["reward_extra_info"]["error"]
    assert "'no/such'" in error
    assert "row 7" in error


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
        DiPORewardManager(make_config(enable=True, length=length), Tokenizer(), None)
