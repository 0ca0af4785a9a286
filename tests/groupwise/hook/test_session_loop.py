"""A session of BFCL's, held by verl's agent loop and judged by the reward manager; the model answers the gold."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl import DataProto
from verl.experimental.agent_loop import agent_loop
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput, DictConfigWrap
from verl.utils.dataset.rl_dataset import RLHFDataset
from verl.workers.rollout.replica import TokenOutput

from data_prep.bfcl_files import Source, read_entries
from data_prep.bfcl_rows import make_bfcl_row
from groupwise.demo.tiny_model import build_tokenizer
from groupwise.hook.reward_manager import GroupwiseRewardManager
from groupwise.names import SESSION_LOOP, SESSION_TEXT
from reward_score.tool_calls.bfcl import library

TOKENIZER = build_tokenizer()
CONFIG = OmegaConf.create(
    {
        "actor_rollout_ref": {"rollout": {"prompt_length": 8, "response_length": 400, "max_model_len": 60_000}},
        "data": {},
        "reward": {
            "custom_reward_function": {"path": None},
            "reward_kwargs": {
                "max_resp_len": 400,
                "overlong_buffer_cfg": {"enable": False, "len": 4, "penalty_factor": 1.0},
                "timeout_s": 30,
                "max_failure_share": 0.01,
                "verifier": {"scale": "toolrl", "formats": ["hermes"], "pure_equivalence": False},
            },
        },
    }
)


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    pytest.importorskip("bfcl_eval")
    source = Source(library.require() / "data" / "BFCL_v3_multi_turn_base.json", "v3", "multi_turn_base")
    entry = next(iter(read_entries([source])))
    made = dict(make_bfcl_row("test", "hermes", "none", entry, entry.identity))
    return {**made, "raw_prompt": made["prompt"], "uid": "u"}


class Server:
    """Answers one text after another, and keeps what it was asked."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts, self.asked = iter(texts), []

    async def generate(self, **asked: Any) -> TokenOutput:
        self.asked.append(asked)
        ids = TOKENIZER(next(self.texts))["input_ids"]
        return TokenOutput(token_ids=ids, log_probs=[-0.5] * len(ids))


def hold(row: dict[str, Any], texts: Sequence[str], **rollout: int) -> tuple[AgentLoopOutput, Server]:
    server = Server(texts)
    config = OmegaConf.merge(CONFIG, {"actor_rollout_ref": {"rollout": rollout}})

    async def run() -> AgentLoopOutput:
        # As verl's worker makes it.
        loop = hydra.utils.instantiate(
            agent_loop._agent_loop_registry[SESSION_LOOP],
            trainer_config=DictConfigWrap(config),
            server_manager=server,
            tokenizer=TOKENIZER,
            processor=None,
            dataset_cls=RLHFDataset,
            data_config=DictConfigWrap(config.data),
        )
        return await loop.run({"temperature": 1.0, "logprobs": True}, **row)

    return asyncio.run(run()), server


def judge(row: dict[str, Any], output: AgentLoopOutput) -> dict[str, Any]:
    columns = {**row, "tool_extra_fields": output.extra_fields}
    ids = {"prompts": output.prompt_ids, "responses": output.response_ids}
    ids["attention_mask"] = [1] * (len(output.prompt_ids) + len(output.response_ids))
    data = DataProto(
        batch=TensorDict({name: torch.tensor([values]) for name, values in ids.items()}, batch_size=1),
        non_tensor_batch={},
    )
    for name, value in columns.items():
        data.non_tensor_batch[name] = np.empty(1, dtype=object)
        data.non_tensor_batch[name][0] = value

    async def score() -> dict[str, Any]:
        return await GroupwiseRewardManager(CONFIG, TOKENIZER, None).run_single(data)

    return asyncio.run(score())["reward_extra_info"]


def gold(row: dict[str, Any]) -> list[str]:
    turns = json.loads(row["extra_info"]["reference_response"])["turns"]
    return [step["response"] for turn in turns for step in turn]


def test_the_gold_is_right_and_all_steps_go_to_one_replica(row):
    output, server = hold(row, gold(row))
    assert judge(row, output)["reason"] == "correct"
    assert len(server.asked) == len(gold(row)) == output.num_turns / 2 > 3
    assert len({asked["request_id"] for asked in server.asked}) == 1
    assert output.prompt_ids == server.asked[0]["prompt_ids"]
    # Only the model's own tokens, as many as a response may have.
    assert len(output.response_ids) == len(output.response_logprobs) == len(output.response_mask) == 400
    wrong, _ = hold(row, ["I do not know."] * 20)
    assert (judge(row, wrong)["acc"], judge(row, wrong)["error"]) == (0.0, "")


def test_a_prompt_over_the_context_is_wrong_under_its_reason(row):
    output, server = hold(row, [], max_model_len=401)
    assert server.asked == []
    assert judge(row, output)["reason"] == "prompt too long"


def test_other_rows_are_left_to_verls_loop(row):
    output, server = hold({**row, "data_source": "bfcl_v3/simple"}, ["one"])
    assert (len(server.asked), SESSION_TEXT in output.extra_fields) == (1, False)


def test_a_session_row_without_the_loop_is_not_judged(row):
    output, _ = hold({**row, "data_source": "bfcl_v3/simple"}, ["one"])
    assert "rollout.agent.default_agent_loop=bfcl_sessions" in judge(row, output)["error"]
