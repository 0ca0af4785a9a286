"""What the study runs, from study.yaml: a list of runs, the most wanted first."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from study_variants import VARIABLE, VARIANTS

ENGINES = ("verl", "loop")
BATCH = 24
"""Prompts that a step trains on, where a part does not say otherwise."""


class PlannedRun(NamedTuple):
    """A run of the study.

    Attributes:
        engine: What trains: `verl`, or `loop` (study_loop.py).
        task: Name of the task.
        arm: Name of the arm.
        seed: Seed of the data's order.
        overrides: Hydra's overrides.
        variant: Of study_variants.py; None for none.
    """

    engine: str
    task: str
    arm: str
    seed: int
    overrides: tuple[str, ...]
    variant: str | None = None

    @property
    def name(self) -> str:
        """Its name, also of its folder."""
        return f"{self.engine}-{self.task}-{self.arm}-{self.seed}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make verl's processes install the variant."""
        return {} if self.variant is None else {VARIABLE: self.variant, "VERL_USE_EXTERNAL_MODULES": "study_variants"}

    @property
    def digest(self) -> str:
        """Of all that it is made with: a result of another digest is not this run's."""
        return hashlib.sha256(json.dumps(self).encode()).hexdigest()[:16]


def read_plan(file: Path) -> list[PlannedRun]:
    """Reads which runs the study has.

    Args:
        file: study.yaml.

    Returns:
        The runs, part by part; of a part all arms with their first seed, then those with a second, and so on, so that
        a study that was not finished compares what it has.

    Raises:
        ValueError: A part names an engine, task or arm that is unknown, or an arm a variant.
    """
    study = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, arm in study["arms"].items():
        _check(f"The variant of {name}", arm.get("variant"), (None, *VARIANTS))
    return [
        _run(study, part, arm, seed)
        for part in study["parts"]
        for seed in range(part.get("first_seed", 0), part["seeds"])
        for arm in part.get("arms", study["arms"])
    ]


def _check(what: str, value: str | None, known: tuple[str | None, ...]) -> None:
    if value not in known:
        raise ValueError(f"{what} must be one of {', '.join(name for name in known if name)}, but is {value!r}.")


def _run(study: dict[str, Any], part: dict[str, Any], arm: str, seed: int) -> PlannedRun:
    _check("The engine of a part", part["engine"], ENGINES)
    _check("The task of a part", part["task"], tuple(study["tasks"]))
    _check("An arm of a part", arm, tuple(study["arms"]))
    course = (
        f"data.train_batch_size={part.get('batch', BATCH)}",
        f"trainer.total_training_steps={part['steps']}",
        f"trainer.test_freq={part['validate_every']}",
        f"data.seed={seed}",
    )
    overrides = (*study["tasks"][part["task"]], *course, *study["arms"][arm]["overrides"])
    return PlannedRun(part["engine"], part["task"], arm, seed, overrides, study["arms"][arm].get("variant"))
