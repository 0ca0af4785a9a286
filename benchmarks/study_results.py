"""Results of the study: one line of JSON a run, curves over the tokens that were generated."""

import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from study_plan import BATCH, PlannedRun

from groupwise.record.run_log import RunLog

GENERATED = "study/generated_tokens"
"""Counted by study_loop.py."""

GROUP_SIZE = 8
"""Responses to a prompt."""

VALIDATION = re.compile(r"val-core/.+/acc/(?P<kind>mean@\d+)")
PASS = re.compile(r"val-aux/.+/acc/pass@\d+")
REPLACED = ("training/filter_groups/evicted_samples", "training/filter_groups/discarded_surplus_samples")
TIMES = ("timing_s/step", "study/processor_seconds")
KEPT = (
    *TIMES,
    "critic/score/mean",
    "actor/entropy",
    "response_length/mean",
    "dipo/group_share/hard",
    "dipo/group_share/easy",
    "dipo/threshold/admissible",
    "dipo/threshold/value",
    "dipo/reallocated_total/up",
    "dipo/reallocated_total/down",
    "dipo/perplexity/correct",
    "dipo/perplexity/wrong",
    "dipo/threshold/error_rate",
    "study/auc",
    "study/chance",
    "study/hard_distinct",
)
VALIDATED = ("study/pass@1", "study/pass@2", "study/pass@4", "study/pass@8", "study/solved_later")
"""Kept of each validation, where it has them; study_loop.py says what they are."""


def validation_of(log: RunLog) -> tuple[str, list[int], list[float]]:
    """Gives a run's validation accuracy, averaged over data sources where there are several.

    Returns:
        Its kind (such as "mean@8", the largest logged), the steps that have it, and its values in [0, 1].
    """
    kinds = {m["kind"] for data in log.steps.values() for name in data if (m := VALIDATION.fullmatch(name))}
    if not kinds:
        return "mean", [], []
    kind = max(kinds, key=lambda name: int(name.split("@")[1]))
    found = {
        step: [value for name, value in data.items() if (m := VALIDATION.fullmatch(name)) and m["kind"] == kind]
        for step, data in log.steps.items()
    }
    having = [step for step, values in found.items() if values]
    return kind, having, [sum(found[step]) / len(found[step]) for step in having]


def to_record(run: PlannedRun, log: RunLog, *, about: dict[str, Any]) -> dict[str, Any]:
    """Puts a finished run into a line of the results.

    Args:
        run: The run.
        log: What it logged.
        about: Versions, the model that it started from, and the machine.

    Returns:
        The line: `tokens` generated up to each validation, its `accuracy`, `pass` (of the largest k) and VALIDATED,
        and the curve of each metric of KEPT over the steps, None where a step or validation lacks it.
    """
    generated, tokens = 0.0, {}
    for step, data in log.steps.items():
        if step:
            generated += data.get(GENERATED) or _tokens_of(data)
        tokens[step] = generated
    _, validated, accuracy = validation_of(log)
    trained = [step for step in log.steps if step]
    return {
        **{name: getattr(run, name) for name in ("engine", "task", "arm", "seed", "digest")},
        "validated": validated,
        "tokens": [round(tokens[step]) for step in validated],
        "accuracy": accuracy,
        "pass": [_largest_of(log.steps[step], PASS) for step in validated],
        **{name: [_short(log.steps[step].get(name)) for step in validated] for name in VALIDATED},
        "steps": trained,
        "curves": {name: [_short(log.steps[step].get(name)) for step in trained] for name in KEPT},
        **about,
    }


def _tokens_of(data: dict[str, float]) -> float:
    """By verl's metrics; groups that dynamic sampling threw away count as well, as long as those that it kept."""
    groups = BATCH + sum(data.get(name, 0.0) for name in REPLACED)
    return groups * GROUP_SIZE * data["response_length/mean"]


def _short(value: float | None) -> float | None:
    """Four digits: the results are a committed file."""
    return None if value is None else float(f"{value:.4g}")


def _largest_of(data: dict[str, float], names: re.Pattern[str]) -> float | None:
    """The figure of the largest k; it grows with k."""
    return max((value for name, value in data.items() if names.fullmatch(name)), default=None)


def read_results(file: Path) -> list[dict[str, Any]]:
    """Reads the results; a line that was not written whole is left out.

    Args:
        file: The results; need not exist.

    Returns:
        The lines, of a run that is there twice from the same model the last one.
    """
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    found = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        found[tuple(record.get(name) for name in ("engine", "task", "arm", "seed", "model"))] = record
    return list(found.values())


def add_result(file: Path, record: dict[str, Any]) -> None:
    """Adds a line; what an interrupted study left half-written gets a line of its own."""
    content = file.read_bytes() if file.is_file() else b""
    lead = "\n" if content and not content.endswith(b"\n") else ""
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f"{lead}{json.dumps(record)}\n")


def different_figures(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names, in order, what two records of a run differ in, but for times, revision and versions."""
    left, right = ({**record, **record["curves"]} for record in (one, other))
    compared = (left.keys() | right.keys()) - {"curves", "seconds", "revision", "versions", *TIMES}
    return sorted(name for name in compared if left.get(name) != right.get(name))


def to_frame(records: list[dict[str, Any]], *, budget: float) -> pd.DataFrame:
    """Puts runs into figures, a row each, all at the same number of generated tokens.

    Args:
        records: The results.
        budget: Tokens; the curves end there, between two validations in proportion.

    Returns:
        Columns arm, seed, final, best, area (mean level of the accuracy over the tokens, by the trapezoid rule), pass,
        those of VALIDATED at the end, entropy and distinct (means of the last fifth of the steps), generated (tokens of
        the whole run); None or NaN where a run lacks one.
    """
    rows = []
    for record in records:
        curve = cut(record["tokens"], record["accuracy"], budget)
        area = sum((p1 - p0) * (a0 + a1) / 2 for (p0, a0), (p1, a1) in pairwise(curve))
        rows.append(
            {
                **{name: record[name] for name in ("arm", "seed")},
                "final": curve[-1][1],
                "best": max(value for _, value in curve),
                "area": area / (curve[-1][0] - curve[0][0]) if len(curve) > 1 else curve[0][1],
                "pass": cut(record["tokens"], record["pass"], budget)[-1][1],
                **{name: _at(record, record.get(name) or [], budget) for name in VALIDATED},
                "entropy": part_of(record, "actor/entropy", late=True),
                "distinct": part_of(record, "study/hard_distinct", late=True),
                "generated": record["tokens"][-1],
            }
        )
    return pd.DataFrame(rows)


def part_of(record: dict[str, Any], name: str, *, late: bool) -> float:
    """The mean of a curve over the first or the last fifth of the steps; NaN where the run has none there."""
    curve = record["curves"].get(name) or []
    fifth = max(1, len(curve) // 5)
    known = [value for value in (curve[-fifth:] if late else curve[:fifth]) if value is not None]
    return sum(known) / len(known) if known else math.nan


def _at(record: dict[str, Any], values: list[float | None], budget: float) -> float | None:
    return None if not values or None in values else cut(record["tokens"], values, budget)[-1][1]


def cut(tokens: list[float], values: list[float], budget: float) -> list[tuple[float, float]]:
    """Ends a curve at a number of tokens.

    Args:
        tokens: Where it has points, ascending.
        values: The points.
        budget: Where it ends, between two points in proportion.

    Returns:
        The points up to there.
    """
    points = list(zip(tokens, values, strict=True))
    kept = [point for point in points if point[0] <= budget]
    later = points[len(kept) :]
    if later and kept[-1][0] < budget:
        (t0, v0), (t1, v1) = kept[-1], later[0]
        kept.append((budget, v0 + (v1 - v0) * (budget - t0) / (t1 - t0)))
    return kept
