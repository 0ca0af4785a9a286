"""The runs of a comparison: which there are, where they lie, how far each is, and what is left to do."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from groupwise.demo.launch import compose_config
from groupwise.errors import GroupwiseError
from groupwise.launch.command_line import explain
from groupwise.record.run_log import read_run

PLAN_FILE: Final = "comparison.json"
"""What all runs of a comparison share, in its folder."""

ENDED_FILE: Final = "ended.json"
"""In the folder of a run that came to its end."""


class Planned(NamedTuple):
    """One run."""

    method: str
    seed: int
    folder: Path
    overrides: list[str]
    config: DictConfig

    @property
    def label(self) -> str:
        """Its name in the terminal."""
        return f"{self.method}, seed {self.seed}"

    @property
    def has_ended(self) -> bool:
        """Whether it came to its end; the report takes it as it is."""
        return (self.folder / ENDED_FILE).is_file()

    @property
    def steps_made(self) -> dict[int, dict[str, float]]:
        """What it logged so far, by step."""
        try:
            return read_run(self.folder / "metrics.jsonl").steps
        except GroupwiseError:
            return {}

    @property
    def seconds_per_step(self) -> float | None:
        """Median over the steps that it logged."""
        seconds = [step["timing_s/step"] for step in self.steps_made.values() if "timing_s/step" in step]
        return median(seconds) if seconds else None

    @property
    def is_resumed(self) -> bool:
        """Whether an interrupted run goes on from its last checkpoint; otherwise it begins anew."""
        return self.config.trainer.resume_mode != "disable" and self.config.trainer.save_freq > 0


class Comparison(NamedTuple):
    """What the runs of a comparison have in common: all but the method and the seed."""

    recipe: str
    setting: str
    overrides: tuple[str, ...]
    folder: Path

    def plan(self, methods: Sequence[str], seeds: Sequence[int]) -> list[Planned]:
        """Composes the runs in their order: all methods of a seed before the next seed, so that pairs are whole early.

        Raises:
            GroupwiseError: A configuration cannot be composed.
        """
        return [self._run(method, seed) for seed in seeds for method in methods]

    def _run(self, method: str, seed: int) -> Planned:
        folder = self.folder / method / f"seed{seed}"
        # A baseline may be more than an estimator (`dapo` is dynamic sampling): the recipe's own overlay goes first.
        arms = files(f"{self.recipe}.config") / "experiment" / "arm"
        arm = [f"+experiment/arm={method}"] if (arms / f"{method}.yaml").is_file() else []
        own = [
            *([] if arm else [f"algorithm.adv_estimator={method}"]),
            f"data.seed={seed}",
            f"trainer.experiment_name={method}-seed{seed}",
            f"trainer.default_local_dir={folder / 'checkpoints'}",
        ]
        overrides = [f"+experiment={self.setting}", *arm, *self.overrides, *own]
        config = self._compose(overrides)
        if config.trainer.rollout_data_dir:
            overrides.append(f"trainer.rollout_data_dir={folder / 'rollouts'}")
            config.trainer.rollout_data_dir = str(folder / "rollouts")
        return Planned(method, seed, folder, overrides, config)

    def _compose(self, overrides: list[str]) -> DictConfig:
        try:
            return compose_config(overrides, recipe=self.recipe)
        except HydraException as error:
            raise GroupwiseError(explain(error, overrides)) from error
        except OmegaConfBaseException as error:
            raise GroupwiseError(f"The configuration must be composable, but: {error}") from error

    def claim(self) -> None:
        """Writes down what the runs share.

        Raises:
            GroupwiseError: The folder holds runs of another comparison, which this one's cannot be compared with.
        """
        file, mine = self.folder / PLAN_FILE, {"setting": self.setting, "overrides": sorted(self.overrides)}
        if file.is_file():
            theirs = json.loads(file.read_text(encoding="utf-8"))
            if theirs != mine:
                raise GroupwiseError(
                    f"All runs in {self.folder} must share their setting and overrides, but those there have "
                    f"{_words(theirs)} and these {_words(mine)}; give another folder with out=FOLDER."
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(mine, indent=2) + "\n", encoding="utf-8")


def _words(shared: dict) -> str:
    return " ".join([shared["setting"], *shared["overrides"]])
