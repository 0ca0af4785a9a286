"""Whether responses to one prompt can differ: groups of equal responses teach nothing and measure nothing."""

from collections.abc import Iterator

from omegaconf import DictConfig


def find_faults(config: DictConfig) -> Iterator[str]:
    """Checks the temperatures of training and validation."""
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
