"""Results of the study: one line of JSON a run, curves over the prompts that were generated for."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from study_plan import PlannedRun

from recipe.dipo.run_log import RunLog

PASS = re.compile(r"val-aux/.+/acc/pass@\d+")
REPLACED = ("training/filter_groups/evicted_samples", "training/filter_groups/discarded_surplus_samples")
KEPT = (
    "actor/entropy",
    "response_length/mean",
    "timing_s/step",
    "dipo/group_share/hard",
    "dipo/group_share/easy",
    "dipo/threshold/admissible",
    "dipo/threshold/value",
    "dipo/reallocated_total/up",
    "dipo/reallocated_total/down",
    "dipo/perplexity/correct",
    "dipo/perplexity/wrong",
)


def to_record(run: PlannedRun, log: RunLog, *, batch: int, about: dict[str, Any]) -> dict[str, Any]:
    """Puts a finished run into a line of the results.

    Args:
        run: The run.
        log: What it logged.
        batch: Prompts that it trains on in a step.
        about: Versions and the machine.

    Returns:
        The line: `prompts` generated for up to each validation, its `accuracy` and `pass` (of the largest k), and the
        curve of each metric of KEPT over the steps, None where a step lacks it.
    """
    generated, prompts = 0.0, {}
    for step, data in log.steps.items():
        if step:
            # Groups that dynamic sampling threw away were generated as well.
            generated += batch + sum(data.get(name, 0.0) for name in REPLACED)
        prompts[step] = generated
    _, validated, accuracy = log.validation()
    trained = [step for step in log.steps if step]
    return {
        "task": run.task,
        "arm": run.arm,
        "seed": run.seed,
        "digest": run.digest,
        "validated": validated,
        "prompts": [prompts[step] for step in validated],
        "accuracy": accuracy,
        "pass": [_largest_of(log.steps[step], PASS) for step in validated],
        "steps": trained,
        "curves": {name: [log.steps[step].get(name) for step in trained] for name in KEPT},
        **about,
    }


def _largest_of(data: dict[str, float], names: re.Pattern[str]) -> float | None:
    """The figure of the largest k; it grows with k."""
    return max((value for name, value in data.items() if names.fullmatch(name)), default=None)


def read_results(file: Path) -> list[dict[str, Any]]:
    """Reads the results; a line that was not written whole is left out.

    Args:
        file: The results; need not exist.

    Returns:
        The lines, of a run that is there twice the last one.
    """
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    found = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        found[record["task"], record["arm"], record["seed"]] = record
    return list(found.values())


def add_result(file: Path, record: dict[str, Any]) -> None:
    """Adds a line; what an interrupted study left half-written gets a line of its own."""
    content = file.read_bytes() if file.is_file() else b""
    lead = "\n" if content and not content.endswith(b"\n") else ""
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f"{lead}{json.dumps(record)}\n")


def to_frame(records: list[dict[str, Any]], *, budget: float) -> pd.DataFrame:
    """Puts runs into figures, a row each, all at the same number of prompts generated for.

    Args:
        records: The results.
        budget: Prompts generated for; what came after them is not looked at.

    Returns:
        Columns task, arm, seed, final, best, area (mean level of the accuracy over the prompts, by the trapezoid
        rule), pass, entropy (mean of the last fifth of the steps).
    """
    rows = []
    for record in records:
        curve = [(p, a) for p, a in zip(record["prompts"], record["accuracy"], strict=True) if p <= budget]
        area = sum((p1 - p0) * (a0 + a1) / 2 for (p0, a0), (p1, a1) in pairwise(curve))
        entropy = [value for value in record["curves"]["actor/entropy"] if value is not None]
        last = entropy[-max(1, len(entropy) // 5) :]
        rows.append(
            {
                **{name: record[name] for name in ("task", "arm", "seed")},
                "final": curve[-1][1],
                "best": max(value for _, value in curve),
                "area": area / (curve[-1][0] - curve[0][0]) if len(curve) > 1 else curve[0][1],
                "pass": record["pass"][len(curve) - 1],
                "entropy": sum(last) / len(last) if last else None,
            }
        )
    return pd.DataFrame(rows)
