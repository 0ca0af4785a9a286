"""What verl's own classes and defaults do not say of a value: several types, null, ranges, and where keys are free."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

DECLARED: Final[dict[str, Any]] = {
    "data.train_files": str | list,
    "data.val_files": str | list,
    "data.gen_batch_size": int | None,
    "data.val_batch_size": int | None,
    "data.seed": int | None,
    "data.tokenizer": str | None,
    "data.custom_cls.path": str | None,
    "data.custom_cls.name": str | None,
    "preflight.gpu_memory_gib": float | None,
    "ray_kwargs.ray_init.num_cpus": float | None,
    "ray_kwargs.ray_init.num_gpus": float | None,
    "ray_kwargs.ray_init.address": str | None,
    "ray_kwargs.ray_init.runtime_env": dict | None,
    "reward.custom_reward_function.path": str | None,
    "reward.custom_reward_function.name": str | None,
    "reward.reward_kwargs.overlong_buffer_cfg.penalty_factor": float,
    "reward.reward_kwargs.timeout_s": float,
    "reward.reward_kwargs.max_failure_share": float,
    "trainer.logger": str | list,
    "trainer.esi_redundant_time": float,
    "trainer.total_training_steps": int | None,
    "trainer.max_actor_ckpt_to_keep": int | None,
    "trainer.max_critic_ckpt_to_keep": int | None,
    "trainer.rollout_data_dir": str | None,
    "trainer.validation_data_dir": str | None,
    "trainer.resume_from_path": str | None,
    "trainer.default_hdfs_dir": str | None,
    "trainer.checkpoint_callback_class": str | None,
    "trainer.v1.colocate_async.num_warmup_batches": float,
    "trainer.v1.separate_async.num_warmup_batches": float,
    "trainer.v1.sampler.max_off_policy_threshold": int | None,
}
"""Types where neither a config class of verl nor the default says all: what may be null, and what has several."""

FREE: Final = re.compile(
    r"(hydra|transfer_queue|ray_kwargs\.ray_init|reward\.reward_kwargs|preflight|resume"
    r"|.*\.(\w*_?kwargs|override_config|override_\w+_config|tool_config|global_tool_config|custom|lora|\w+_options))"
    r"(\..*)?"
)
"""Sections in which keys of the user's own are read by something, or refused by another check."""


CODE_PATHS: Final = (
    "data.custom_cls.path",
    "reward.custom_reward_function.path",
    "reward.reward_manager.module.path",
    "trainer.v1.sampler.custom_sampler.path",
)
"""Keys that name a user's own code, which may read keys of its own."""


class Range(NamedTuple):
    """What a number must be beside its type.

    Attributes:
        holds: Says whether a value does.
        words: What follows "must be a number".
        cure: What to do.
    """

    holds: Callable[[Any], bool]
    words: str
    cure: str = "set it to one"


COUNT: Final = Range(lambda value: value >= 1, "of at least 1")
ZERO_OR_MORE: Final = Range(lambda value: value >= 0, "of at least 0")
SHARDS: Final = Range(lambda value: value == -1 or value >= 1, "of at least 1, or -1 for all GPUs", "set it to -1")

RANGES: Final = {
    **dict.fromkeys(
        (
            "trainer.nnodes",
            "trainer.n_gpus_per_node",
            "trainer.total_epochs",
            "trainer.v1.separate_async.parameter_sync_step",
            "data.train_batch_size",
            "data.max_prompt_length",
            "data.max_response_length",
            "actor_rollout_ref.actor.ppo_mini_batch_size",
            "actor_rollout_ref.actor.ppo_epochs",
            "actor_rollout_ref.actor.ppo_max_token_len_per_gpu",
            "actor_rollout_ref.actor.ulysses_sequence_parallel_size",
            "actor_rollout_ref.actor.fsdp_config.ulysses_sequence_parallel_size",
            "actor_rollout_ref.actor.megatron.tensor_model_parallel_size",
            "actor_rollout_ref.actor.megatron.pipeline_model_parallel_size",
            "actor_rollout_ref.actor.megatron.context_parallel_size",
            "actor_rollout_ref.ref.ulysses_sequence_parallel_size",
            "actor_rollout_ref.ref.fsdp_config.ulysses_sequence_parallel_size",
            "actor_rollout_ref.rollout.n",
            "actor_rollout_ref.rollout.prompt_length",
            "actor_rollout_ref.rollout.response_length",
            "actor_rollout_ref.rollout.val_kwargs.n",
            "actor_rollout_ref.rollout.max_model_len",
            "actor_rollout_ref.rollout.max_num_seqs",
            "actor_rollout_ref.rollout.max_num_batched_tokens",
            "actor_rollout_ref.rollout.tensor_model_parallel_size",
            "actor_rollout_ref.rollout.data_parallel_size",
            "actor_rollout_ref.rollout.pipeline_model_parallel_size",
            "actor_rollout_ref.rollout.expert_parallel_size",
            "actor_rollout_ref.rollout.agent.num_workers",
            "actor_rollout_ref.rollout.checkpoint_engine.update_weights_bucket_megabytes",
            "reward.num_workers",
        ),
        COUNT,
    ),
    **dict.fromkeys(
        (
            "data.gen_batch_size",
            "data.dataloader_num_workers",
            "actor_rollout_ref.actor.optim.lr",
            "actor_rollout_ref.actor.clip_ratio",
            "actor_rollout_ref.actor.clip_ratio_low",
            "actor_rollout_ref.actor.clip_ratio_high",
            "actor_rollout_ref.model.lora_rank",
            "actor_rollout_ref.rollout.temperature",
            "actor_rollout_ref.rollout.val_kwargs.temperature",
            "ray_kwargs.ray_init.num_cpus",
            "ray_kwargs.ray_init.num_gpus",
        ),
        ZERO_OR_MORE,
    ),
    "actor_rollout_ref.actor.fsdp_config.fsdp_size": SHARDS,
    "actor_rollout_ref.ref.fsdp_config.fsdp_size": SHARDS,
    "actor_rollout_ref.rollout.gpu_memory_utilization": Range(
        lambda value: 0 < value <= 1, "above 0 and at most 1", "set it to one, such as 0.6"
    ),
}
"""Keys that other checks reckon with, and those whose wrong value would show late."""
