"""Prompts have the token ids that verl's own agent loop gives to vLLM."""

import asyncio
import types
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from verl.experimental.agent_loop.agent_loop import DictConfigWrap
from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop
from verl.utils.dataset.rl_dataset import RLHFDataset

from groupwise.demo import tiny_model
from groupwise.errors import GroupwiseError
from groupwise.evaluation.prompts import check_model_length, load_tokenizer, make_tokenize, select_short
from groupwise.evaluation.sets import EvaluationSet

CONVERSATIONS = [
    [{"role": "user", "content": "76+55="}],
    [{"role": "system", "content": 'Be brief. <tools>{"a": 1}</tools>'}, {"role": "user", "content": "Wie groß?\n"}],
    [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "<tool_call>\n{}\n</tool_call>"},
        {"role": "tool", "content": "2"},
    ],
]
# Says whether thinking is on, as Qwen3's does.
TEMPLATE = tiny_model.CHAT_TEMPLATE + "{% if not (think | default(true)) %}<think></think>{% endif %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("model")
    tokenizer = tiny_model.build_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(place)
    tiny_model.build_model(tokenizer, seed=0).config.save_pretrained(place)
    return place


@pytest.fixture
def tokenizer(folder) -> Any:
    return load_tokenizer(folder)


class Recorder:
    """Stands in for verl's servers, and keeps the prompts that they are sent."""

    def __init__(self) -> None:
        self.prompts: list[list[int]] = []

    async def generate(self, *, prompt_ids: list[int], **others: Any) -> Any:
        self.prompts.append(prompt_ids)
        return types.SimpleNamespace(
            token_ids=[5], log_probs=None, num_preempted=0, routed_experts=None, extra_fields={}
        )


def prompts_of_verl(tokenizer: Any, model_type: str, options: dict[str, Any]) -> list[list[int]]:
    config = OmegaConf.create(
        {
            "actor_rollout_ref": {"rollout": {"prompt_length": 512, "response_length": 8}},
            "data": {"apply_chat_template_kwargs": options},
        }
    )

    async def run() -> list[list[int]]:
        servers = Recorder()
        loop = SingleTurnAgentLoop(
            trainer_config=DictConfigWrap(config),
            server_manager=servers,
            tokenizer=tokenizer,
            processor=None,
            dataset_cls=RLHFDataset,
            data_config=DictConfigWrap(config.data),
            hf_model_type=model_type,
        )
        for messages in CONVERSATIONS:
            await loop.run({}, raw_prompt=messages)
        return servers.prompts

    return asyncio.run(run())


@pytest.mark.parametrize("model_type", ["qwen2", "qwen3", "llama"])
@pytest.mark.parametrize("options", [{}, {"think": False}])
def test_an_evaluated_prompt_is_one_of_verls_rollouts(tokenizer, model_type, options):
    found = make_tokenize(tokenizer, model_type=model_type, template_options=options)(CONVERSATIONS)
    assert found == prompts_of_verl(tokenizer, model_type, options)
    assert tokenizer.decode(found[0]) == "<|user|>76+55=<|end|><|assistant|>" + ("<think></think>" if options else "")


def test_a_template_that_refuses_a_prompt_is_quoted(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('only users may speak') }}"
    with pytest.raises(GroupwiseError, match="only users may speak"):
        make_tokenize(tokenizer, model_type="qwen2", template_options={})(CONVERSATIONS)


def test_a_tokenizer_without_a_template_is_refused(tmp_path, tokenizer):
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(GroupwiseError, match="must have a chat template"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_of_another_family_is_refused():
    with pytest.raises(GroupwiseError, match=r"required token '<\|im_end\|>'"):
        make_tokenize(tiny_model.build_tokenizer(), model_type="qwen2", template_options={})


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(GroupwiseError, match="must hold a tokenizer"):
        load_tokenizer(tmp_path)


def test_overlong_prompts_are_told_or_left_out():
    each = EvaluationSet("aime24", "math", [{}] * 3, ["a", "b", "c"], "")
    tokens = [[1] * 4, [1] * 6, [1] * 5]
    assert select_short(each, tokens, longest=None, skip=False) == dict(enumerate(tokens))
    assert select_short(each, tokens, longest=6, skip=False) == dict(enumerate(tokens))
    assert select_short(each, tokens, longest=5, skip=True) == {0: tokens[0], 2: tokens[2]}
    with pytest.raises(GroupwiseError, match="at most 5 tokens, but 1 of 3 have more, up to 6"):
        select_short(each, tokens, longest=5, skip=False)
    with pytest.raises(GroupwiseError, match="3 of 3"):
        select_short(each, tokens, longest=3, skip=True)


def model_config(**changes: Any) -> Any:
    config = tiny_model.build_model(tiny_model.build_tokenizer(), seed=0).config
    return type(config)(**{**config.to_dict(), **changes})


def test_sequences_must_fit_the_models_positions():
    config = model_config()
    check_model_length(config, prompt=24, response=1000)
    with pytest.raises(GroupwiseError, match=r"1024 positions, .* has 25 tokens .* --max-tokens 999 is the most"):
        check_model_length(config, prompt=25, response=1000)


def test_scaled_positions_are_left_to_vllm():
    scaled = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024, "rope_theta": 10_000.0}
    check_model_length(model_config(rope_parameters=scaled), prompt=25, response=1000)


def test_a_prompt_that_fills_the_model_can_only_be_left_out():
    with pytest.raises(GroupwiseError, match=r"has 1024 tokens .* --skip-overlong --max-prompt-length 1004 leaves"):
        check_model_length(model_config(), prompt=1024, response=20)
