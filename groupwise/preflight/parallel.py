"""Whether the GPUs divide into what shares a model: tensor and sequence parallelism, FSDP's shards."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig

from groupwise.names import FSDP


def training_gpus(config: DictConfig) -> int:
    """GPUs of the trainer, over all nodes."""
    return config.trainer.nnodes * config.trainer.n_gpus_per_node


def is_fsdp(config: DictConfig) -> bool:
    """Whether the actor is trained by FSDP; the other engines divide the GPUs in ways of their own."""
    return config.actor_rollout_ref.actor.strategy in FSDP


def sequence_parallel_size(config: DictConfig, section: str) -> int:
    """GPUs that share a sequence, for the actor or ref; verl takes the outer key where it is above 1."""
    part = config.actor_rollout_ref[section]
    outer = part.ulysses_sequence_parallel_size
    return outer if outer > 1 else part.fsdp_config.ulysses_sequence_parallel_size


def data_parallel_ranks(config: DictConfig) -> int | None:
    """Workers between which responses are divided; None where that is unknown, or the GPUs do not divide."""
    gpus = training_gpus(config)
    if not is_fsdp(config) or gpus % sequence_parallel_size(config, "actor"):
        return None
    return gpus // sequence_parallel_size(config, "actor")


def updates_per_step(config: DictConfig) -> int:
    """Updates of the actor for which a step fetches responses anew."""
    v1 = config.trainer.v1
    return v1.separate_async.parameter_sync_step if v1.trainer_mode == "separate_async" else 1


def has_reference(config: DictConfig) -> bool:
    """Whether a reference model runs beside the actor, by verl's rule; with LoRA the actor is its own reference."""
    from verl.trainer.ppo.utils import need_reference_policy

    model = config.actor_rollout_ref.model
    has_lora = model.lora.rank > 0 or model.lora_rank > 0 or model.lora_adapter_path is not None
    return bool(need_reference_policy(config)) and not has_lora


def find_faults(config: DictConfig, hf_config: Any | None) -> Iterator[str]:
    """Checks that GPUs divide evenly, and attention heads where the model's configuration is known."""
    rollout = config.actor_rollout_ref.rollout
    is_separate = config.trainer.v1.trainer_mode == "separate_async"
    if not rollout.disaggregation.enabled:
        if not is_separate or config.actor_rollout_ref.hybrid_engine:
            yield from _replica_faults(config, "trainer", training_gpus(config), config.trainer.n_gpus_per_node)
        if is_separate:
            yield from _separate_faults(config)
    if is_fsdp(config):
        yield from _shard_faults(config, "actor")
        if has_reference(config):
            yield from _shard_faults(config, "ref")
    if hf_config is not None:
        yield from _head_faults(config, hf_config)


def _replica_faults(config: DictConfig, section: str, gpus: int, per_node: int) -> Iterator[str]:
    rollout = config.actor_rollout_ref.rollout
    size = rollout.tensor_model_parallel_size * rollout.data_parallel_size * rollout.pipeline_model_parallel_size
    if gpus % size:
        yield (
            f"The {gpus} GPUs of {section}.nnodes x {section}.n_gpus_per_node must divide into {rollout.name} engines "
            f"of {size} (actor_rollout_ref.rollout.tensor_model_parallel_size x data_parallel_size), but do not; set "
            "actor_rollout_ref.rollout.tensor_model_parallel_size to a divisor, such as 1."
        )
    elif max(size, per_node) % min(size, per_node):
        yield (
            f"A {rollout.name} engine of {size} GPUs (actor_rollout_ref.rollout.tensor_model_parallel_size x "
            f"data_parallel_size) must fill nodes or share one evenly, but {section}.n_gpus_per_node is {per_node}, so "
            "that one would begin on a node and end on the next; choose sizes of which one divides the other."
        )


def _separate_faults(config: DictConfig) -> Iterator[str]:
    rollout = config.actor_rollout_ref.rollout
    if rollout.nnodes < 1 or rollout.n_gpus_per_node < 1:
        yield (
            "actor_rollout_ref.rollout.nnodes and n_gpus_per_node must be at least 1 in separate_async, which "
            f"generates on GPUs of its own, but are {rollout.nnodes} and {rollout.n_gpus_per_node}; set them."
        )
    else:
        section, gpus = "actor_rollout_ref.rollout", rollout.nnodes * rollout.n_gpus_per_node
        yield from _replica_faults(config, section, gpus, rollout.n_gpus_per_node)
    if rollout.checkpoint_engine.backend == "naive":
        yield (
            "actor_rollout_ref.rollout.checkpoint_engine.backend must be one that sends weights between GPUs in "
            "separate_async, but is naive; set it to nccl."
        )


def _shard_faults(config: DictConfig, section: str) -> Iterator[str]:
    gpus, name = training_gpus(config), f"actor_rollout_ref.{section}"
    sequence = sequence_parallel_size(config, section)
    if gpus % sequence:
        yield (
            f"{name}.ulysses_sequence_parallel_size must divide the {gpus} GPUs (trainer.nnodes x "
            f"trainer.n_gpus_per_node), but is {sequence}; set it to a divisor, such as 1."
        )
    shard = config.actor_rollout_ref[section].fsdp_config.fsdp_size
    if 0 < shard < gpus and gpus % shard:
        yield (
            f"{name}.fsdp_config.fsdp_size must divide the {gpus} GPUs (trainer.nnodes x trainer.n_gpus_per_node), or "
            f"be -1 for all of them, but is {shard}; set it to -1."
        )


def _head_faults(config: DictConfig, hf_config: Any) -> Iterator[str]:
    text = hf_config.get_text_config()
    heads = text.num_attention_heads
    key_heads = getattr(text, "num_key_value_heads", None) or heads
    tensor_parallel = config.actor_rollout_ref.rollout.tensor_model_parallel_size
    sizes = {"actor_rollout_ref.rollout.tensor_model_parallel_size": tensor_parallel}
    if is_fsdp(config):
        sizes["actor_rollout_ref.actor.ulysses_sequence_parallel_size"] = sequence_parallel_size(config, "actor")
    for key, size in sizes.items():
        if heads % size or max(key_heads, size) % min(key_heads, size):
            yield (
                f"{key} must divide the model's {heads} attention heads, and divide its {key_heads} key-value heads or "
                f"be a multiple of them, but is {size}; set it to a number that does, such as 1."
            )
