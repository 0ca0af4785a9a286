"""How the cost of the advantage phase grows with responses and with tokens, in time and in memory.

At each point, in a fresh process, DiPO's phase and verl's GRPO estimator run in turn on the same batch, and then the
controller's whole `_compute_advantage` with either (cost_phase.py says what each is); a ratio is that of one round. The
limit that DiPO's phase is held against is one read of log-probs and mask and one write of advantages, of a batch padded
to its longest response, at this machine's memory bandwidth.

    python benchmarks/cost_growth.py                                # writes cost_results.json and the figure
    python benchmarks/cost_growth.py --points 512x512 2048x1024 --output /tmp/cost.json
    python benchmarks/cost_growth.py --show                         # the table and the figure of what was measured
"""

import argparse
import json
import multiprocessing
import os
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import torch
from cost_bandwidth import measure_bandwidth
from cost_table import describe_bandwidth, table, to_json

HERE = Path(__file__).resolve().parent
RESULTS, FIGURE = HERE / "cost_results.json", HERE / "figures" / "cost_growth.png"

FIXED_TOKENS, FIXED_RESPONSES = 512, 2048
RESPONSES = (512, 2048, 8192, 32768, 131072)
TOKENS = (128, 512, 2048, 4096, 16384)
HELD_OUT = ((1024, 8192), (8192, 2048), (32768, 1024))
"""Points that scale_model.py is checked on and not fitted to."""

RATIOS = (
    ("dipo", "verl_grpo"),
    ("controller_dipo", "controller_grpo"),
    ("controller_padded", "controller_grpo"),
)

BYTES_PER_TOKEN = 120
"""A batch, what is stored of it, and the largest call's temporaries take no more for each padded token."""


PARTS = ("rounds", "seconds", "wall_seconds", "ratios", "peak_bytes")


class Point(NamedTuple):
    """What is measured in one process: B responses of up to T tokens, with so many threads of torch."""

    responses: int
    tokens: int
    threads: int


def growth_points() -> list[tuple[int, int]]:
    """Lists responses and tokens of all points: both sweeps, which share one point, and those held out."""
    sweeps = [(count, FIXED_TOKENS) for count in RESPONSES] + [(FIXED_RESPONSES, count) for count in TOKENS]
    return [*dict.fromkeys(sweeps), *HELD_OUT]


def measure_point(point: Point, rounds: int, budget: float, only: list[str]) -> dict[str, Any]:
    """Measures a point; for a process that has measured nothing before.

    Args:
        point: The point.
        rounds: Measured rounds at most.
        budget: Seconds for those of the computation, and as many for those of the controller.
        only: The measurements; empty for all.

    Returns:
        The point; by measurement `rounds`, `seconds` of processor time, `wall_seconds` (least, median and largest of
        both) and `peak_bytes`; and `ratios` of processor time within the rounds.
    """
    # Heavy: verl. The process that only shows results does without.
    import cost_phase
    import cost_timing

    torch.set_num_threads(point.threads)
    names = only or [name for together in cost_phase.TOGETHER for name in together]
    calls = cost_phase.make_calls(point.responses, point.tokens, names)
    # Before anything is timed: what a first call allocates once is part of its peak, and of no time.
    peaks = {name: cost_timing.peak_bytes(call) for name, call in calls.items()}
    times: dict[str, list[cost_timing.Seconds]] = {}
    # The computation alone takes a hundredth of the controller's time: apart, it gets its rounds at every size.
    for together in cost_phase.TOGETHER:
        chosen = {name: calls[name] for name in together if name in calls}
        times |= cost_timing.time_calls(chosen, rounds=rounds, budget=budget)
    return {
        **point._asdict(),
        "held_out": (point.responses, point.tokens) in HELD_OUT,
        "rounds": {name: len(values) for name, values in times.items()},
        "seconds": {name: spread([value.processor for value in values]) for name, values in times.items()},
        "wall_seconds": {name: spread([value.wall for value in values]) for name, values in times.items()},
        "ratios": {
            f"{one}/{other}": spread([a.processor / b.processor for a, b in zip(times[one], times[other], strict=True)])
            for one, other in RATIOS
            if one in times and other in times
        },
        "peak_bytes": peaks,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Returns the least, the median and the largest, in four digits: the results are a committed file."""
    found = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def describe_machine() -> dict[str, Any]:
    """Says what the results were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"cpu": names[0] if names else "unknown", "cores": os.cpu_count(), "torch": torch.__version__}


def measure(points: list[Point], *, rounds: int, budget: float, only: list[str]) -> dict[str, Any]:
    """Measures all points, each in a process of its own, and the bandwidth before and after them.

    Args:
        points: What to measure.
        rounds: Measured rounds of each at most.
        budget: Seconds for the rounds of each.
        only: The measurements; empty for all.

    Returns:
        `machine`, `bandwidth` by threads, and `points`.
    """
    threads = sorted({1, os.cpu_count() or 1, *(point.threads for point in points)})
    before = {count: measure_bandwidth(threads=count, rounds=5) for count in threads}
    context = multiprocessing.get_context("forkserver")
    # Imported once; each point's process is a copy of that.
    context.set_forkserver_preload(["verl.trainer.ppo.v1", "groupwise.hook.trainer"])
    measured = []
    with context.Pool(1, maxtasksperchild=1) as pool:
        for point in points:
            measured.append(pool.apply(measure_point, (point, rounds, budget, only)))
            print(describe_point(measured[-1]), flush=True)
    after = {count: measure_bandwidth(threads=count, rounds=5) for count in threads}
    bandwidth = {
        str(count): {name: round(max(before[count][name], after[count][name])) for name in before[count]}
        for count in threads
    }
    return {"machine": describe_machine(), "bandwidth": bandwidth, "points": measured}


def join(known: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Puts some measurements that were made again in their places.

    Args:
        known: All results.
        found: Those of some measurements.

    Returns:
        `known` with them; its machine and bandwidth stay, since they are those of the rest.
    """
    by_place = {(point["responses"], point["tokens"], point["threads"]): point for point in found["points"]}
    points = []
    for point in known["points"]:
        again = by_place.get((point["responses"], point["tokens"], point["threads"]), {})
        parts = {name: {**point[name], **again.get(name, {})} for name in PARTS}
        points.append({**point, **parts})
    return {**known, "points": points}


def describe_point(point: dict[str, Any]) -> str:
    """Words a measured point in a line."""
    medians = ", ".join(
        f"{name} {1e3 * seconds['median']:.1f} ms ({point['rounds'][name]} rounds)"
        for name, seconds in point["seconds"].items()
    )
    return f"{point['responses']:,} x {point['tokens']:,}: {medians}"


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", nargs="+", metavar="BxT", help="responses x tokens; all by default")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="threads of torch; Ray gives a driver one")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds of each point, at most")
    parser.add_argument("--seconds", type=float, default=40.0, help="after which no further round of a point begins")
    parser.add_argument("--memory-gib", type=float, default=10.0, help="points that may need more are refused")
    parser.add_argument(
        "--only", nargs="+", default=[], help="measure these again; what --output has of others is kept"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--show", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    try:
        pairs = [read_pair(text) for text in asked.points] if asked.points else growth_points()
    except ValueError as error:
        parser.error(str(error))
    asked.points = [Point(*pair, threads) for threads in asked.threads for pair in pairs]
    for point in asked.points:
        needed = point.responses * point.tokens * BYTES_PER_TOKEN / 2**30
        if needed > asked.memory_gib:
            parser.error(f"{point.responses}x{point.tokens} may need {needed:.1f} GiB; raise --memory-gib to run it.")
    return asked


def read_pair(text: str) -> tuple[int, int]:
    """Reads responses x tokens.

    Raises:
        ValueError: It is not of that form, or responses are no whole groups.
    """
    left, _, right = text.partition("x")
    if not (left.isdigit() and right.isdigit() and int(left) > 0 and int(right) > 0):
        raise ValueError(f"--points must be responses x tokens, such as 2048x512, but one is {text!r}.")
    return int(left), int(right)


def main() -> None:
    """Measures, writes, prints."""
    asked = read_arguments()
    if asked.show:
        results = json.loads(asked.output.read_text(encoding="utf-8"))
    else:
        results = measure(asked.points, rounds=asked.rounds, budget=asked.seconds, only=asked.only)
        if asked.only:
            results = join(json.loads(asked.output.read_text(encoding="utf-8")), results)
        asked.output.write_text(to_json(results), encoding="utf-8")
    from cost_plot import plot

    plot(results, asked.figure)
    print(f"{describe_bandwidth(results)}\n\n{table(results)}")


if __name__ == "__main__":
    main()
