"""The arithmetic of batches: groups, mini-batches, micro-batches and steps against each other and against the GPUs.

verl checks most of it in its workers, after models and vLLM are up, some of it after the first generation; what does
not divide evenly it fills up with empty responses (verl/trainer/ppo/padding_utils.py).
"""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from groupwise.preflight import lengths, parallel, steps


def find_faults(config: DictConfig, hf_config: Any | None, train_rows: int | None) -> Iterator[str]:
    """Checks every count of a run against every other, but for the model's and the rows where these are not known."""
    yield from parallel.find_faults(config, hf_config)
    yield from _mini_batch_faults(config)
    yield from _micro_batch_faults(config)
    yield from steps.find_faults(config, train_rows)
    yield from lengths.find_faults(config, hf_config)
    yield from _sampling_faults(config)


def _mini_batch_faults(config: DictConfig) -> Iterator[str]:
    batch, mini = config.data.train_batch_size, config.actor_rollout_ref.actor.ppo_mini_batch_size
    updates = config.trainer.v1.separate_async.parameter_sync_step
    if config.trainer.v1.trainer_mode == "separate_async":
        if batch != updates * mini:
            yield (
                "data.train_batch_size must be trainer.v1.separate_async.parameter_sync_step x "
                "actor_rollout_ref.actor.ppo_mini_batch_size in separate_async, but "
                f"{batch} is not {updates} x {mini}; set data.train_batch_size={updates * mini}, or change the others."
            )
    elif batch % mini:
        n = config.actor_rollout_ref.rollout.n
        yield (
            "data.train_batch_size must be a multiple of actor_rollout_ref.actor.ppo_mini_batch_size, but "
            f"{batch} is not one of {mini}: verl would fill each step of {batch * n} responses up with "
            f"{-batch % mini * n} empty ones; change either."
        )
    yield from _division_faults(config, batch, mini)


def _division_faults(config: DictConfig, batch: int, mini: int) -> Iterator[str]:
    n, gpus = config.actor_rollout_ref.rollout.n, parallel.training_gpus(config)
    ranks = parallel.data_parallel_ranks(config)
    if ranks is not None and mini * n % ranks:
        yield (
            "actor_rollout_ref.actor.ppo_mini_batch_size x actor_rollout_ref.rollout.n must be a multiple of the "
            f"{ranks} data-parallel workers (GPUs / ulysses_sequence_parallel_size), but {mini} x {n} = {mini * n} is "
            "not; change one of them, or trainer.n_gpus_per_node."
        )
    elif not config.actor_rollout_ref.actor.use_dynamic_bsz and batch * n % gpus and parallel.is_fsdp(config):
        yield (
            "data.train_batch_size x actor_rollout_ref.rollout.n must be a multiple of the GPUs (trainer.nnodes x "
            f"trainer.n_gpus_per_node), but {batch} x {n} = {batch * n} is not one of {gpus}; change one of them, or "
            "set actor_rollout_ref.actor.use_dynamic_bsz=true."
        )
    gen = config.data.gen_batch_size
    is_fixed = config.trainer.v1.trainer_mode == "sync" and not (
        config.algorithm.filter_groups.enable or config.trainer.v1.sampler.sync_refill_failed_groups
    )
    # Otherwise verl fetches prompts one by one, whatever the key says.
    if gen and is_fixed and batch % gen:
        yield (
            "data.train_batch_size must be a multiple of data.gen_batch_size, in which prompts are fetched, but "
            f"{batch} is not one of {gen}; set data.gen_batch_size=null."
        )


def _micro_batch_faults(config: DictConfig) -> Iterator[str]:
    model = config.actor_rollout_ref
    if model.actor.use_dynamic_bsz != model.rollout.log_prob_use_dynamic_bsz:
        yield (
            "actor_rollout_ref.rollout.log_prob_use_dynamic_bsz must equal actor_rollout_ref.actor.use_dynamic_bsz "
            f"({model.actor.use_dynamic_bsz}), but is {model.rollout.log_prob_use_dynamic_bsz}; leave it out."
        )
        return
    updates = parallel.updates_per_step(config)
    batch, mini = config.data.train_batch_size // updates, model.actor.ppo_mini_batch_size
    if not model.actor.use_dynamic_bsz:
        yield from _micro_faults(config, "actor", "ppo_micro_batch_size", mini)
        yield from _micro_faults(config, "rollout", "log_prob_micro_batch_size", batch)
    if parallel.has_reference(config) and not model.ref.log_prob_use_dynamic_bsz:
        yield from _micro_faults(config, "ref", "log_prob_micro_batch_size", batch)


def _micro_faults(config: DictConfig, section: str, key: str, prompts: int) -> Iterator[str]:
    """A worker's share of the responses to some prompts is cut into micro-batches of equal size.

    `key` is the deprecated one, of the micro-batch of all GPUs; with `_per_gpu` it is that of one.
    """
    name = f"actor_rollout_ref.{section}.{key}"
    micro = OmegaConf.select(config, f"{name}_per_gpu")
    if micro is None:
        # Without either key verl's own sentence is better.
        if OmegaConf.select(config, name) is not None:
            yield f"{name} is a key that verl's V1 trainers do not read; set {name}_per_gpu in its place."
        return
    ranks = parallel.data_parallel_ranks(config)
    responses = prompts * config.actor_rollout_ref.rollout.n
    if not isinstance(micro, int) or micro < 1:
        yield f"{name}_per_gpu must be a whole number of at least 1, but is {micro!r}; set it to one."
    elif ranks is not None and responses % ranks == 0 and responses // ranks % micro:
        yield (
            f"{name}_per_gpu must divide a worker's share of {responses // ranks} responses ({prompts} prompts x "
            f"{config.actor_rollout_ref.rollout.n} / {ranks} data-parallel workers), but is {micro}; set it to a "
            "divisor, or set actor_rollout_ref.actor.use_dynamic_bsz=true."
        )


def _sampling_faults(config: DictConfig) -> Iterator[str]:
    """Looks whether responses to one prompt can differ: groups of equal ones teach nothing and measure nothing."""
    rollout = config.actor_rollout_ref.rollout
    if rollout.temperature <= 0:
        yield (
            "actor_rollout_ref.rollout.temperature must be above 0, or all responses to a prompt are the same and no "
            f"group has a gradient, but is {rollout.temperature}; set it to 1.0."
        )
    validation = rollout.val_kwargs
    if validation.n > 1 and validation.temperature <= 0:
        yield (
            f"actor_rollout_ref.rollout.val_kwargs.n={validation.n} asks for several responses to a prompt, which "
            f"must be sampled to differ, but val_kwargs.temperature is {validation.temperature}; set it (with "
            "val_kwargs.do_sample=true) above 0, or val_kwargs.n=1."
        )
