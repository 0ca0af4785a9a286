"""verl's trainer: which one, and from which checkpoint."""

from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from groupwise.launch.paths import expanded

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
    if trainer.resume_mode == "resume_path":
        yield from _resume_path_faults(trainer.resume_from_path)


def _resume_path_faults(path: object) -> Iterator[str]:
    # verl reads the step from the name, to its end: a trailing slash or a longer name would end the run.
    number = Path(str(path)).name.removeprefix("global_step_") if isinstance(path, str) else ""
    if not number.isdigit() or str(path).endswith("/"):
        yield (
            "trainer.resume_from_path must end in a checkpoint's folder global_step_<number>, without a slash behind "
            f"it, but is {path!r}; name the folder, or set trainer.resume_mode=auto."
        )
    elif not (expanded(path) / "actor").is_dir():
        yield f"trainer.resume_from_path={path} must be a checkpoint of verl, but has no folder actor; name another."
