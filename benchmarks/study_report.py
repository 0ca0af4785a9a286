"""Puts the study's results into tables: figures with 95% intervals over seeds, and paired differences to a baseline.

    python benchmarks/study_report.py
    python benchmarks/study_report.py --plot benchmarks/figures/study.png
    python benchmarks/study_report.py --seeds 5 14

Runs of one task, engine and warm-started model are compared, at the tokens that the shortest of them generated.
"""

import argparse
import functools
import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure
from scipy import stats
from scipy.stats import t as student_t
from study_results import read_results, to_frame

from groupwise.report.statistics import CONFIDENCE, Difference, difference, mean_and_band

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "study_results.jsonl"
BASELINES = ("grpo", "dapo")
"""GRPO as published, and DiPO's own base, which differs from DiPO in nothing but the reallocation."""

FIGURES = {
    "final": "final accuracy",
    "best": "best",
    "area": "mean level",
    "study/pass@2": "pass@2",
    "study/pass@4": "pass@4",
    "pass": "pass@8",
    "study/solved_later": "hard groups solved later",
    "distinct": "different answers in hard groups",
    "reached": "tokens to {target:.0%}",
    "entropy": "entropy, nats",
}
POINTS = ("final", "best", "area", "pass")
"""Accuracies, of which differences are told."""

SHOWN = 0.085
"""The largest difference that is drawn; of a larger one, to which the others would be a line, the number stands."""

SHARES = (*POINTS, "study/pass@2", "study/pass@4", "study/solved_later", "distinct")
"""Shown in percent."""


def tokens_to(record: dict[str, Any], target: float) -> float:
    """Finds how many tokens were generated until an accuracy was reached.

    Args:
        record: A run of the results.
        target: The accuracy.

    Returns:
        The tokens, between two validations in proportion; NaN where it was not reached.
    """
    points = list(zip(record["tokens"], record["accuracy"], strict=True))
    if points[0][1] >= target:
        return float(points[0][0])
    for (p0, a0), (p1, a1) in pairwise(points):
        if a1 >= target:
            return p0 + (p1 - p0) * (target - a0) / (a1 - a0)
    return math.nan


def figures_of(records: list[dict[str, Any]], *, target: float) -> pd.DataFrame:
    """Puts runs of one task and engine into figures, at the tokens of the shortest.

    Args:
        records: The results.
        target: The fixed accuracy of `reached`.

    Returns:
        A row a run.
    """
    budget = min(record["tokens"][-1] for record in records)
    frame = to_frame(records, budget=budget)
    frame["reached"] = [value if value <= budget else math.nan for value in (tokens_to(r, target) for r in records)]
    return frame


def told_of(frame: pd.DataFrame) -> list[str]:
    """Lists the figures that some run has; a target that none reached is told of as well."""
    return [name for name in FIGURES if name == "reached" or not frame[name].isna().all()]


def arm_row(frame: pd.DataFrame, arm: str) -> list[str]:
    """Words an arm: each figure's mean and 95% interval over seeds."""
    runs = frame[frame["arm"] == arm]
    cells = [arm, str(len(runs))]
    for name in told_of(frame):
        values = runs[name].to_numpy(dtype=float)
        if math.isnan(values.sum()):
            reached = int((~pd.isna(values)).sum())
            cells.append(f"{reached} of {len(values)} runs" if name == "reached" else "-")
            continue
        mean, low, high = (float(part[0]) for part in mean_and_band(values[:, None]))
        scale, digits = (100, 1) if name in SHARES else (1, 0 if name == "reached" else 3)
        interval = "" if math.isnan(low) else f" ({scale * low:.{digits}f} to {scale * high:.{digits}f})"
        cells.append(f"{scale * mean:.{digits}f}{interval}")
    return cells


def difference_of(frame: pd.DataFrame, arm: str, baseline: str, name: str) -> Difference | None:
    """Compares an arm with a baseline over the seeds that both have; None with fewer than two of them."""
    ours, theirs = ({row.seed: row[name] for _, row in frame[frame["arm"] == a].iterrows()} for a in (arm, baseline))
    seeds = sorted(set(ours) & set(theirs))
    if arm == baseline or len(seeds) < 2:
        return None
    return difference(*([side[seed] for seed in seeds] for side in (ours, theirs)), is_paired=True)


def differences_of(frame: pd.DataFrame, baseline: str) -> dict[str, dict[str, Difference]]:
    """Compares each arm with a baseline; by arm and figure of POINTS, without the arms that have no interval."""
    found = {}
    for arm in arms_of(frame):
        own = {name: each for name in POINTS if (each := difference_of(frame, arm, baseline, name)) is not None}
        # All or none: the figures of an arm have the same seeds.
        if own:
            found[arm] = own
    return found


def difference_cell(found: Difference) -> str:
    """Words a difference with its interval and p."""
    interval = f"{100 * (found.low or 0.0):+.1f} to {100 * (found.high or 0.0):+.1f}"
    return f"{100 * found.value:+.1f} ({interval}; p {p_value(found):.2f})"


def p_value(difference: Difference) -> float:
    """The paired t test's two-sided p, from the interval: its half width is t's quantile times the standard error."""
    if difference.low is None or difference.high is None:
        raise ValueError("A difference must have an interval to have a p, but it is of one seed; add seeds.")
    freedom = difference.seeds[0] - 1
    half = (difference.high - difference.low) / 2
    if half == 0:
        return 1.0 if difference.value == 0 else 0.0
    error = half / stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
    return float(2 * student_t.sf(abs(difference.value) / error, freedom))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Sets a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(records: list[dict[str, Any]], *, targets: dict[str, float]) -> str:
    """Words the results.

    Args:
        records: The results, at least one.
        targets: The fixed accuracy of each task.

    Returns:
        For each task, engine and model tables in Markdown; where there are several models, also the differences over
        the pairs of all of them.
    """
    parts, frames = [], {}
    for part, own in by_part(records).items():
        target = targets[part[0]]
        frames[part] = frame = figures_of(own, target=target)
        heads = [FIGURES[name].format(target=target) for name in told_of(frame)]
        budget = min(record["tokens"][-1] for record in own)
        parts += [f"### {title_of(*part)}: after {budget:,} tokens"]
        parts += [table(["variant", "seeds", *heads], [arm_row(frame, arm) for arm in arms_of(frame)])]
        parts += difference_tables(frame)
    for (task, engine), own in by_engine(frames).items():
        if len(own) > 1 and (tables := difference_tables(pool(own))):
            parts += [f"### {title_of(task, engine)}: pairs of all {len(own)} models", *tables]
    return "\n\n".join(parts)


def difference_tables(frame: pd.DataFrame) -> list[str]:
    """Words the differences to each baseline; nothing where there is no interval."""
    parts = []
    for baseline in BASELINES:
        rows = [
            [arm, str(own["final"].seeds[0]), *(difference_cell(own[name]) for name in POINTS)]
            for arm, own in differences_of(frame, baseline).items()
        ]
        if rows:
            told = [FIGURES[name] for name in POINTS]
            parts += [f"Variant - {baseline}, in points, paired by seed:", table(["variant", "pairs", *told], rows)]
    return parts


def arms_of(frame: pd.DataFrame) -> list[str]:
    """Lists the arms in the order of the study's file, where it knows them."""
    known = list(study_file()["arms"])
    return sorted(frame["arm"].unique(), key=lambda arm: known.index(arm) if arm in known else len(known))


@functools.cache
def study_file() -> dict[str, Any]:
    """Reads study.yaml, once."""
    return yaml.safe_load((HERE / "study.yaml").read_text(encoding="utf-8"))


def pool(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Puts the runs of several models together; a seed of the one makes no pair with that of another."""
    return pd.concat([frame.assign(seed=f"{place}-" + frame["seed"].astype(str)) for place, frame in enumerate(frames)])


def by_part(records: list[dict[str, Any]]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Sorts results by task, engine and the model that they started from, "" where none is recorded."""
    parts: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for record in records:
        parts.setdefault((record["task"], record["engine"], record.get("model") or ""), []).append(record)
    return parts


def by_engine(frames: dict[tuple[str, str, str], pd.DataFrame]) -> dict[tuple[str, str], list[pd.DataFrame]]:
    """Sorts the figures of parts by task and engine."""
    found: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for (task, engine, _), frame in frames.items():
        found.setdefault((task, engine), []).append(frame)
    return found


def title_of(task: str, engine: str, model: str = "") -> str:
    """Names a part, the model by the beginning of its hash."""
    return f"{task}, engine {engine}" + (f", model {model.removeprefix('sha256:')[:6]}" if model else "")


def plot(records: list[dict[str, Any]], file: Path) -> None:
    """Draws each arm's paired differences to DiPO's own base, with their intervals: a panel a task and engine."""
    frames = by_engine({part: figures_of(own, target=1.0) for part, own in by_part(records).items()})
    panels = {name: found for name, own in frames.items() if (found := differences_of(pool(own), BASELINES[1]))}
    heights = [len(found) + 0.5 for found in panels.values()]
    figure = Figure(figsize=(8, 0.8 * len(panels) + 0.32 * sum(heights)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axis, ((task, engine), found) in zip(axes, panels.items(), strict=True):
        for offset, name in ((-0.15, "area"), (0.15, "final")):
            values = [each[name] for each in found.values()]
            axis.errorbar(
                [100 * each.value for each in values],
                [place + offset for place in range(len(values))],
                # Student's interval is as long on either side.
                xerr=[100 * ((each.high or 0.0) - each.value) for each in values],
                fmt="o",
                markersize=4,
                label=FIGURES[name],
            )
            for place, each in enumerate(values):
                if abs(each.value) > SHOWN:
                    axis.text(-99 * SHOWN, place + offset, f"{100 * each.value:+.1f}", fontsize=7, va="center")
        axis.axvline(0, color="gray", linewidth=0.8)
        axis.set_yticks(range(len(found)), [f"{arm} ({each['final'].seeds[0]})" for arm, each in found.items()])
        axis.set_ylim(len(found) - 0.5, -0.5)
        axis.set_xlim(-100 * SHOWN, 100 * SHOWN)
        axis.set_title(title_of(task, engine), loc="left", fontsize=10)
    axes[0].legend(loc="best", fontsize=8)
    axes[-1].set_xlabel("variant - dapo: accuracy in points, with 95% intervals (pairs of runs)")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the differences to DiPO's base as well")
    parser.add_argument(
        "--seeds", nargs=2, type=int, default=(0, sys.maxsize), metavar="SEED", help="the first, the last"
    )
    asked = parser.parse_args()
    first, last = asked.seeds
    records = [each for each in read_results(RESULTS) if first <= each["seed"] <= last]
    if not records:
        sys.exit(
            f"The study must have results of these seeds, but {RESULTS} holds none; run benchmarks/study.py first."
        )
    print(report(records, targets=study_file()["targets"]))
    if asked.plot is not None:
        plot(records, asked.plot)


if __name__ == "__main__":
    main()
