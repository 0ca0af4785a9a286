"""Estimate of GPU memory before a run starts: verl's FSDP or FSDP2 actor and vLLM, which take turns on the same GPUs.

It is computed from shapes and from what verl 0.9.1 keeps on a GPU in each phase. It has not been compared with a GPU;
its error is believed to be up to 20%. Files named below are verl's, in workers/engine/fsdp where no folder is given.

Assumed: Adam, flash-attn, decoder layers as FSDP units, bfloat16 mixed precision. Not counted: a critic, reward models,
a distillation teacher, LoRA's adapters and their gradients and moments (about nothing). The KV cache is counted as full
attention in rollout.dtype, more than latent or sliding attention takes.
"""

import subprocess
from typing import Any, NamedTuple

from omegaconf import DictConfig

from groupwise.preflight.memory_parts import ITEM_BYTES, Shape, inference, passes, states, tokens
from groupwise.preflight.parallel import is_fsdp

GIB = 2**30

RESERVE_BYTES = 3 * GIB
"""Beside all tensors: CUDA contexts of trainer and vLLM (0.5 GiB each), NCCL's buffers, vLLM's CUDA graphs, which stay
while it sleeps, and fragments (chosen: 3 GiB)."""

VLLM_WORK_BYTES = GIB
"""Of vLLM's share, what neither weights nor KV cache get: activations of a prefill, logits of the sampler (chosen)."""


class MemoryEstimate(NamedTuple):
    """Bytes per GPU. Sequences are taken as long as data.max_prompt_length + data.max_response_length."""

    weights: int  # the actor's shard, in fsdp_config.model_dtype
    gradients: int  # its gradients, and those of the head until they are reduced
    moments: int  # Adam's; optimizer_offload brings them back for the update (engine/base.py, BaseEngineCtx)
    gathered: int  # working copies of whole FSDP units: embedding and head, and two layers, the second prefetched
    activations: int  # kept for the backward pass of a micro batch: layers' inputs, or without checkpointing all
    recomputed: int  # one layer's activations and their gradients, in the backward pass
    logits: int  # logits and their gradients; never there together with `recomputed`
    step: int  # with FSDP1, Adam's temporary, a square root for each parameter; never there together with activations
    log_prob: int  # the pass for old or reference log-probabilities. The reference's weights lie in the CPU's memory
    asleep: int  # what vLLM keeps during training
    kept_weights: int  # the part of weights that stays during generation
    kept_moments: int  # the part of moments that stays during generation
    engine: int  # vLLM's share of the card
    engine_weights: int  # vLLM's weights, part of its share
    sync: int  # buffer, largest gathered tensor, and the copy that FSDP1's state_dict makes, while weights go to vLLM
    context: int  # KV cache of one sequence of rollout.max_model_len, which vLLM demands when it starts
    sequence: int  # KV cache of one longest sequence

    @property
    def training(self) -> int:
        """Peak of the update and of the log-probabilities."""
        backward = self.gathered + self.activations + max(self.recomputed, self.logits)
        update = self.gradients + self.moments + max(backward, self.step)
        log_prob = self.kept_moments + self.gathered + self.log_prob
        return RESERVE_BYTES + self.asleep + self.weights + max(update, log_prob)

    @property
    def generation(self) -> int:
        """vLLM at work, and what the actor left."""
        return RESERVE_BYTES + self.engine + self.kept_weights + self.kept_moments

    @property
    def transfer(self) -> int:
        """The weights' way to vLLM, before its KV cache is there."""
        return RESERVE_BYTES + self.engine_weights + self.weights + self.kept_moments + self.sync

    @property
    def rollout(self) -> int:
        """Peak of generation and of the weights' way to vLLM."""
        return max(self.generation, self.transfer)

    @property
    def kv_cache(self) -> int:
        """What vLLM's share leaves for the KV cache; negative where not even the weights fit."""
        return self.engine - self.engine_weights - VLLM_WORK_BYTES


def ask_gpus(fields: str) -> list[str]:
    """Asks nvidia-smi for fields of each GPU; a line each, none where there is no GPU."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.splitlines() if line.strip()]


def card_bytes(config: DictConfig) -> int | None:
    """Finds how many bytes a GPU has, without a CUDA context; None where there is none to ask.

    preflight.gpu_memory_gib, or the smallest GPU of this machine.
    """
    if config.preflight.gpu_memory_gib is not None:
        return int(config.preflight.gpu_memory_gib * GIB)
    sizes = [int(line) for line in ask_gpus("memory.total") if line.isdecimal()]
    return min(sizes) * 2**20 if sizes else None


def estimate(config: DictConfig, hf_config: Any, parameters: int, card_bytes: int) -> MemoryEstimate:
    """Estimates what a run puts on each GPU if every sequence is as long as it may be.

    Raises:
        ValueError: The strategy is neither fsdp nor fsdp2, the rollout engine is not vllm, or a dtype is unknown.
    """
    if reason := find_unknown(config):
        raise ValueError(reason)
    return estimate_shape(config, Shape.read(hf_config), parameters, card_bytes, length_share=1.0)


def find_unknown(config: DictConfig) -> str | None:
    """Says in a sentence what of a configuration the estimate does not know, None where it knows all."""
    actor, rollout = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout
    if not is_fsdp(config):
        return (
            f"GPU memory is estimated for actor_rollout_ref.actor.strategy fsdp and fsdp2, but it is {actor.strategy}."
        )
    if rollout.name != "vllm":
        return f"GPU memory is estimated for actor_rollout_ref.rollout.name=vllm, but it is {rollout.name}."
    for key, dtype in (
        ("actor.fsdp_config.model_dtype", actor.fsdp_config.model_dtype),
        ("rollout.dtype", rollout.dtype),
    ):
        if dtype not in ITEM_BYTES:
            return f"actor_rollout_ref.{key} must be a number format such as bfloat16, but is {dtype}."
    return None


def estimate_shape(
    config: DictConfig, shape: Shape, parameters: int, card_bytes: int, *, length_share: float
) -> MemoryEstimate:
    """Estimates as `estimate` does, for sequences whose mean length is a share of the longest."""
    rollout = config.actor_rollout_ref.rollout
    engine = int(rollout.gpu_memory_utilization * card_bytes)
    sleeps = rollout.free_cache_engine or not config.actor_rollout_ref.hybrid_engine
    shards = states(config, shape, parameters)
    return MemoryEstimate(
        **shards,
        **passes(config.actor_rollout_ref, shape, tokens(config, length_share)),
        # Sleep frees weights and KV cache at either level (vllm_async_server.py, _resolve_sleep_level).
        asleep=0 if sleeps else engine,
        engine=engine,
        **inference(config, shape, parameters, shards["weights"]),
    )
