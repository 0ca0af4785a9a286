"""What a comparison will take, before it is started: time from steps that were made or from a formula, and disk."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Final

from omegaconf import DictConfig

from groupwise.compare.plan import Planned
from groupwise.launch.checkpoints import checkpoint_bytes
from groupwise.preflight.disk import kept_checkpoints, total_steps
from groupwise.preflight.facts import Facts

# Of an H100, as docs/running.md has them; an estimate, not a measurement.
GENERATED_PER_SECOND: Final = 5_000 * 7.6e9  # tokens a second and GPU, times parameters
FLOPS_PER_SECOND: Final = 0.4 * 989e12
FLOPS_PER_TOKEN: Final = 10  # a parameter: 6 the update, 2 gradient checkpointing, 2 the old log-probs
RESPONSE_SHARE: Final = 0.2  # of max_response_length, the length of a response on average


def seconds_per_step(
    run: Planned, measured: Mapping[Path, float | None], parameters: int | None
) -> tuple[float | None, str]:
    """How long a step of a run takes, and what that rests on: its own steps, those of others, or the formula.

    `measured` has the seconds of the steps that the runs of the comparison made so far, by folder.
    """
    if (own := measured[run.folder]) is not None:
        return own, "its own steps"
    if known := [seconds for seconds in measured.values() if seconds is not None]:
        return mean(known), "the steps of other runs"
    if parameters is None or run.config.trainer.device == "cpu":
        return None, ""
    return _by_formula(run.config, parameters), "the formula of docs/running.md"


def _by_formula(config: DictConfig, parameters: int) -> float:
    gpus = config.trainer.nnodes * config.trainer.n_gpus_per_node
    responses = config.data.train_batch_size * config.actor_rollout_ref.rollout.n
    tokens = responses * config.data.max_response_length * RESPONSE_SHARE
    generation = tokens * parameters / GENERATED_PER_SECOND
    return (generation + FLOPS_PER_TOKEN * parameters * tokens / FLOPS_PER_SECOND) / gpus


def steps_of(run: Planned, facts: Facts) -> int | None:
    """How many steps the run makes in all; None where neither the configuration nor the data say."""
    return total_steps(run.config, facts.train_rows)


def disk_bytes(run: Planned, facts: Facts, steps: int | None) -> int | None:
    """What a run's checkpoints take; None where nothing tells the size of the model."""
    kept = kept_checkpoints(run.config, steps)
    return kept and (checkpoint_bytes(facts.config, facts.parameters) * kept or None)
