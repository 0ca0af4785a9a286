"""torch's attention in place of flash-attn: what verl cannot do with it is a fault, what it costs a note."""

import re

import pytest

from groupwise.preflight import attention
from groupwise.preflight.facts import Facts

ROOT = "actor_rollout_ref."
GPU = ("trainer.device=cuda", f"{ROOT}model.use_remove_padding=true", f"{attention.KEY}=sdpa")


def found(config, model_type: str = "qwen2") -> list[str]:
    facts = Facts(config)
    facts.hf_config.model_type = model_type
    return [f"{type(each).__name__}: {each}" for each in attention.find_faults(facts)]


@pytest.mark.parametrize(
    ("overrides", "model_type", "words"),
    [
        ((), "qwen2", "Note: .* by count, which is no measurement"),
        ((f"{attention.KEY}=flash_attention_2",), "qwen2_5_vl", None),
        ((f"{ROOT}model.use_remove_padding=false",), "qwen2_5_vl", None),
        (("trainer.device=cpu",), "qwen2", None),
        ((), "qwen2_5_vl", "str: verl trains models of type qwen2_5_vl .* flash-attn alone"),
        ((f"{ROOT}actor.strategy=megatron", f"{ROOT}actor.ulysses_sequence_parallel_size=2"), "qwen2", None),
    ],
)
def test_what_is_said(compose_with, overrides, model_type, words):
    said = found(compose_with(*GPU, *overrides), model_type)
    assert (words is None and said == []) or (len(said) == 1 and re.match(words, said[0])), said


def test_sequence_parallelism_is_refused(compose_with):
    said = found(compose_with(*GPU, f"{ROOT}actor.ulysses_sequence_parallel_size=2", "trainer.n_gpus_per_node=2"))
    assert "ulysses_sequence_parallel_size is 2; set it to 1" in said[0]


def test_the_count(compose_with):
    # 4 layers of width 128: 4 x 4 x 128 = 2,048 operations for each pair of tokens. Packed are 8 of 30 tokens, the mean
    # of 48 + 12; flash-attn meets 15 of these 240 per token. A million parameters take 2 operations each.
    facts = Facts(compose_with(*GPU))
    share = 2_048 * (240 - 15) / (2 * facts.parameters + 2_048 * 15)
    (said,) = found(facts.config)
    assert f" {share:.0%} more arithmetic" in said
    assert "micro-batch's 240 tokens" in said
