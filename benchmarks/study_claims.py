"""What the paper says, held against the study's runs, claim by claim; and what its budget of runs can show at all.

    python benchmarks/study_claims.py                       # both tables, for the task `problems`
    python benchmarks/study_claims.py --task arithmetic
    python benchmarks/study_claims.py --power 0.012         # standard deviation of a pair's difference; before any run

"Early" and "late" are the first and the last fifth of a run's steps. Intervals are 95% by Student's t over runs, or
over pairs of runs of one seed and model. A claim agrees where the whole interval is on its side of 0, is contradicted
where it is on the other, and is open otherwise.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from study_report import table
from study_results import part_of, read_results

from groupwise.report.statistics import CONFIDENCE, mean_and_band

RESULTS = Path(__file__).resolve().parent / "study_results.jsonl"
POWER = 0.8
FIRST_STEPS = 0.1
"""Share of a run's steps of which the collapse rate may predict its end."""

Record = dict[str, Any]


class Measured(NamedTuple):
    """A figure over runs: mean, its interval (NaN of fewer than two), and how many runs or pairs it is of."""

    value: float
    low: float
    high: float
    size: int

    def verdict(self, sign: int) -> str:
        """Whether a claim that the figure is above 0 (sign 1), below (-1) or neither (0) agrees."""
        if self.size < 2:
            return "open"
        above, below = self.low > 0, self.high < 0
        if sign == 0:
            return "not seen to differ" if not above and not below else "contradicted"
        return "agrees" if (above if sign > 0 else below) else "contradicted" if above or below else "open"

    def words(self, unit: str) -> str:
        """Words it, in percentage points where the unit is one."""
        scale, digits = (100, 1) if unit == "points" else (1, 3)
        bounds = f"{scale * self.low:+.{digits}f} to {scale * self.high:+.{digits}f}"
        interval = "no interval" if math.isnan(self.low) else bounds
        return f"{f'{scale * self.value:+.{digits}f} {unit}'.strip()} ({interval}; {self.size})"


def over(values: Sequence[float]) -> Measured | None:
    """Puts values of runs into a figure; None without any."""
    known = np.array([value for value in values if not math.isnan(value)], dtype=float)
    if not len(known):
        return None
    mean, low, high = (float(part[0]) for part in mean_and_band(known[:, None]))
    return Measured(mean, low, high, len(known))


def late(name: str) -> Callable[[Record], float]:
    """A curve's level at the end."""
    return lambda record: part_of(record, name, late=True)


def growth(*names: str) -> Callable[[Record], float]:
    """By how much the sum of some curves grows over training."""
    return lambda record: sum(part_of(record, n, late=True) - part_of(record, n, late=False) for n in names)


def final(record: Record) -> float:
    """The last validation's accuracy."""
    return record["accuracy"][-1]


def of_arm(records: list[Record], arm: str, figure: Callable[[Record], float]) -> Measured | None:
    """A figure over the runs of an arm."""
    return over([figure(record) for record in records if record["arm"] == arm])


def paired(records: list[Record], arm: str, base: str, figure: Callable[[Record], float]) -> Measured | None:
    """A figure of an arm less that of another, over the seeds and models that both have."""
    ours, theirs = (
        {(r["seed"], r.get("model")): figure(r) for r in records if r["arm"] == name} for name in (arm, base)
    )
    return over([ours[key] - theirs[key] for key in sorted(ours.keys() & theirs.keys(), key=str)])


def above_chance(record: Record) -> float:
    """How far perplexity tells wrong responses from right ones, late in training; 0 is not at all, 0.5 always."""
    return late("study/auc")(record) - 0.5


def overlap(record: Record) -> float:
    """The chance that a right response is more perplexed than a wrong one, late in training."""
    return 1 - late("study/auc")(record)


def learned(record: Record) -> float:
    """By how much the tau* of a batch errs less than the better of two guesses that look at nothing."""
    return late("study/chance")(record) - late("dipo/threshold/error_rate")(record)


HARD, EASY = "dipo/group_share/hard", "dipo/group_share/easy"
WRONG, RIGHT, ENTROPY = "dipo/perplexity/wrong", "dipo/perplexity/correct", "actor/entropy"


class Claim(NamedTuple):
    """A claim: where it stands, what it says, which figure of the runs it is about, its unit and its sign."""

    place: str
    says: str
    figure: Callable[[list[Record]], Measured | None]
    unit: str
    sign: int


CLAIMS = (
    Claim(
        "figure 1a",
        "groups without variance grow in DAPO's training",
        lambda r: of_arm(r, "dapo", growth(HARD, EASY)),
        "points",
        1,
    ),
    Claim("figure 1a", "hard groups become fewer", lambda r: of_arm(r, "dapo", growth(HARD)), "points", -1),
    Claim("figure 1a", "easy groups become more", lambda r: of_arm(r, "dapo", growth(EASY)), "points", 1),
    Claim(
        "figure 1b", "wrong responses are more perplexed: AUC - 0.5", lambda r: of_arm(r, "dapo", above_chance), "", 1
    ),
    Claim("figure 1b", "but both overlap: 1 - AUC", lambda r: of_arm(r, "dapo", overlap), "", 1),
    Claim(
        "figure 1b",
        "a threshold is admissible: share of late steps",
        lambda r: of_arm(r, "dapo", late("dipo/threshold/admissible")),
        "points",
        1,
    ),
    Claim("figure 1b", "tau* errs less than chance", lambda r: of_arm(r, "dapo", learned), "points", 1),
    Claim(
        "figure 5",
        "rewarding the most perplexed response raises entropy",
        lambda r: paired(r, "max_ppl_reward", "dapo", late(ENTROPY)),
        "nats",
        1,
    ),
    Claim(
        "figure 5",
        "penalising it lowers entropy",
        lambda r: paired(r, "max_ppl_penalty", "dapo", late(ENTROPY)),
        "nats",
        -1,
    ),
    Claim("main table", "DiPO ends above DAPO", lambda r: paired(r, "dipo_any_group", "dapo", final), "points", 1),
    Claim(
        "orthogonality",
        "alpha 1.0 ends where 0.1 does",
        lambda r: paired(r, "dipo_any_group_1.0", "dipo_any_group", final),
        "points",
        0,
    ),
    Claim(
        "orthogonality",
        "a large entropy bonus (0.01) costs accuracy",
        lambda r: paired(r, "entropy_0.01", "dapo", final),
        "points",
        -1,
    ),
    Claim(
        "figure 7",
        "DiPO keeps wrong responses' perplexity above DAPO's",
        lambda r: paired(r, "dipo_any_group", "dapo", late(WRONG)),
        "",
        1,
    ),
    Claim("figure 7", "and right ones' not", lambda r: paired(r, "dipo_any_group", "dapo", late(RIGHT)), "", 0),
    Claim(
        "a public report",
        "leaving dead groups out of the loss's mean helps",
        lambda r: paired(r, "dapo_live", "dapo", final),
        "points",
        1,
    ),
)


class Fit(NamedTuple):
    """A line through runs: the share of variance that it explains, the p of its slope, and the number of runs."""

    r2: float
    p: float
    size: int


def prediction(records: list[Record]) -> Fit | None:
    """How far the collapse rate of the first steps predicts a run's final accuracy; None of fewer than three runs."""
    points = []
    for record in records:
        first = max(1, round(FIRST_STEPS * len(record["steps"])))
        shares = [h + e for h, e in zip(record["curves"][HARD][:first], record["curves"][EASY][:first], strict=True)]
        points.append((sum(shares) / first, final(record)))
    if len(points) < 3 or len({x for x, _ in points}) < 2:
        return None
    found = stats.linregress(*zip(*points, strict=True))
    return Fit(float(found.rvalue) ** 2, float(found.pvalue), len(points))


def report(records: list[Record]) -> str:
    """Words the claims; one without runs says so."""
    rows: list[list[str]] = []
    for claim in CLAIMS:
        found = claim.figure(records)
        told = ["no runs yet", "-"] if found is None else [found.words(claim.unit), found.verdict(claim.sign)]
        rows.append([claim.place, claim.says, *told])
    fit = prediction(records)
    told = ["no runs yet", "-"] if fit is None else [f"R² {fit.r2:.2f} (p {fit.p:.2f}; {fit.size} runs)", "-"]
    rows.append(["AVSPO", "the first steps' collapse rate predicts the end (R² 0.62)", *told])
    return table(["where", "what it says", "measured (95%; runs or pairs)", "verdict"], rows)


def smallest_difference(deviation: float, pairs: int) -> float:
    """The smallest difference that a paired t test finds with a chance of POWER.

    Args:
        deviation: Standard deviation of one pair's difference.
        pairs: How many pairs, at least two.

    Returns:
        In the deviation's unit.
    """
    freedom = pairs - 1
    limit = stats.t.ppf((1 + CONFIDENCE) / 2, freedom)

    def chance(shift: float) -> float:
        return float(stats.nct.sf(limit, freedom, shift) + stats.nct.cdf(-limit, freedom, shift))

    # By halves: scipy's solvers stop where its noncentral t is NaN, as it is for some large shifts.
    low, high = 0.0, 30.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < POWER else (low, middle)
    return high * deviation / math.sqrt(pairs)


def power(deviation: float) -> str:
    """Words what numbers of pairs can show."""
    rows = [[str(n), f"{100 * smallest_difference(deviation, n):.1f}"] for n in (3, 5, 10, 20)]
    return table(["pairs", f"smallest difference seen in {POWER:.0%} of studies, points"], rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="problems", help="whose runs (default %(default)s)")
    parser.add_argument("--power", type=float, metavar="SD", help="say what pairs of this deviation can show, and stop")
    asked = parser.parse_args()
    if asked.power is not None:
        print(power(asked.power))
        return
    print(report([r for r in read_results(RESULTS) if (r["task"], r["engine"]) == (asked.task, "loop")]))


if __name__ == "__main__":
    main()
