"""What an estimate of GPU memory says: a table, and a sentence for each phase of a step that does not fit."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig

from groupwise.preflight.memory import (
    GIB,
    RESERVE_BYTES,
    VLLM_WORK_BYTES,
    MemoryEstimate,
    estimate_shape,
    find_unknown,
)
from groupwise.preflight.memory_parts import Shape
from groupwise.preflight.notes import Note

MEAN_LENGTH_SHARE = 0.5
"""Mean of the sequences, as a share of the longest, that a fault supposes: few batches are at the limit (chosen)."""

MARGIN = 0.2
"""What an estimate may exceed its room by before it refuses a run, and is not only told: what its error is believed to
be (docs/running.md). It was never compared with a GPU."""


def describe(estimate: MemoryEstimate, card_bytes: int) -> list[str]:
    """Makes a table of an estimate."""
    rows = {
        f"training, of {card_bytes / GIB:.1f}": estimate.training,
        "  weights": estimate.weights,
        "  gradients": estimate.gradients,
        "  Adam's moments": estimate.moments,
        "  gathered units": estimate.gathered,
        "  activations": estimate.activations,
        "  either: logits": estimate.logits,
        "  or: a layer recomputed": estimate.recomputed,
        "  or: Adam's temporary, without activations": estimate.step,
        "  or: log-probabilities, without gradients": estimate.log_prob,
        "  vLLM asleep": estimate.asleep,
        "  contexts, buffers, graphs": RESERVE_BYTES,
        f"rollout, of {card_bytes / GIB:.1f}": estimate.rollout,
        "  vLLM's share": estimate.engine,
        "    of it weights": estimate.engine_weights,
        "    of it KV cache": max(estimate.kv_cache, 0),
        "  actor's weights": estimate.kept_weights,
        "  actor's moments": estimate.kept_moments,
        "  buffers of the weight update, before the KV cache": estimate.sync,
    }
    return [
        "GPU memory in GiB per GPU, estimated, if every sequence is as long as it may be",
        *(f"{name:<50}{size / GIB:>8.1f}" for name, size in rows.items()),
        f"sequences of full length in the KV cache: {max(estimate.kv_cache, 0) // estimate.sequence}",
    ]


def find_faults(config: DictConfig, hf_config: Any, parameters: int, card_bytes: int) -> Iterator[str]:
    """Looks for phases that do not fit; a note says so where the margin of error would do.

    Sequences are taken as half of what they may be at most. What `estimate` refuses is left out.
    """
    if find_unknown(config):
        return
    shape = Shape.read(hf_config)
    usual = estimate_shape(config, shape, parameters, card_bytes, length_share=MEAN_LENGTH_SHARE)
    if usual.training > card_bytes:
        yield _weigh(_tell_training(usual, card_bytes), usual.training, card_bytes)
    yield from _tell_rollout(usual, card_bytes)


def _weigh(sentence: str, needed: int, room: int) -> str:
    """Makes a note of a sentence about something that needs more than its room by no more than the margin of error."""
    if needed > room * (1 + MARGIN):
        return sentence
    return Note(f"{sentence} This is an estimate, within whose error of {MARGIN:.0%} the run may fit: it starts.")


def _tell_rollout(usual: MemoryEstimate, card_bytes: int) -> Iterator[str]:
    key = "actor_rollout_ref.rollout"
    weights = usual.engine_weights + VLLM_WORK_BYTES
    if usual.kv_cache < 0:
        sentence = (
            f"vLLM's weights must fit in its share of a GPU, {usual.engine / GIB:.1f} GiB, but take "
            f"{usual.engine_weights / GIB:.1f} (and {VLLM_WORK_BYTES / GIB:.0f} to work in); raise "
            f"{key}.tensor_model_parallel_size or {key}.gpu_memory_utilization."
        )
        yield _weigh(sentence, weights, usual.engine)
    elif usual.kv_cache < usual.context:
        sentence = (
            f"vLLM's KV cache must hold one sequence of {key}.max_model_len (null: the model's limit), "
            f"{usual.context / GIB:.1f} GiB, but is {usual.kv_cache / GIB:.1f}; lower max_model_len to what prompt and "
            f"response need, or raise {key}.gpu_memory_utilization or {key}.tensor_model_parallel_size."
        )
        yield _weigh(sentence, weights + usual.context, usual.engine)
    if usual.generation > card_bytes:
        sentence = (
            f"vLLM and what the actor leaves on a GPU must fit in its {card_bytes / GIB:.1f} GiB, but take about "
            f"{usual.generation / GIB:.1f}: vLLM's share {usual.engine / GIB:.1f}, the actor "
            f"{(usual.kept_weights + usual.kept_moments) / GIB:.1f}; lower {key}.gpu_memory_utilization, or set "
            "param_offload and optimizer_offload of actor_rollout_ref.actor.fsdp_config to true."
        )
        yield _weigh(sentence, usual.generation, card_bytes)
    elif usual.transfer > card_bytes and usual.kv_cache >= 0:
        sentence = (
            f"While weights go to vLLM, both copies must fit in {card_bytes / GIB:.1f} GiB per GPU, but take about "
            f"{usual.transfer / GIB:.1f}: the actor {(usual.weights + usual.kept_moments) / GIB:.1f}, vLLM "
            f"{usual.engine_weights / GIB:.1f}, copies and buffers {usual.sync / GIB:.1f}; use more GPUs, "
            "actor_rollout_ref.actor.strategy=fsdp2, or a higher tensor_model_parallel_size."
        )
        yield _weigh(sentence, usual.transfer, card_bytes)


def _tell_training(usual: MemoryEstimate, card_bytes: int) -> str:
    states = usual.weights + usual.gradients + usual.moments + usual.asleep
    if usual.asleep:
        cure = "set actor_rollout_ref.rollout.free_cache_engine=true, so that vLLM frees its share"
    elif 2 * states > usual.training:
        cure = (
            "spread it over more GPUs (trainer.nnodes, trainer.n_gpus_per_node), or use fsdp2 with "
            "actor_rollout_ref.actor.fsdp_config.offload_policy=true, or actor_rollout_ref.model.lora_rank"
        )
    else:
        cure = (
            "lower actor_rollout_ref.actor.ppo_max_token_len_per_gpu (use_dynamic_bsz=true) or "
            "ppo_micro_batch_size_per_gpu and the log_prob_ keys of rollout and ref, raise "
            "ulysses_sequence_parallel_size, or set actor_rollout_ref.model.use_fused_kernels=true"
        )
    return (
        f"The training phase must fit in {card_bytes / GIB:.1f} GiB per GPU, but needs about "
        f"{usual.training / GIB:.1f}: weights, gradients and moments {states / GIB:.1f}, activations "
        f"{(usual.activations + max(usual.recomputed, usual.logits)) / GIB:.1f}; {cure}."
    )
