"""A run's metrics as arrays, a column each, NaN where a step lacks it; and those that follow from several others.

S steps, ascending, validations before the first training step included. What no logger writes is under `report/`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from groupwise.record.run_log import TRAINED
from groupwise.report.validation_names import find_figures

PHASES = {
    "gen": "generation",
    "reward": "reward",
    "old_log_prob": "old log-probs",
    "ref": "reference log-probs",
    "values": "values",
    "adv": "advantage",
    "update_critic": "critic update",
    "update_actor": "actor update",
    "update_weights": "weights to vLLM",
    "switch_wait": "engine lent",
    "switch_to_trainer": "engine to trainer",
    "switch_to_rollout": "engine to rollout",
    "save_checkpoint": "checkpoint",
}
"""The timers that lie in verl's `step` and not in each other (verl/trainer/ppo/v1/trainer_*.py, ppo/ray_trainer.py).
Others, such as `agent_loop/...`, are parts of these."""

TESTING = "timing_s/testing"
STEP = "timing_s/step"
TIME = "report/time/"
REST = f"{TIME}rest"
HOURS = "report/hours"
UNJUDGED = "report/unjudged"
CUT_OFF = "report/cut_off"
COLLAPSE = "report/collapse_rate"
MEAN_OF_SETS = "report/validation"
DUMPED_COLLAPSE = "dump/collapse_rate"
LIMIT_STEPS = 3
"""Steps whose longest response has the largest length of the run, where that is taken for the limit."""

WHY_UNJUDGED = ("verifier_error", "timeout", "unparsable_gold")


class Columns(NamedTuple):
    """Metrics of a run."""

    steps: np.ndarray  # (S,) int64, ascending
    values: dict[str, np.ndarray]  # (S,) float64 each, NaN where the step lacks it

    def of(self, metric: str) -> np.ndarray:
        """Gives (S,) values of a metric, all NaN where it was never logged."""
        return self.values[metric] if metric in self.values else np.full(len(self.steps), np.nan)

    def logged(self, metric: str) -> np.ndarray:
        """Gives (K,) values of a metric at the steps that have it, in order."""
        values = self.of(metric)
        return values[~np.isnan(values)]

    def at(self, metric: str) -> dict[int, float]:
        """Gives a metric's values by step."""
        values = self.of(metric)
        return {int(step): float(value) for step, value in zip(self.steps, values, strict=True) if value == value}

    @property
    def trained(self) -> np.ndarray:
        """(S,) bool, which steps are training steps. A logger that does not say so logged nothing else after step 0."""
        known = ~np.isnan(self.of(TRAINED))
        return known if known.any() else self.steps > 0


def to_columns(steps: Mapping[int, Mapping[str, float]]) -> Columns:
    """Turns finite metrics by step, ascending, into columns in the order in which metrics first appear."""
    frame = pd.DataFrame.from_records(list(steps.values())).astype(float)
    return Columns(np.array(list(steps), dtype=np.int64), {str(name): frame[name].to_numpy() for name in frame})


def add_derived(run: Columns, *, length_limit: int | None) -> Columns:
    """Adds to a run's metrics, as far as they can be formed:

    `report/time/PHASE`, seconds of a step, 0 where it had no such phase, and `report/time/rest`, what no phase took;
    `report/hours`, since the run's first step, without the time of restarts; `report/unjudged`, share of a training
    step's responses; `report/cut_off`, share of them that reached the limit of `length_limit` tokens (None where
    nothing says it: the length that several steps reach and none exceeds); `report/collapse_rate`, share of groups
    whose rewards are all equal, by the dumps or by a method; `report/validation/KIND`, mean over the validation sets.
    """
    found = {**_times(run), **_cut_off(run, length_limit), **_mean_of_sets(run)}
    why = [f"reward/{name}" for name in WHY_UNJUDGED]
    if all(name in run.values for name in why):
        found[UNJUDGED] = np.sum([run.of(name) for name in why], axis=0)
    collapse = [DUMPED_COLLAPSE, *(name for name in run.values if name.endswith("/collapse_rate/grpo"))]
    if known := [name for name in collapse if name in run.values]:
        found[COLLAPSE] = run.values[known[0]]
    return Columns(run.steps, {**run.values, **found})


def _times(run: Columns) -> dict[str, np.ndarray]:
    step, testing = run.of(STEP), np.nan_to_num(run.of(TESTING))
    if np.isnan(step).all():
        return {}
    rest = step - np.nansum([run.of(f"timing_s/{phase}") for phase in PHASES], axis=0)
    # V1 trainers validate after `step`; the older one inside of it, where the phases then leave at least that time.
    inside = bool((rest >= testing)[testing > 0].all())
    rest = rest - testing if inside else rest
    # A step that was not timed, such as the validation before the first, takes no time here.
    elapsed = np.nan_to_num(step if inside else step + testing)
    named = [(phase, run.of(f"timing_s/{phase}")) for phase in (*PHASES, "testing")]
    phases = {
        f"{TIME}{phase}": np.where(np.isnan(step), np.nan, np.nan_to_num(seconds))
        for phase, seconds in named
        if not np.isnan(seconds).all()
    }
    return {**phases, REST: np.maximum(rest, 0.0), HOURS: np.cumsum(elapsed) / 3600}


def _cut_off(run: Columns, length_limit: int | None) -> dict[str, np.ndarray]:
    # verl's clip_ratio is the share of responses as long as the longest, which its V1 trainers pad the batch to
    # (metric_utils.py, compute_data_metrics): it says something only where that one has reached the limit.
    ratio, longest = run.of("response_length/clip_ratio"), run.of("response_length/max")
    if np.isnan(ratio).all() or np.isnan(longest).all():
        return {}
    if length_limit is None:
        length_limit = int(np.nanmax(longest))
        if (longest == length_limit).sum() < LIMIT_STEPS:
            return {}
    return {CUT_OFF: np.where(np.isnan(longest), np.nan, np.where(longest >= length_limit, ratio, 0.0))}


def _mean_of_sets(run: Columns) -> dict[str, np.ndarray]:
    # BFCL's aggregates are means of its categories, which are sets themselves; rewards have units of their own.
    figures = [
        named
        for source, named in find_figures(run.values).items()
        if not source.startswith("bfcl_v3/") and all("/acc/" in metric for metric in named.values())
    ]
    if len(figures) < 2:
        return {}
    kinds = [kind for kind in figures[0] if all(kind in named for named in figures)]
    return {f"{MEAN_OF_SETS}/{kind}": np.mean([run.of(named[kind]) for named in figures], axis=0) for kind in kinds}
