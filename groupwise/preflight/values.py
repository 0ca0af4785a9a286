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
    r"(hydra|transfer_queue|distillation\.teacher_models|ray_kwargs\.ray_init|reward\.reward_kwargs|preflight|resume"
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
    """What a number must be beside its type."""

    holds: Callable[[Any], bool]
    words: str  # what follows "must be a number"
    cure: str = "set it to one"


COUNT: Final = Range(lambda value: value >= 1, "of at least 1")
ZERO_OR_MORE: Final = Range(lambda value: value >= 0, "of at least 0")
SHARE: Final = Range(lambda value: 0 < value <= 1, "above 0 and at most 1")
SHARDS: Final = Range(lambda value: value == -1 or value >= 1, "of at least 1, or -1 for all GPUs", "set it to -1")

COUNTS: Final = {
    "trainer": "nnodes n_gpus_per_node total_epochs v1.separate_async.parameter_sync_step",
    "data": "train_batch_size max_prompt_length max_response_length",
    "reward": "num_workers",
    "actor_rollout_ref.actor": (
        "ppo_mini_batch_size ppo_epochs ppo_max_token_len_per_gpu "
        "ulysses_sequence_parallel_size fsdp_config.ulysses_sequence_parallel_size"
    ),
    "actor_rollout_ref.actor.megatron": (
        "tensor_model_parallel_size pipeline_model_parallel_size context_parallel_size"
    ),
    "actor_rollout_ref.ref": "ulysses_sequence_parallel_size fsdp_config.ulysses_sequence_parallel_size",
    "actor_rollout_ref.rollout": (
        "n prompt_length response_length val_kwargs.n max_model_len max_num_seqs max_num_batched_tokens "
        "tensor_model_parallel_size data_parallel_size pipeline_model_parallel_size expert_parallel_size "
        "agent.num_workers checkpoint_engine.update_weights_bucket_megabytes"
    ),
}
NOT_NEGATIVE: Final = {
    "data": "gen_batch_size dataloader_num_workers",
    "algorithm": "kl_ctrl.kl_coef",
    "actor_rollout_ref.actor": (
        "optim.lr optim.weight_decay clip_ratio clip_ratio_low clip_ratio_high clip_ratio_c kl_loss_coef"
    ),
    "reward.reward_kwargs": "overlong_buffer_cfg.penalty_factor",
    "actor_rollout_ref.model": "lora_rank",
    "actor_rollout_ref.rollout": "temperature val_kwargs.temperature repetition_penalty",
    "ray_kwargs.ray_init": "num_cpus num_gpus",
}

RANGES: Final = {
    **{f"{section}.{key}": COUNT for section, keys in COUNTS.items() for key in keys.split()},
    **{f"{section}.{key}": ZERO_OR_MORE for section, keys in NOT_NEGATIVE.items() for key in keys.split()},
    "actor_rollout_ref.actor.fsdp_config.fsdp_size": SHARDS,
    "actor_rollout_ref.ref.fsdp_config.fsdp_size": SHARDS,
    "actor_rollout_ref.rollout.gpu_memory_utilization": SHARE._replace(cure="set it to one, such as 0.6"),
    "actor_rollout_ref.rollout.top_p": SHARE,
    "actor_rollout_ref.rollout.val_kwargs.top_p": SHARE,
}
"""Keys that other checks reckon with, and those whose wrong value would show late."""
