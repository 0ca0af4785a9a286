"""Puts the study's results into tables: figures with 95% intervals over seeds, and paired differences to GRPO.

python benchmarks/study_report.py
"""

import argparse
import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from scipy.stats import ttest_rel
from study_results import read_results, to_frame

from recipe.dipo.report.statistics import mean_and_band, paired_difference

HERE = Path(__file__).resolve().parent
BASELINE = "grpo"
FIGURES = {
    "final": "final accuracy",
    "best": "best",
    "area": "mean level",
    "pass": "pass@8",
    "reached": "prompts to {target:.0%}",
    "entropy": "entropy, nats",
}
POINTS = ("final", "best", "area", "pass")
"""Accuracies, shown in percent."""


def prompts_to(record: dict[str, Any], target: float) -> float:
    """Finds how many prompts were generated for until an accuracy was reached.

    Args:
        record: A run of the results.
        target: The accuracy.

    Returns:
        The prompts, between two validations in proportion; NaN where it was not reached.
    """
    points = list(zip(record["prompts"], record["accuracy"], strict=True))
    if points[0][1] >= target:
        return float(points[0][0])
    for (p0, a0), (p1, a1) in pairwise(points):
        if a1 >= target:
            return p0 + (p1 - p0) * (target - a0) / (a1 - a0)
    return math.nan


def figures_of(records: list[dict[str, Any]], *, budget: float, target: float) -> pd.DataFrame:
    """Puts all runs into figures.

    Args:
        records: The results.
        budget: Prompts generated for, the same for all arms.
        target: The fixed accuracy of `reached`.

    Returns:
        A row a run.
    """
    frame = to_frame(records, budget=budget)
    frame["reached"] = [value if value <= budget else math.nan for value in (prompts_to(r, target) for r in records)]
    return frame


def arm_row(frame: pd.DataFrame, arm: str) -> list[str]:
    """Words an arm: each figure's mean and 95% interval over seeds."""
    runs = frame[frame["arm"] == arm]
    cells = [arm, str(len(runs))]
    for name in FIGURES:
        values = runs[name].to_numpy(dtype=float)
        if math.isnan(values.sum()):
            reached = int((~pd.isna(values)).sum())
            cells.append(f"{reached} of {len(values)} runs" if name == "reached" else "-")
            continue
        mean, low, high = (float(part[0]) for part in mean_and_band(values[:, None]))
        scale, digits = (100, 1) if name in POINTS else (1, 0 if name == "reached" else 3)
        interval = "" if math.isnan(low) else f" ({scale * low:.{digits}f} to {scale * high:.{digits}f})"
        cells.append(f"{scale * mean:.{digits}f}{interval}")
    return cells


def difference_row(frame: pd.DataFrame, arm: str) -> list[str] | None:
    """Words an arm's differences to GRPO over the seeds that both have; None with fewer than two such seeds."""
    ours, theirs = (frame[frame["arm"] == name].set_index("seed") for name in (arm, BASELINE))
    seeds = sorted(set(ours.index) & set(theirs.index))
    if arm == BASELINE or len(seeds) < 2:
        return None
    cells = [arm, str(len(seeds))]
    for name in POINTS:
        a, b = (side.loc[seeds, name] for side in (ours, theirs))
        found = paired_difference(*({str(seed): side[seed] for seed in seeds} for side in (a, b)))
        if found.low is None or found.high is None:
            raise ValueError("Two seeds have an interval.")
        p = float(ttest_rel(a, b).pvalue)
        cells.append(f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f}; p {p:.2f})")
    return cells


def table(head: list[str], rows: list[list[str]]) -> str:
    """Sets a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(records: list[dict[str, Any]], *, budget: float, target: float) -> str:
    """Words the results.

    Args:
        records: The results, at least one.
        budget: Prompts generated for.
        target: The fixed accuracy.

    Returns:
        For each task two tables in Markdown.
    """
    parts = []
    for task in dict.fromkeys(record["task"] for record in records):
        frame = figures_of([record for record in records if record["task"] == task], budget=budget, target=target)
        arms = list(dict.fromkeys(frame["arm"]))
        heads = [name.format(target=target) for name in FIGURES.values()]
        parts += [f"### {task}", table(["arm", "seeds", *heads], [arm_row(frame, arm) for arm in arms])]
        rows = [row for arm in arms if (row := difference_row(frame, arm)) is not None]
        if rows:
            told = [FIGURES[name] for name in POINTS]
            parts += [f"Less {BASELINE}, in points, paired by seed:", table(["arm", "seeds", *told], rows)]
    return "\n\n".join(parts)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=float, default=0.5, help="the fixed accuracy")
    asked = parser.parse_args()
    records = read_results(HERE / "study_results.jsonl")
    if not records:
        sys.exit("The study must have results, but study_results.jsonl holds none; run benchmarks/study.py first.")
    budget = yaml.safe_load((HERE / "study.yaml").read_text(encoding="utf-8"))["budget"]
    print(report(records, budget=budget, target=asked.target))


if __name__ == "__main__":
    main()
