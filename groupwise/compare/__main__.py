"""Trains methods of one setting one after the other, with the same data, order and seeds, and reports on all of them.

    python -m groupwise.compare --recipe PACKAGE SETTING METHOD[,METHOD...] [seeds=0,1,2] [out=FOLDER] [key=value ...]

SETTING is an experiment of the recipe; a METHOD is any method, an estimator of verl's, or an arm of the recipe's
experiments. A run that ended is not made again, an interrupted one goes on from its last checkpoint. DRY_RUN=1 shows
the plan, with estimated time and disk, and starts nothing.
"""

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

import groupwise.hook.register  # noqa: F401 -- registers the estimator, which the checks ask verl for
from groupwise import preflight
from groupwise.compare.estimate import disk_bytes, seconds_per_step, steps_of
from groupwise.compare.plan import ENDED_FILE, Comparison, Planned
from groupwise.demo import launch
from groupwise.errors import GroupwiseError
from groupwise.launch.start import is_dry_run
from groupwise.preflight.facts import Facts
from groupwise.report.__main__ import main as report


class Asked(NamedTuple):
    """The command line."""

    comparison: Comparison
    methods: list[str]
    seeds: list[int]


def parse(arguments: Sequence[str] | None) -> Asked:
    """Reads the command line.

    Raises:
        GroupwiseError: `seeds` is no list of whole numbers, a method or seed is named twice, or a word is no override.
    """
    parser = argparse.ArgumentParser(
        prog="compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("setting", metavar="SETTING")
    parser.add_argument("methods", metavar="METHOD[,METHOD...]")
    parser.add_argument("rest", metavar="key=value", nargs="*", help="seeds=0,1,2, out=FOLDER, and Hydra's overrides")
    parser.add_argument("--recipe", required=True, help="package of the recipe that has the setting")
    found = parser.parse_args(arguments)
    given = {"seeds": "0", "out": os.path.join(os.environ.get("CKPT_DIR", "checkpoints"), "compare", found.setting)}
    overrides = []
    for word in found.rest:
        key, equals, value = word.partition("=")
        if not equals and not word.startswith("~"):
            raise GroupwiseError(f"{word!r} must be key=value, such as seeds=0,1,2; write it so, or leave it out.")
        if key in given:
            given[key] = value
        else:
            overrides.append(word)
    methods, seeds = found.methods.split(","), given["seeds"].strip("[]").split(",")
    for name, values in (("METHOD", methods), ("seeds", seeds)):
        if len(set(values)) < len(values) or "" in values:
            raise GroupwiseError(f"{name} must name each once, separated by commas, but is {','.join(values)!r}.")
    if not all(seed.isdecimal() for seed in seeds):
        raise GroupwiseError(f"seeds must be whole numbers, such as seeds=0,1,2, but are {given['seeds']!r}.")
    comparison = Comparison(found.recipe, found.setting, tuple(overrides), Path(given["out"]).absolute())
    return Asked(comparison, methods, [int(seed) for seed in seeds])


def check(runs: Sequence[Planned]) -> str:
    """What the checks before a run find for each method, "" for nothing: the last one's faults are told on day one."""
    told = []
    for run in {run.method: run for run in reversed(runs)}.values():
        findings = preflight.examine(run.config, leave_out=preflight.left_to_the_start(run.config))
        if findings.faults:
            told.append(f"{run.method}:\n{preflight.report(findings)}")
    return "\n\n".join(reversed(told))


def show_plan(runs: Sequence[Planned]) -> None:
    """Prints what there is to do, with estimated time and disk."""
    facts = Facts(runs[0].config)
    table = Table("run", "state", "steps left", "time", "disk", title="Plan")
    measured = {run.folder: run.seconds_per_step for run in runs}
    hours, gib, source = 0.0, 0.0, "no step was made yet, and no formula fits"
    for run in runs:
        steps = steps_of(run, facts)
        made = max(run.steps_made, default=0) if run.has_ended or run.is_resumed else 0
        left = 0 if run.has_ended else None if steps is None else max(steps - made, 0)
        each, where = seconds_per_step(run, measured, facts.parameters)
        disk = disk_bytes(run, facts, steps)
        state = "ended" if run.has_ended else f"goes on after step {made}" if made else "to do"
        source = where or source
        known = None if each is None or left is None else each * left / 3600
        hours, gib = hours + (known or 0), gib + (disk or 0) / 2**30
        cells = ("?" if left is None else str(left), "?" if known is None else duration(known))
        table.add_row(run.label, state, *cells, "?" if disk is None else f"{disk / 2**30:.0f} GiB")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    told = f"In all about {duration(hours)} and {gib:.0f} GiB of checkpoints; time by: {source}."
    console.print(told, highlight=False)


def duration(hours: float) -> str:
    """1.5 -> "1.5 h"; below an hour in minutes."""
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def train(run: Planned, comparison: Comparison) -> int:
    """Makes one run, or what is left of it; gives its exit code."""
    if not run.is_resumed and run.folder.exists():
        # What is left of an interrupted run that kept no checkpoint is of no use to anyone.
        shutil.rmtree(run.folder)
    code = launch.run(run.folder, run.overrides, recipe=comparison.recipe)
    if code == 0:
        (run.folder / ENDED_FILE).write_text(json.dumps({"overrides": run.overrides}) + "\n", encoding="utf-8")
    return code


def compare(asked: Asked) -> None:
    """Checks all, trains what is left, reports on what ended; ends the process with 1 where a run failed."""
    runs = asked.comparison.plan(asked.methods, asked.seeds)
    dry = is_dry_run()
    if dry:
        show_plan(runs)
    if faults := check(runs):
        raise GroupwiseError(faults)
    if dry:
        sys.stdout.write("The runs can start.\n")
        return
    asked.comparison.claim()
    failed = []
    for number, run in enumerate(runs, start=1):
        state = "has ended before" if run.has_ended else str(run.folder)
        sys.stdout.write(f"\nrun {number} of {len(runs)}: {run.label} ({state})\n")
        if not run.has_ended and train(run, asked.comparison):
            failed.append(f"{run.label} failed; its log: {run.folder / 'train.log'}")
    ended = [str(run.folder) for run in runs if run.has_ended]
    if ended:
        title = f"{', '.join(asked.methods)} on {asked.comparison.setting}"
        report([*ended, "-o", str(asked.comparison.folder / "report.html"), "--title", title])
    if failed:
        raise GroupwiseError("\n".join([*failed, "The same command makes only these again."]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    # A shell starts background jobs with SIGINT ignored, and children would inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        compare(parse(arguments))
    except GroupwiseError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the same command goes on where it was.")


if __name__ == "__main__":
    main()
