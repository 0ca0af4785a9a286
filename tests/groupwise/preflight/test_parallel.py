"""GPUs and attention heads that do not divide into what shares them."""

import functools
import re

import pytest
from transformers import Qwen2Config

from groupwise.preflight.parallel import find_faults

MODEL = "actor_rollout_ref"
BASE = [f"{MODEL}.rollout.name=vllm", f"{MODEL}.rollout.tensor_model_parallel_size=1"]
QWEN_7B = Qwen2Config(num_attention_heads=28, num_key_value_heads=4)
TWO_GPUS_AN_ENGINE = f"{MODEL}.rollout.tensor_model_parallel_size=2"
SEPARATE = [
    "trainer.v1.trainer_mode=separate_async",
    f"{MODEL}.rollout.nnodes=1",
    f"{MODEL}.rollout.n_gpus_per_node=4",
    f"{MODEL}.rollout.checkpoint_engine.backend=nccl",
]


@pytest.fixture
def compose_with(shipped):
    """Gives the configuration that this file starts from, with overrides."""
    return functools.partial(shipped, "gpu", *BASE)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        # 28 heads and 4 key-value heads divide by 2 and by 4.
        [f"{MODEL}.rollout.tensor_model_parallel_size=4"],
        # An engine of both nodes; heads are none of vLLM's concern between its data-parallel ranks.
        ["trainer.nnodes=2", f"{MODEL}.rollout.tensor_model_parallel_size=2", f"{MODEL}.rollout.data_parallel_size=8"],
        [f"{MODEL}.actor.ulysses_sequence_parallel_size=2"],
        [f"{MODEL}.actor.fsdp_config.fsdp_size=4"],
        # As large as the world or larger is the whole world, for verl.
        [f"{MODEL}.actor.fsdp_config.fsdp_size=16"],
        # The reference model does not run.
        [f"{MODEL}.ref.fsdp_config.fsdp_size=3"],
        [f"{MODEL}.ref.fsdp_config.fsdp_size=3", f"{MODEL}.actor.use_kl_loss=true", f"{MODEL}.model.lora_rank=8"],
        SEPARATE,
        # No engine shares the trainer's GPUs.
        [*SEPARATE, f"{MODEL}.hybrid_engine=false", "trainer.n_gpus_per_node=3", TWO_GPUS_AN_ENGINE],
    ],
)
def test_what_divides_is_sound(compose_with, overrides):
    assert list(find_faults(compose_with(*overrides), QWEN_7B)) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["trainer.n_gpus_per_node=6", f"{MODEL}.rollout.tensor_model_parallel_size=4"],
            "The 6 GPUs of trainer.nnodes x trainer.n_gpus_per_node must divide into vllm engines of 4",
        ),
        ([f"{MODEL}.rollout.data_parallel_size=3"], "must divide into vllm engines of 3"),
        (
            # Twelve GPUs make three engines of four, the second of which has two GPUs on each node.
            ["trainer.nnodes=2", "trainer.n_gpus_per_node=6", f"{MODEL}.rollout.tensor_model_parallel_size=4"],
            "engine of 4 GPUs .* must fill nodes or share one evenly, but trainer.n_gpus_per_node is 6",
        ),
        (
            ["trainer.n_gpus_per_node=7", f"{MODEL}.rollout.tensor_model_parallel_size=7"],
            "tensor_model_parallel_size must divide the model's 28 attention heads, and divide its 4 .* but is 7",
        ),
        ([f"{MODEL}.rollout.tensor_model_parallel_size=8"], "divide the model's 28 attention heads.* but is 8"),
        (
            ["trainer.n_gpus_per_node=7", f"{MODEL}.actor.ulysses_sequence_parallel_size=7"],
            "actor.ulysses_sequence_parallel_size must divide the model's 28 .* but is 7",
        ),
        (
            ["trainer.n_gpus_per_node=6", f"{MODEL}.actor.fsdp_config.ulysses_sequence_parallel_size=4"],
            "actor.ulysses_sequence_parallel_size must divide the 6 GPUs .* but is 4",
        ),
        ([f"{MODEL}.actor.fsdp_config.fsdp_size=3"], "actor.fsdp_config.fsdp_size must divide the 8 GPUs .* but is 3"),
        (
            [f"{MODEL}.ref.fsdp_config.fsdp_size=3", f"{MODEL}.actor.use_kl_loss=true"],
            "ref.fsdp_config.fsdp_size must divide the 8 GPUs .* but is 3",
        ),
        ([*SEPARATE, f"{MODEL}.rollout.nnodes=0"], "rollout.nnodes and n_gpus_per_node must be at least 1 in separate"),
        ([*SEPARATE, f"{MODEL}.rollout.checkpoint_engine.backend=naive"], "backend must be one .* but is naive"),
        (
            [*SEPARATE, f"{MODEL}.rollout.n_gpus_per_node=3", f"{MODEL}.rollout.tensor_model_parallel_size=2"],
            "The 3 GPUs of actor_rollout_ref.rollout.nnodes x .* must divide into vllm engines of 2",
        ),
    ],
)
def test_what_does_not_divide_is_a_fault(compose_with, overrides, sentence):
    faults = list(find_faults(compose_with(*overrides), QWEN_7B))
    assert len(faults) == 1, faults
    assert re.search(sentence, faults[0]), faults[0]


def test_heads_are_left_unchecked_where_the_model_is_not_known(compose_with):
    assert list(find_faults(compose_with(f"{MODEL}.rollout.tensor_model_parallel_size=8"), None)) == []


def test_more_gpus_than_key_value_heads_are_sound_where_vllm_repeats_them(compose_with):
    # 32 heads, 4 key-value heads, 8 GPUs: each key-value head lies on two.
    hf_config = Qwen2Config(num_attention_heads=32, num_key_value_heads=4)
    config = compose_with(f"{MODEL}.rollout.tensor_model_parallel_size=8")
    assert list(find_faults(config, hf_config)) == []
    # 24 heads divide by 8, but 6 key-value heads neither divide 8 nor are divided by it.
    assert len(list(find_faults(config, Qwen2Config(num_attention_heads=24, num_key_value_heads=6)))) == 1
