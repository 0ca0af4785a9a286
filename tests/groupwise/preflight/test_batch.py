"""Batches, mini-batches and micro-batches that do not divide; and that the shipped configurations do."""

import functools
import re

import pytest
from transformers import Qwen2Config

from groupwise.preflight.batch import find_faults

MODEL = "actor_rollout_ref"
VALIDATED = f"{MODEL}.rollout.val_kwargs"
MICRO = "ppo_micro_batch_size_per_gpu"
LOG_PROB_MICRO = "log_prob_micro_batch_size_per_gpu"
HF_CONFIG = Qwen2Config(num_attention_heads=28, num_key_value_heads=4, max_position_embeddings=32768)
FIXED = [
    f"{MODEL}.actor.use_dynamic_bsz=false",
    f"{MODEL}.actor.{MICRO}=4",
    f"{MODEL}.rollout.{LOG_PROB_MICRO}=8",
]
SEPARATE = [
    "trainer.v1.trainer_mode=separate_async",
    f"{MODEL}.rollout.nnodes=1",
    f"{MODEL}.rollout.checkpoint_engine.backend=nccl",
]


# 64 prompts of 8 responses on 8 GPUs, updates of 16 prompts, unless an override says otherwise.
BASE = [
    "data.train_batch_size=64",
    f"{MODEL}.actor.ppo_mini_batch_size=16",
    f"{MODEL}.actor.use_dynamic_bsz=true",
    f"{MODEL}.rollout.name=vllm",
    f"{MODEL}.rollout.n=8",
    f"{MODEL}.rollout.tensor_model_parallel_size=1",
]


@pytest.fixture
def compose_with(shipped):
    """Gives the configuration that this file starts from, with overrides."""
    return functools.partial(shipped, "gpu", *BASE)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        [f"{MODEL}.actor.ppo_mini_batch_size=64"],
        FIXED,
        # 16 x 8 responses over 8 workers are 16 each; 64 x 8 are 64.
        [*FIXED, f"{MODEL}.actor.{MICRO}=16", f"{MODEL}.rollout.{LOG_PROB_MICRO}=64"],
        # Two GPUs share a sequence, so that four workers take 32 and 128.
        [*FIXED, f"{MODEL}.actor.ulysses_sequence_parallel_size=2", f"{MODEL}.actor.{MICRO}=32"],
        # The reference model does not run.
        [*FIXED, f"{MODEL}.ref.{LOG_PROB_MICRO}=5"],
        [*FIXED, f"{MODEL}.actor.use_kl_loss=true", f"{MODEL}.ref.{LOG_PROB_MICRO}=64"],
        ["data.gen_batch_size=16"],
        # Read for verl's sync trainer without filters alone.
        ["data.gen_batch_size=48", "algorithm.filter_groups.enable=true", "algorithm.adv_estimator=grpo"],
        # 4 updates of 16 prompts, verl's default of parameter_sync_step.
        SEPARATE,
        ["trainer.nnodes=16"],
    ],
)
def test_what_divides_is_sound(compose_with, overrides):
    assert list(find_faults(compose_with(*overrides), HF_CONFIG, 1000)) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            # 64 prompts, filled up to 96: 32 x 8 empty responses.
            [f"{MODEL}.actor.ppo_mini_batch_size=48"],
            "64 is not one of 48: verl would fill each step of 512 responses up with 256 empty ones",
        ),
        (
            [f"{MODEL}.actor.ppo_mini_batch_size=128"],
            "64 is not one of 128: verl would fill each step of 512 responses up with 512 empty ones",
        ),
        (
            ["trainer.n_gpus_per_node=7"],
            r"must be a multiple of the 7 data-parallel workers .*, but 16 x 8 = 128 is not",
        ),
        (
            # 16 x 2 responses for 64 GPUs
            [f"{MODEL}.rollout.n=2", "trainer.nnodes=8"],
            r"multiple of the 64 data-parallel workers .*, but 16 x 2 = 32 is not",
        ),
        (
            # 3 x 8 = 24 responses divide by 4 workers of two GPUs each, but verl asks for a multiple of all GPUs.
            [
                *FIXED,
                "trainer.n_gpus_per_node=16",
                f"{MODEL}.actor.ulysses_sequence_parallel_size=2",
                "data.train_batch_size=3",
                f"{MODEL}.actor.ppo_mini_batch_size=3",
                f"{MODEL}.actor.{MICRO}=3",
                f"{MODEL}.rollout.{LOG_PROB_MICRO}=3",
            ],
            "but 3 x 8 = 24 is not one of 16; .*use_dynamic_bsz=true",
        ),
        ([*FIXED, f"{MODEL}.actor.{MICRO}=5"], r"actor.ppo_micro.*_per_gpu must divide .* 16 responses .* but is 5"),
        # Larger than the share is no divisor either: verl's assertion fails.
        ([*FIXED, f"{MODEL}.actor.{MICRO}=32"], r"actor.ppo_micro.*_per_gpu must divide .* 16 responses .* but is 32"),
        ([*FIXED, f"{MODEL}.actor.{MICRO}=0"], "actor.ppo_micro.*_per_gpu must be a whole number of at least 1, .* 0"),
        ([*FIXED, f"{MODEL}.rollout.{LOG_PROB_MICRO}=7"], "rollout.log_prob.*_per_gpu must divide .* 64 .* but is 7"),
        (
            [*FIXED, f"{MODEL}.actor.use_kl_loss=true", f"{MODEL}.ref.{LOG_PROB_MICRO}=5"],
            "ref.log_prob.*_per_gpu must divide .* 64 responses .* but is 5",
        ),
        (
            [*FIXED, f"{MODEL}.actor.{MICRO}=null", f"{MODEL}.actor.ppo_micro_batch_size=64"],
            "actor.ppo_micro_batch_size is a key that verl's V1 trainers do not read",
        ),
        (
            [f"{MODEL}.rollout.log_prob_use_dynamic_bsz=false"],
            r"log_prob_use_dynamic_bsz must equal .* \(True\), but is False",
        ),
        (["data.gen_batch_size=48"], "must be a multiple of data.gen_batch_size, .* but 64 is not one of 48"),
        (
            [*SEPARATE, "trainer.v1.separate_async.parameter_sync_step=3"],
            "but 64 is not 3 x 16; set data.train_batch_size=48",
        ),
    ],
)
def test_what_does_not_divide_is_a_fault(compose_with, overrides, sentence):
    faults = list(find_faults(compose_with(*overrides), HF_CONFIG, 1000))
    assert len(faults) == 1, faults
    assert re.search(sentence, faults[0]), faults[0]


def test_every_part_is_asked(compose_with):
    overrides = (
        f"{MODEL}.actor.fsdp_config.fsdp_size=3",
        f"{MODEL}.actor.ppo_mini_batch_size=48",
        f"{MODEL}.rollout.max_model_len=10",
        f"{MODEL}.rollout.temperature=0",
    )
    faults = "\n".join(find_faults(compose_with(*overrides), HF_CONFIG, 63))
    # parallel, batch, steps, lengths, sampling: a fault of each
    for word in ("fsdp_size", "ppo_mini_batch_size", "63 are used", "max_model_len", "rollout.temperature"):
        assert word in faults
    assert faults.count("\n") == 4


def test_what_only_the_machine_of_the_run_knows_is_left_unchecked(compose_with):
    assert list(find_faults(compose_with(), None, None)) == []
    assert list(find_faults(compose_with(), HF_CONFIG, None)) == []


@pytest.mark.parametrize(
    "overrides",
    [
        # verl's default: one greedy response
        [],
        ["actor_rollout_ref.rollout.temperature=0.6"],
        [f"{VALIDATED}.n=8", f"{VALIDATED}.temperature=1.0", f"{VALIDATED}.do_sample=true"],
        # verl's V1 trainers read the temperature alone (agent_loop_tq.py); do_sample is verl's own check's.
        [f"{VALIDATED}.n=8", f"{VALIDATED}.temperature=0.6", f"{VALIDATED}.do_sample=false"],
    ],
)
def test_responses_that_can_differ_are_sound(shipped, overrides):
    assert list(find_faults(shipped("cpu", *overrides), None, None)) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["actor_rollout_ref.rollout.temperature=0"], "rollout.temperature must be above 0, .* but is 0"),
        (["actor_rollout_ref.rollout.temperature=-1.0"], "rollout.temperature must be above 0, .* but is -1.0"),
        ([f"{VALIDATED}.n=8"], "val_kwargs.n=8 asks for several .* val_kwargs.temperature is 0"),
        ([f"{VALIDATED}.n=2", f"{VALIDATED}.do_sample=true"], "val_kwargs.n=2 asks for several"),
    ],
)
def test_equal_responses_are_a_fault(shipped, overrides, sentence):
    faults = list(find_faults(shipped("cpu", *overrides), None, None))
    assert len(faults) == 1
    assert re.search(sentence, faults[0]), faults[0]
