"""Room for the checkpoints that a run will keep."""

from collections.abc import Iterator

from omegaconf import DictConfig

from groupwise.launch.checkpoints import checkpoint_bytes, space_fault
from groupwise.launch.paths import expanded
from groupwise.preflight.facts import Facts


def total_steps(config: DictConfig, train_rows: int | None) -> int | None:
    """How many steps a run makes in all (verl's rule, trainer_base.py, _init_dataloader); None where unknown."""
    if config.trainer.total_training_steps is not None:
        return config.trainer.total_training_steps
    return None if train_rows is None else train_rows // config.data.train_batch_size * config.trainer.total_epochs


def kept_checkpoints(config: DictConfig, steps: int | None) -> int:
    """How many checkpoints lie on the disk at once at the most; 1 where neither the steps nor a limit are known."""
    if config.trainer.save_freq <= 0 or config.trainer.val_only:
        return 0
    saved = None if steps is None else -(-steps // config.trainer.save_freq)
    limit = config.trainer.max_actor_ckpt_to_keep
    # verl writes the second before it removes the first (checkpoint_manager.py, ensure_checkpoint_capacity).
    kept = None if not limit else max(limit, 2)
    known = [number for number in (saved, kept) if number is not None]
    return min(known) if known else 1


def find_faults(facts: Facts) -> Iterator[str]:
    """Looks whether the run's checkpoints fit on the disk, beside those that are there already."""
    config = facts.config
    count = kept_checkpoints(config, total_steps(config, facts.train_rows))
    if not count:
        return
    size = checkpoint_bytes(config, facts.parameters)
    present = sum(1 for _ in expanded(config.trainer.default_local_dir).glob("global_step_*"))
    missing = max(count - present, 1)
    what = "a checkpoint" if missing == 1 else f"{missing} checkpoints (trainer.max_actor_ckpt_to_keep bounds them)"
    fault = space_fault(config.trainer.default_local_dir, size * missing, what=what)
    if fault:
        yield fault
