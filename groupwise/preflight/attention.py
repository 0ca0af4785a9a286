"""The attention that trains, where it is torch's own: what verl cannot do with it, and what it costs."""

from collections.abc import Iterator

from groupwise.preflight import parallel
from groupwise.preflight.facts import Facts
from groupwise.preflight.memory import GIB
from groupwise.preflight.memory_parts import Shape, tokens
from groupwise.preflight.memory_report import MEAN_LENGTH_SHARE
from groupwise.preflight.notes import Note

KEY = "actor_rollout_ref.model.override_config.attn_implementation"
FLASH_ONLY = ("qwen2_vl", "qwen2_5_vl", "glm4v", "kimi_vl")
"""Models whose attention verl replaces by calls of flash-attn (models/transformers/monkey_patch.py)."""

MASK_BYTES = 3
"""For each pair of tokens: transformers' mask, and its copy in bfloat16 that torch's kernel adds."""


def find_faults(facts: Facts) -> Iterator[str]:
    """Looks at torch's attention on packed responses, which takes the place of flash-attn where that is missing."""
    model = facts.config.actor_rollout_ref.model
    if not parallel.is_fsdp(facts.config) or model.override_config.get("attn_implementation") != "sdpa":
        return
    size = parallel.sequence_parallel_size(facts.config, "actor")
    if size > 1:
        yield (
            f"Sequence parallelism needs flash-attn, since with {KEY}=sdpa each GPU would attend to its own part of a "
            f"response alone, but ulysses_sequence_parallel_size is {size}; set it to 1, or install flash-attn "
            "(docs/running.md)."
        )
    if facts.hf_config is None:
        return
    if model.use_remove_padding and facts.hf_config.model_type in FLASH_ONLY:
        yield (
            f"verl trains models of type {facts.hf_config.model_type} on packed responses by flash-attn alone, but "
            f"{KEY} is sdpa; install flash-attn (docs/running.md), or set actor_rollout_ref.model.use_remove_padding="
            "false."
        )
    elif model.use_remove_padding and facts.parameters and facts.config.trainer.device != "cpu":
        yield _cost(facts, facts.parameters)


def _cost(facts: Facts, parameters: int) -> Note:
    shape, config = Shape.read(facts.hf_config), facts.config
    packed = tokens(config, MEAN_LENGTH_SHARE)[0]
    length = MEAN_LENGTH_SHARE * (config.data.max_prompt_length + config.data.max_response_length)
    # Two products with each other token; by flash-attn with those before it in its own response alone.
    per_pair = 4 * shape.layers * shape.heads * shape.head_dim
    more = per_pair * (packed - length / 2) / (2 * parameters + per_pair * length / 2)
    return Note(
        f"The actor's attention is torch's own ({KEY}=sdpa), as it is by itself where flash-attn is not installed. It "
        f"computes all pairs of a micro-batch's {packed:,.0f} tokens: by count, which is no measurement, {more:.0%} "
        f"more arithmetic in a forward pass, and {MASK_BYTES * packed**2 / GIB:.1f} GiB for masks. Less by a smaller "
        "actor_rollout_ref.actor.ppo_max_token_len_per_gpu, none of it with flash-attn (docs/running.md)."
    )
