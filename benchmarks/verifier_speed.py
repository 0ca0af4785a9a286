"""Times the verifiers against verl's, math-verify's and ToolRL's on the same responses, on one core, side by side.

    python benchmarks/verifier_speed.py
    python benchmarks/verifier_speed.py --answers 400 --rounds 3 --sets math

Rounds are interleaved: in each, every verifier judges the whole set once, ours with empty caches. Beside the speed
stand the answers that each judges otherwise than their construction says. verl's math_verify runs in this process here,
without the pool that verl puts it into, which would only slow it.
"""

import argparse
import contextlib
import gc
import io
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from responses import Sample, all_sets

import reward_score
from reward_score.sandbox import guard

Judge = Callable[[Sample], bool]


def ours(sample: Sample) -> bool:
    return reward_score.compute_score(sample.data_source, sample.response, sample.ground_truth)["acc"] == 1.0


def verls(module_name: str, **options: object) -> Judge:
    """verl's verifier of a name, as its dispatch calls it."""
    module = __import__(f"verl.utils.reward_score.{module_name}", fromlist=["compute_score"])

    def judge(sample: Sample) -> bool:
        found = module.compute_score(sample.response, sample.ground_truth, **options)
        return bool(found["acc"] if isinstance(found, dict) else found > 0)

    return judge


def verls_math_verify(sample: Sample) -> bool:
    from verl.utils.reward_score.math_verify import _verify_in_subprocess

    return _verify_in_subprocess(f"\\boxed{{{sample.ground_truth}}}", sample.response) > 0


def plain_math_verify(sample: Sample) -> bool:
    from math_verify import parse, verify

    return verify(parse(f"${sample.ground_truth}$"), parse(sample.response))


def verls_rlla(sample: Sample) -> bool:
    from verl.utils.reward_score import rlla

    response = f"<|im_start|>assistant\n{sample.response}<|im_end|>"
    with contextlib.redirect_stdout(io.StringIO()):
        found = rlla.compute_score("rlla", response, sample.ground_truth, {"experiment_name": "qwen"})
    return found["accuracy_reward"] == 3


RIVALS: dict[str, dict[str, Judge]] = {
    "gsm8k": {
        "verl gsm8k": verls("gsm8k"),
        "verl gsm8k, flexible": verls("gsm8k", method="flexible"),
        "verl math_verify": verls_math_verify,
        "math-verify": plain_math_verify,
    },
    "dapo": {
        "verl math_dapo": verls("math_dapo"),
        "verl math_verify": verls_math_verify,
        "math-verify": plain_math_verify,
    },
    "math": {
        "verl math_reward": verls("math_reward"),
        "verl math_dapo": verls("math_dapo"),
        "verl math_verify": verls_math_verify,
        "math-verify": plain_math_verify,
    },
    "tools": {"verl rlla": verls_rlla},
}


def clear_caches() -> None:
    """Empties every cache of ours, those of the child processes with them, so that no round profits from another."""
    guard.renew()
    for name, module in list(sys.modules.items()):
        if name.startswith("reward_score"):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def run_once(judge: Judge, samples: list[Sample]) -> tuple[float, list[float], list[bool]]:
    """Judges a set: seconds in all, milliseconds of each answer, verdicts."""
    clear_caches()
    gc.collect()
    times: list[float] = []
    verdicts: list[bool] = []
    start = time.perf_counter()
    for sample in samples:
        before = time.perf_counter()
        verdicts.append(judge(sample))
        times.append(1000 * (time.perf_counter() - before))
    return time.perf_counter() - start, times, verdicts


def report(name: str, samples: list[Sample], rounds: int) -> None:
    """Prints one set's table."""
    judges = {"reward_score": ours, **RIVALS[name]}
    for judge in judges.values():
        judge(samples[0])
    found: dict[str, list[tuple[float, list[float], list[bool]]]] = {label: [] for label in judges}
    for _ in range(rounds):
        for label, judge in judges.items():
            found[label].append(run_once(judge, samples))
    print(
        f"\n{name}: {len(samples)} responses, {sum(sample.right for sample in samples)} of them right, {rounds} rounds"
    )
    print("| verifier | answers/s: min, median, max | ours / it | p99 ms | max ms | false + | false - |")
    print("|" + "---|" * 7)
    for label, results in found.items():
        speeds = [len(samples) / seconds for seconds, _, _ in results]
        ratios = [seconds / mine for (seconds, _, _), (mine, _, _) in zip(results, found["reward_score"], strict=True)]
        times = sorted(time for _, each, _ in results for time in each)
        verdicts = results[-1][2]
        positives = sum(said and not sample.right for said, sample in zip(verdicts, samples, strict=True))
        negatives = sum(sample.right and not said for said, sample in zip(verdicts, samples, strict=True))
        print(
            f"| {label} | {min(speeds):,.0f}, {statistics.median(speeds):,.0f}, {max(speeds):,.0f} "
            f"| {statistics.median(ratios):.1f} | {times[int(0.99 * len(times))]:.2f} | {times[-1]:.1f} "
            f"| {positives} | {negatives} |",
            flush=True,
        )


def main() -> None:
    """Prints one table a set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    here = Path(__file__).resolve()
    default = Path(os.environ.get("DIPO_TEST_DATA", here.parents[2] / "shared" / "data"))
    parser.add_argument(
        "--data", type=Path, default=default, help="folder with gsm8k/, math500/, ... (default: %(default)s)"
    )
    parser.add_argument("--answers", type=int, default=1000, help="responses a set (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--sets", nargs="+", choices=list(RIVALS), default=list(RIVALS))
    asked = parser.parse_args()
    if not asked.data.is_dir():
        parser.error(f"--data must be a folder with the datasets, there is no {asked.data}")
    logging.disable(logging.WARNING)
    # One core for all of it, the worker processes of ours included.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    guard.warm_up()
    for name, samples in all_sets(asked.data, asked.answers):
        if name in asked.sets:
            report(name, samples, asked.rounds)


if __name__ == "__main__":
    main()
