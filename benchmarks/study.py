"""Runs the method study of study.yaml, in pieces: a run that is recorded in study_results.jsonl is not run again.

    python benchmarks/study.py                 # all that is left, hours on two cores
    python benchmarks/study.py --minutes 120   # start no run that would not end in time
    python benchmarks/study.py --only verl-arithmetic-dipo_0.1-0 verl-arithmetic-grpo-0
    python benchmarks/study.py --list
    python benchmarks/study.py --again loop-arithmetic-dapo-0      # does a recorded run come out the same?

Two runs are made side by side (--jobs): one alone leaves half of two cores idle, whichever its engine.

An interrupted run starts anew; what is recorded is kept. Where the processor is of another kind, the model that is
warm-started there is another one, and the study of it another study: a run is done once it is recorded with the model
that lies here. study_report.py puts the results into tables.
"""

import argparse
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch
from study_plan import PlannedRun, read_plan
from study_results import add_result, different_figures, read_results, to_record

from groupwise.demo.warm_start import KEY_FILE
from groupwise.record.run_log import read_run
from groupwise.record.run_record import git_revision, hash_of, versions

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PLAN, RESULTS = HERE / "study.yaml", HERE / "study_results.jsonl"
OUTPUT = ROOT / "outputs" / "study"
DEMO = ROOT / "outputs" / "cpu_demo"
LAUNCH = ("-m", "groupwise.demo.launch", "--recipe", "recipe.dipo")
MODELS = {"arithmetic": DEMO / "model", **{task: OUTPUT / task / "model" for task in ("tools", "problems", "calls")}}
PRETRAINED = OUTPUT / "smollm2"
_ADDITIONS = ("-m", "data_prep.arithmetic")
_WARM_START = ("--train-size", "20000", "--seed", "1", "--shares", "0.25", "0.75")
WEIGHTS = "model.safetensors"
COMMANDS = {
    # As scripts/run_cpu_demo.sh makes them: a run of the one finds what the other made.
    "arithmetic": [
        [*_ADDITIONS, "--output", f"{DEMO}/data", "--val-size", "128", "--shares", "0.2", "0.6", "0.2"],
        [*_ADDITIONS, "--output", f"{DEMO}/warm_start", *_WARM_START],
        [
            *("-m", "groupwise.demo.warm_start", "--output", str(MODELS["arithmetic"])),
            *("--train", f"{DEMO}/warm_start/train.parquet", "--sample", f"{DEMO}/data/train.parquet"),
        ],
    ],
    "tools": [[str(HERE / "tiny_tools.py"), "--output", str(OUTPUT / "tools")]],
    **{
        task: [
            ["-m", "groupwise.demo.pretrained", "--output", str(PRETRAINED)],
            [str(HERE / "word_tasks.py"), task, "--model", str(PRETRAINED), "--output", str(OUTPUT / task)],
        ]
        for task in ("problems", "calls")
    },
}
KEPT_LINES = 30


def prepare(tasks: set[str]) -> None:
    """Writes the tasks' data and warm-starts their models; what is there is kept.

    Args:
        tasks: Names of tasks.
    """
    for task in sorted(tasks):
        if not (MODELS[task] / KEY_FILE).is_file():
            for command in COMMANDS[task]:
                subprocess.run([sys.executable, *command], check=True, cwd=ROOT)


def model_of(task: str) -> str | None:
    """Hashes the weights that a task's runs start from; None while there are none."""
    return hash_of(str(MODELS[task] / WEIGHTS))


def execute(run: PlannedRun) -> dict[str, Any]:
    """Trains.

    Args:
        run: The run.

    Returns:
        Its line of the results.

    Raises:
        RuntimeError: It failed; the end of its log is in the message.
    """
    folder = OUTPUT / run.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "launch.log").touch()
    start = time.monotonic()
    code = (fork_loop if run.engine == "loop" else launch)(run, folder)
    if code:
        end = (folder / "launch.log").read_text(errors="replace").splitlines()[-KEPT_LINES:]
        raise RuntimeError("\n".join([*end, f"{run.name} ended with exit code {code}; see {folder}."]))
    about = {
        "seconds": round(time.monotonic() - start),
        "model": model_of(run.task),
        "revision": git_revision(),
        "versions": versions(),
    }
    return to_record(run, read_run(folder / "metrics.jsonl"), about=about)


def launch(run: PlannedRun, folder: Path) -> int:
    """Trains with verl, by the recipe's own command; gives its exit code."""
    with (folder / "launch.log").open("w") as log:
        environment = {**os.environ, **run.environment, "PYTHONPATH": f"{HERE}{os.pathsep}{ROOT}"}
        command = command_of(run, folder)
        return subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False).returncode


def command_of(run: PlannedRun, folder: Path) -> list[str]:
    """The command that makes a run of verl, with its files in a folder."""
    paths = [f"trainer.default_local_dir={folder}/checkpoints", f"trainer.rollout_data_dir={folder}/rollouts"]
    return [sys.executable, *LAUNCH, "--run-dir", str(folder), *run.overrides, *paths]


def fork_loop(run: PlannedRun, folder: Path) -> int:
    """Trains with study_loop.py in a fork of a process that has imported it, which takes 15 s; gives its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["study_loop"])
    process = context.Process(target=run_loop, args=(folder, list(run.overrides), run.variant), daemon=True)
    process.start()
    process.join()
    return process.exitcode or 0


def run_loop(folder: Path, overrides: list[str], variant: str | None) -> None:
    """Trains; by a function of this module, which does not itself import what the fork has."""
    import study_loop

    study_loop.train_forked(folder, overrides, variant)


def runs_named(plan: list[PlannedRun], names: list[str]) -> list[PlannedRun]:
    """Picks runs of the plan, all without names.

    Raises:
        ValueError: A name is of no run.
    """
    unknown = sorted(set(names) - {run.name for run in plan})
    if unknown:
        raise ValueError(f"Names must be of runs of the study, but {', '.join(unknown)} is none; --list shows them.")
    return [run for run in plan if not names or run.name in names]


def remaining(runs: list[PlannedRun], records: list[dict[str, Any]]) -> list[PlannedRun]:
    """Lists the runs without a result of the same digest that started from the model that lies here."""
    done = by_digest_and_model(records)
    models = {task: model_of(task) for task in {run.task for run in runs}}
    return [run for run in runs if (run.digest, models[run.task]) not in done]


def by_digest_and_model(records: list[dict[str, Any]]) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Indexes results; of those without a model nothing is known to have started from the one that lies here."""
    return {(record["digest"], record["model"]): record for record in records if record.get("model")}


def make_again(run: PlannedRun, records: list[dict[str, Any]]) -> str:
    """Makes a recorded run once more, and says what comes out otherwise; the results stay as they are.

    Raises:
        ValueError: It is not recorded with the model that lies here.
        RuntimeError: It failed.
    """
    recorded = by_digest_and_model(records).get((run.digest, model_of(run.task)))
    if recorded is None:
        raise ValueError(
            f"--again takes a run that is recorded from the model in {MODELS[run.task]}, but {run.name} is not; "
            "make it by --only first."
        )
    again = execute(run)
    pairs = zip(recorded["accuracy"], again["accuracy"], strict=True)
    course = " -> ".join(f"{before:.1%} and {now:.1%}" for before, now in pairs)
    different = different_figures(recorded, again)
    return f"{run.name}: accuracy {course}; " + (
        f"different: {', '.join(different)}" if different else "every recorded figure is the same, but for the times"
    )


def work_off(runs: list[PlannedRun], *, jobs: int, deadline: float) -> None:
    """Makes runs side by side, and records each; starts none that would not end in time, by the longest so far.

    Args:
        runs: What is left, in their order.
        jobs: How many at once.
        deadline: On the monotonic clock, in seconds.

    Raises:
        RuntimeError: A run failed; those that were under way are recorded first.
    """
    left, longest = list(runs), 0.0
    with ThreadPoolExecutor(jobs) as pool:
        active: dict[Future[dict[str, Any]], PlannedRun] = {}
        failed: RuntimeError | None = None
        while active or (left and failed is None and time.monotonic() + longest < deadline):
            while left and len(active) < jobs and failed is None and time.monotonic() + longest < deadline:
                run = left.pop(0)
                active[pool.submit(execute, run)] = run
            for future in wait(active, return_when=FIRST_COMPLETED).done:
                run = active.pop(future)
                try:
                    record = future.result()
                except RuntimeError as error:
                    failed = error
                    continue
                add_result(RESULTS, record)
                longest = max(longest, float(record["seconds"]))
                course = f"{record['accuracy'][0]:.1%} -> {record['accuracy'][-1]:.1%}"
                print(f"{run.name}: {course} in {record['seconds']} s; {len(left) + len(active)} to go", flush=True)
    if failed is not None:
        raise failed
    if left:
        print(f"{len(left)} runs are left; the same command goes on with them.")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no run that would not end in time")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    named = parser.add_mutually_exclusive_group()
    named.add_argument("--only", nargs="+", default=[], metavar="RUN", help="these runs alone")
    named.add_argument("--again", nargs="+", default=[], metavar="RUN", help="make recorded runs anew, and compare")
    parser.add_argument("--list", action="store_true", help="say which runs are left, and stop")
    asked = parser.parse_args()
    plan, deadline = read_plan(PLAN), time.monotonic() + 60 * asked.minutes
    try:
        runs, records = runs_named(plan, asked.only or asked.again), read_results(RESULTS)
        if not asked.list:
            prepare({run.task for run in runs})
        if asked.again and not asked.list:
            for run in runs:
                print(make_again(run, records), flush=True)
            return
        left = remaining(runs, records)
        print(f"{len(left)} runs are left; {platform.processor() or platform.machine()}, torch {torch.__version__}")
        if asked.list:
            print("\n".join(run.name for run in left))
            return
        work_off(left, jobs=asked.jobs, deadline=deadline)
    except (ValueError, RuntimeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
