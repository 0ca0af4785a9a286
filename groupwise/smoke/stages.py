"""The stages of the smoke: each a command of this project's, run in a process of its own until a deadline."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from groupwise.demo.launch import stop
from groupwise.errors import GroupwiseError
from groupwise.record.run_log import read_run
from groupwise.smoke.gpu_memory import GpuMemory

PATIENCE_SECONDS = 60  # longer than the launcher in a stage waits for its own
SHOWN_LINES = 15


class Stage(NamedTuple):
    """What is to be done, and what must have come of it."""

    name: str
    command: list[str]
    log: Path  # where its last lines tell what went wrong
    look: Callable[[], dict[str, Any]]  # gives figures of it; a GroupwiseError where something is missing


class Result(NamedTuple):
    """What came of a stage."""

    name: str
    ok: bool
    seconds: float
    gpu_peak_gib: float | None  # of the fullest card, by nvidia-smi; None without one
    figures: dict[str, Any]
    fault: str  # "" where it is ok


def perform(stage: Stage, deadline: float) -> Result:
    """Runs a stage, and ends it where it is not over by a time of time.monotonic()."""
    begun, figures, fault = time.monotonic(), {}, ""
    with GpuMemory() as gpu:
        process = subprocess.Popen(stage.command)
        try:
            code = process.wait(max(deadline - begun, 0))
            fault = f"It ended with exit code {code}." if code else ""
        except subprocess.TimeoutExpired:
            fault = "It was not over in the time that was left for it."
        finally:
            if process.poll() is None:
                stop(process, patience=PATIENCE_SECONDS)
    if not fault:
        try:
            figures = stage.look()
        except GroupwiseError as error:
            fault = str(error)
    if fault and stage.log.is_file():
        fault = "\n".join([fault, *stage.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]])
    peak = None if gpu.peak_bytes is None else gpu.peak_bytes / 2**30
    return Result(stage.name, not fault, time.monotonic() - begun, peak, figures, fault)


def look_at_training(folder: Path, *, first: int, last: int, responses: int) -> dict[str, Any]:
    """Figures of the steps of a stage, from `first` to `last`, whose weights must have moved.

    `folder` is the run's, with metrics.jsonl; a step has so many `responses`.

    Raises:
        GroupwiseError: A step is missing, or had no gradient.
    """
    steps = {step: data for step, data in read_run(folder / "metrics.jsonl").steps.items() if first <= step <= last}
    if sorted(steps) != list(range(first, last + 1)):
        raise GroupwiseError(f"The steps {first} to {last} must be logged, but there are {sorted(steps) or 'none'}.")
    if not all(data.get("actor/grad_norm", 0) > 0 for data in steps.values()):
        raise GroupwiseError("Each step must have a gradient, but actor/grad_norm is not above 0 in all of them.")
    generated = sum(data["response_length/mean"] * responses for data in steps.values())
    figures = {
        "tokens_per_second": generated / sum(data["timing_s/gen"] for data in steps.values()),
        "seconds_per_step": sum(data["timing_s/step"] for data in steps.values()) / len(steps),
        "last_step": steps[last],
    }
    memory = folder / "memory.json"
    if memory.is_file():
        figures["host_peak_gib"] = json.loads(memory.read_text())["peak_bytes"] / 2**30
    return figures


def look_at_evaluation(folder: Path) -> dict[str, Any]:
    """The evaluation's figures.

    Raises:
        GroupwiseError: It left none.
    """
    try:
        return {"sets": json.loads((folder / "summary.json").read_text())["results"]["sets"]}
    except (OSError, ValueError, KeyError) as error:
        raise GroupwiseError(f"The evaluation must write {folder / 'summary.json'}, but: {error}") from error
