"""What the study runs, from study.yaml: a list of runs, the most wanted first."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from study_variants import VARIABLE, VARIANTS

BATCH = "data.train_batch_size="


class PlannedRun(NamedTuple):
    """A run of the study.

    Attributes:
        task: Name of the task.
        arm: Name of the arm.
        seed: Seed of the data's order.
        overrides: Hydra's overrides.
        environment: Variables on top of the process's own.
    """

    task: str
    arm: str
    seed: int
    overrides: tuple[str, ...]
    environment: dict[str, str]

    @property
    def name(self) -> str:
        """Its name, also of its folder."""
        return f"{self.task}-{self.arm}-{self.seed}"

    @property
    def digest(self) -> str:
        """Of all that it is made with: a result of another digest is not this run's."""
        told = json.dumps([self.task, self.arm, self.seed, self.overrides, self.environment])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def read_plan(file: Path) -> list[PlannedRun]:
    """Reads which runs the study has.

    Args:
        file: study.yaml.

    Returns:
        The runs; all arms with their first seed, then those with a second, and so on, so that a study that was not
        finished compares what it has.

    Raises:
        ValueError: A variant is unknown, or a task's batch does not divide the budget.
    """
    study = yaml.safe_load(file.read_text(encoding="utf-8"))
    most = max(arm["seeds"] for arm in study["arms"].values())
    return [
        _run(study, task, arm, seed)
        for seed in range(most)
        for task, of_task in study["tasks"].items()
        for arm in of_task.get("arms", study["arms"])
        if seed < min(study["arms"][arm]["seeds"], of_task.get("seeds", most))
    ]


def _run(study: dict[str, Any], task: str, arm: str, seed: int) -> PlannedRun:
    shared, own = study["tasks"][task]["overrides"], study["arms"][arm]
    batch = next(int(override.removeprefix(BATCH)) for override in shared if override.startswith(BATCH))
    if study["budget"] % batch:
        raise ValueError(f"budget must be a multiple of each task's batch, but {study['budget']} is not of {batch}.")
    variant = own.get("variant")
    if variant is not None and variant not in VARIANTS:
        raise ValueError(f"The variant of {arm} must be one of {', '.join(VARIANTS)}, but is {variant!r}.")
    environment = {} if variant is None else {VARIABLE: variant, "VERL_USE_EXTERNAL_MODULES": "study_variants"}
    steps = [f"trainer.total_training_steps={study['budget'] // batch}", f"data.seed={seed}"]
    return PlannedRun(task, arm, seed, (*shared, *steps, *own["overrides"]), environment)
