"""Whether a run has steps, reaches its last one, and saves and validates when it is told to."""

from collections.abc import Iterator

from omegaconf import DictConfig


def find_faults(config: DictConfig, train_rows: int | None) -> Iterator[str]:
    """Checks the number of steps, against the rows of all `data.train_files` where that is known."""
    for key in ("save_freq", "test_freq"):
        value = config.trainer[key]
        if not isinstance(value, int) or isinstance(value, bool) or value == 0:
            yield f"trainer.{key} must be a whole number of steps, or -1 for never, but is {value!r}; set it to one."
    total = config.trainer.total_training_steps
    is_number = isinstance(total, int) and not isinstance(total, bool) and total >= 1
    if total is not None and not is_number:
        yield (
            "trainer.total_training_steps must be a whole number of at least 1, or null for "
            f"trainer.total_epochs epochs, but is {total!r}; set it to one."
        )
    elif train_rows is not None and not config.trainer.val_only:
        yield from epoch_faults(config, train_rows)


def epoch_faults(config: DictConfig, train_rows: int) -> Iterator[str]:
    """Checks that so many rows make a step, and as many steps as the run shall have."""
    batch, epochs, limit = config.data.train_batch_size, config.trainer.total_epochs, config.data.train_max_samples
    total = config.trainer.total_training_steps
    rows = min(train_rows, limit) if limit > 0 else train_rows
    # The last batch of an epoch is dropped where it is not full.
    steps = rows // batch
    if steps == 0:
        yield (
            f"data.train_files must hold at least data.train_batch_size={batch} rows, or an epoch has no step, but "
            f"{rows} are used; lower data.train_batch_size, or give more rows"
            f"{' (data.train_max_samples limits them)' if rows < train_rows else ''}."
        )
    elif total is not None and total > steps * epochs:
        yield (
            f"trainer.total_epochs={epochs} must be enough for trainer.total_training_steps={total}, but {rows} rows "
            f"make {steps} steps an epoch: the run would end after step {steps * epochs}, without its last validation "
            f"and checkpoint; set trainer.total_epochs={-(-total // steps)}."
        )
