"""verl's trainer: which one."""

from collections.abc import Iterator

from omegaconf import DictConfig

TRAINER_MODES = ("sync", "colocate_async", "separate_async")
"""verl's names for its V1 trainers; verl's own registry is filled by an import that takes seconds."""

RESUME_MODES = ("auto", "disable", "resume_path")
"""verl logs another value as an error and goes on to fail on an unset variable (trainer_base.py, _load_checkpoint)."""


def find_faults(config: DictConfig) -> Iterator[str]:
    """Looks for keys of `trainer` that would end the run late, or start another run than the one meant."""
    trainer = config.trainer
    mode = trainer.v1.trainer_mode
    if mode not in TRAINER_MODES:
        yield f"trainer.v1.trainer_mode must be one of {', '.join(TRAINER_MODES)}, but is {mode!r}."
    elif not trainer.use_v1 and mode != "sync":
        yield (
            "trainer.use_v1=false takes verl's trainer from before V1, which is synchronous, but "
            f"trainer.v1.trainer_mode is {mode!r}; set one of the two back."
        )
    if not trainer.use_v1 and config.algorithm.filter_groups.enable:
        yield (
            "algorithm.filter_groups.enable=true needs verl's V1 trainers, but trainer.use_v1=false takes the one of "
            "before, which would ignore it; set one of the two back."
        )
    if trainer.resume_mode not in RESUME_MODES:
        yield f"trainer.resume_mode must be one of {', '.join(RESUME_MODES)}, but is {trainer.resume_mode!r}."
