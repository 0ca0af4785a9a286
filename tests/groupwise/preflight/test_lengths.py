"""Prompt and response against the limits of micro-batches, model, engine and overlong shaping."""

import functools
import json
import re

import pytest
from transformers import Qwen2Config

from groupwise.preflight.lengths import find_faults

MODEL = "actor_rollout_ref"
# A prompt of 500 and a response of 1,000 tokens, unless an override says otherwise.
BASE = ["data.max_prompt_length=500", "data.max_response_length=1000", f"{MODEL}.rollout.name=vllm"]
OVERLONG = "reward.reward_kwargs.overlong_buffer_cfg"
DYNAMIC = f"{MODEL}.actor.use_dynamic_bsz=true"
HF_CONFIG = Qwen2Config(max_position_embeddings=2000)


@pytest.fixture
def compose_with(shipped):
    """Gives the configuration that this file starts from, with overrides."""
    return functools.partial(shipped, "gpu", *BASE)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        [DYNAMIC, f"{MODEL}.actor.ppo_max_token_len_per_gpu=1500"],
        # Two GPUs share a sequence: 2 x 750 = 1500.
        [DYNAMIC, f"{MODEL}.actor.ppo_max_token_len_per_gpu=750", f"{MODEL}.actor.ulysses_sequence_parallel_size=2"],
        # Fixed micro-batches have no budget; without a reference model neither has ref.
        [f"{MODEL}.actor.ppo_max_token_len_per_gpu=10"],
        [DYNAMIC, f"{MODEL}.ref.log_prob_max_token_len_per_gpu=10"],
        [f"{MODEL}.rollout.max_model_len=1500"],
        [f"{MODEL}.rollout.max_model_len=2000"],
        # verl raises max_num_batched_tokens by itself.
        [f"{MODEL}.rollout.enable_chunked_prefill=false", f"{MODEL}.rollout.max_num_batched_tokens=512"],
        ["data.max_response_length=1500"],
        ["data.max_response_length=3000", f"{MODEL}.model.override_config.max_position_embeddings=3500"],
        [f"{OVERLONG}.enable=true", f"{OVERLONG}.len=1000"],
        # Without shaping its keys are not read.
        [f"{OVERLONG}.len=0", "reward.reward_kwargs.max_resp_len=3"],
    ],
)
def test_lengths_that_fit_are_sound(compose_with, overrides):
    assert list(find_faults(compose_with(*overrides), HF_CONFIG)) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            # The rollout's budget follows the actor's: one sentence for both.
            [DYNAMIC, f"{MODEL}.actor.ppo_max_token_len_per_gpu=1499"],
            r"\(1500 tokens.* but actor_rollout_ref.actor.ppo_max_token_len_per_gpu is 1499, "
            "actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu is 1499; raise to at least 1500",
        ),
        (
            [
                DYNAMIC,
                f"{MODEL}.actor.ppo_max_token_len_per_gpu=749",
                f"{MODEL}.actor.ulysses_sequence_parallel_size=2",
            ],
            "ppo_max_token_len_per_gpu is 749.* raise to at least 750",
        ),
        (
            [DYNAMIC, f"{MODEL}.rollout.log_prob_max_token_len_per_gpu=1000"],
            "but actor_rollout_ref.rollout.log_prob_max_token_len_per_gpu is 1000; raise to at least 1500",
        ),
        (
            [DYNAMIC, f"{MODEL}.actor.use_kl_loss=true", f"{MODEL}.ref.log_prob_max_token_len_per_gpu=1000"],
            "but actor_rollout_ref.ref.log_prob_max_token_len_per_gpu is 1000; raise to at least 1500",
        ),
        ([f"{MODEL}.rollout.max_model_len=1499"], "max_model_len must be at least .* = 1500, .* but is 1499"),
        ([f"{MODEL}.rollout.max_model_len=2001"], "max_model_len must be at most the model's 2000 .* but is 2001"),
        (["data.max_response_length=1501"], "must fit the model's 2000 positions, but are 2001 tokens; shorten"),
        (
            [f"{MODEL}.model.override_config.max_position_embeddings=1000"],
            "must fit the model's 1000 positions, but are 1500 tokens",
        ),
        ([f"{MODEL}.rollout.prompt_length=400"], r"rollout.prompt_length must equal .* \(500\), but is 400"),
        ([f"{MODEL}.rollout.response_length=900"], r"rollout.response_length must equal .* \(1000\), but is 900"),
        (
            [f"{MODEL}.rollout.max_num_batched_tokens=128"],
            r"max_num_batched_tokens must be at least max_num_seqs \(256\), .* but is 128",
        ),
        ([f"{OVERLONG}.enable=true"], r"overlong_buffer_cfg.len must be between 1 and .* \(1000\), but is 4096"),
        ([f"{OVERLONG}.enable=true", f"{OVERLONG}.len=0"], "overlong_buffer_cfg.len must be between 1 .* but is 0"),
        (
            [f"{OVERLONG}.enable=true", f"{OVERLONG}.len=100", "reward.reward_kwargs.max_resp_len=800"],
            r"max_resp_len must equal data.max_response_length \(1000\) .* but is 800",
        ),
    ],
)
def test_a_limit_that_is_exceeded_is_a_fault(compose_with, overrides, sentence):
    faults = list(find_faults(compose_with(*overrides), HF_CONFIG))
    assert len(faults) == 1, faults
    assert re.search(sentence, faults[0]), faults[0]


def test_the_models_limit_is_left_unchecked_where_the_model_is_not_known(compose_with):
    assert list(find_faults(compose_with("data.max_response_length=100000"), None)) == []


def test_the_limit_of_a_model_with_images_is_that_of_its_text_part(compose_with):
    from transformers import Qwen3VLConfig

    hf_config = Qwen3VLConfig(text_config={"max_position_embeddings": 1400})
    (sentence,) = find_faults(compose_with(), hf_config)
    assert "the model's 1400 positions" in sentence
    raised = compose_with(f"{MODEL}.model.override_config.text_config.max_position_embeddings=1500")
    assert list(find_faults(raised, hf_config)) == []


class TestPublishedLimit:
    """override_config reaches verl alone: vLLM reads config.json (vllm/config/model.py, _get_and_verify_max_len)."""

    @pytest.fixture
    def with_file(self, compose_with, tmp_path):
        def with_file_(published: dict, *overrides: str):
            (tmp_path / "config.json").write_text(json.dumps(published))
            raised = f"{MODEL}.model.override_config.max_position_embeddings=4000"
            return compose_with(f"{MODEL}.model.path={tmp_path}", raised, *overrides)

        return with_file_

    def test_more_positions_than_published_are_a_fault(self, with_file):
        (sentence,) = find_faults(with_file({"max_position_embeddings": 2000}), HF_CONFIG)
        assert re.search(r"must not exceed .* \(2000\).* vLLM would be asked for 4000", sentence), sentence

    @pytest.mark.parametrize(
        ("published", "overrides"),
        [
            ({"max_position_embeddings": 4000}, []),
            ({"max_position_embeddings": 2000}, [f"{MODEL}.rollout.max_model_len=2000"]),
            ({"max_position_embeddings": 2000, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, []),
            (
                {"max_position_embeddings": 2000},
                [f"{MODEL}.rollout.engine_kwargs.vllm.hf_overrides.max_position_embeddings=4000"],
            ),
        ],
    )
    def test_what_vllm_takes_is_sound(self, with_file, published, overrides):
        assert list(find_faults(with_file(published, *overrides), HF_CONFIG)) == []

    def test_vllms_own_permission_is_heeded(self, with_file, monkeypatch):
        monkeypatch.setenv("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1")
        assert list(find_faults(with_file({"max_position_embeddings": 2000}), HF_CONFIG)) == []
