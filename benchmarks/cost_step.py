"""What a whole step costs with DiPO, against verl's GRPO, in one end-to-end run that changes between them.

The run is the CPU demonstration's without validations and dumps (cost_alternate.py says how it changes). Steps are
compared within blocks of one step of each state: paired differences, with a 95% interval for their median that supposes
nothing of their distribution. `gen` is left out as well, as verl looks for finished responses only now and then.

    python benchmarks/cost_step.py                  # 180 steps, about ten minutes on two idle cores
    python benchmarks/cost_step.py --steps 30
    python benchmarks/cost_step.py --show           # the table of the last run
"""

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

from scipy.stats import binom

from groupwise.demo import launch
from groupwise.errors import GroupwiseError
from groupwise.record.run_log import RunLog, read_run

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parent / "outputs" / "cost_step"
STATES = ("plain", "observed", "dipo")
"""The names of cost_alternate.STATES, in their order; that module brings Ray and verl."""

STATE = "cost/state"
TIMINGS = ("step", "step without gen", "adv")
WARM_UP = 2
"""Blocks that are not counted: the first steps compile, connect and allocate."""


class Difference(NamedTuple):
    """Paired differences of a timing, in seconds.

    Attributes:
        base: Median of the state that is compared with.
        median: Median of the differences.
        low: Lower end of its 95% interval; None with fewer than six blocks, which have none.
        high: Upper end.
    """

    base: float
    median: float
    low: float | None
    high: float | None


def overrides(steps: int, folder: Path) -> list[str]:
    """Lists Hydra's overrides of the run.

    Args:
        steps: Number of steps.
        folder: Its folder.

    Returns:
        The overrides.
    """
    return [
        "+experiment=cpu_demo",
        # Started as DiPO, so that the mixin is made whole; the state of a step comes from cost_alternate.py.
        "algorithm.adv_estimator=dipo",
        f"trainer.total_training_steps={steps}",
        "trainer.total_epochs=1000",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        "trainer.rollout_data_dir=null",
        "trainer.experiment_name=cost_step",
        f"trainer.default_local_dir={folder / 'checkpoints'}",
    ]


def train(steps: int, folder: Path) -> None:
    """Makes the run.

    Args:
        steps: Number of steps.
        folder: Gets its log and metrics.

    Raises:
        RuntimeError: It failed.
    """
    # Ray's workers import that module by its name.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    code = launch.run(folder, overrides(steps, folder), recipe="recipe.dipo", module="cost_alternate")
    if code:
        raise RuntimeError(f"The run ended with exit code {code}; its log: {folder / 'train.log'}.")


def blocks_of(log: RunLog) -> list[dict[str, dict[str, float]]]:
    """Puts the steps of a run into blocks.

    Args:
        log: What it logged.

    Returns:
        For each whole block after the warm-up, TIMINGS in seconds by state.

    Raises:
        ValueError: The run has no such block, or its steps are not in blocks.
    """
    steps = {step: data for step, data in log.steps.items() if STATE in data}
    blocks: dict[int, dict[str, dict[str, float]]] = {}
    for step, data in steps.items():
        whole, generation = data["timing_s/step"], data["timing_s/gen"]
        found = dict(zip(TIMINGS, (whole, whole - generation, data["timing_s/adv"]), strict=True))
        block = blocks.setdefault((step - 1) // len(STATES), {})
        if STATES[round(data[STATE])] in block:
            raise ValueError(f"Each state must come once in a block, but step {step} repeats one; is this run's log?")
        block[STATES[round(data[STATE])]] = found
    whole_blocks = [
        block for number, block in sorted(blocks.items()) if number >= WARM_UP and len(block) == len(STATES)
    ]
    if not whole_blocks:
        raise ValueError(f"At least {len(STATES) * (WARM_UP + 1)} steps are needed, but {len(steps)} were logged.")
    return whole_blocks


def compare(blocks: list[dict[str, dict[str, float]]], timing: str, state: str, base: str) -> Difference:
    """Compares a timing of two states.

    Args:
        blocks: From `blocks_of`.
        timing: One of TIMINGS.
        state: The one that is looked at.
        base: The one that it is compared with.

    Returns:
        The difference, state less base.
    """
    found = sorted(block[state][timing] - block[base][timing] for block in blocks)
    # The k-th smallest and k-th largest enclose the median unless fewer than k of n fair coins show one side. The last
    # k for which that has at most 2.5% on either side:
    k = int(binom.ppf(0.025, len(found), 0.5))
    low, high = (found[k - 1], found[-k]) if k > 0 else (None, None)
    return Difference(statistics.median(block[base][timing] for block in blocks), statistics.median(found), low, high)


def report(log: RunLog) -> str:
    """Puts a run into Markdown.

    Args:
        log: What it logged.

    Returns:
        Medians by state, and paired differences in milliseconds and in percent of the base's median.
    """
    blocks = blocks_of(log)
    lines = [f"{len(blocks)} blocks of {len(STATES)} steps, the first {WARM_UP} blocks left out", ""]
    lines += [f"| seconds, median | {' | '.join(STATES)} |", "|---|---|---|---|"]
    for timing in TIMINGS:
        medians = [statistics.median(block[state][timing] for block in blocks) for state in STATES]
        lines.append(f"| {timing} | {' | '.join(f'{value:.4f}' for value in medians)} |")
    lines += ["", "| timing | compared | ms, median (95%) | % of the base's |", "|---|---|---|---|"]
    for timing in TIMINGS:
        for state, base in (("dipo", "plain"), ("dipo", "observed"), ("observed", "plain")):
            found = compare(blocks, timing, state, base)
            cells = [timing, f"{state} - {base}", with_interval(found, 1e3), with_interval(found, 100 / found.base)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_interval(found: Difference, size: float) -> str:
    """Words a difference with its interval, in units of 1 / size seconds."""
    interval = (
        "" if found.low is None or found.high is None else f" ({found.low * size:+.2f} to {found.high * size:+.2f})"
    )
    return f"{found.median * size:+.2f}{interval}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=180)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the run")
    parser.add_argument("--show", action="store_true", help="train nothing")
    asked = parser.parse_args()
    try:
        if not asked.show:
            for earlier in asked.output.glob("metrics*.jsonl"):
                earlier.unlink()
            train(asked.steps, asked.output.resolve())
        print(report(read_run(asked.output / "metrics.jsonl")))
    except (RuntimeError, ValueError, GroupwiseError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
