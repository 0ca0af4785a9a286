"""Trains while its processes are killed one after another, and checks that nothing is lost and nothing is left.

    python benchmarks/soak.py                # 300 steps with a kill every two to four minutes, and 100 without
    python benchmarks/soak.py --check-only   # checks a soak again that came to its end

The training is the CPU demonstration's with 4 prompts x 8 responses a step, on 240 rows, so that a checkpoint (every 20
steps) also falls on the end of an epoch (60 steps). It is started as users start it, by the same command each time. In
each attempt a process of a random kind gets SIGKILL two to four minutes after the first step, until 300 steps are
trained; the steps after that are left alone, so that memory can be fitted over a long attempt. The exit code is 1 where
a check fails. What happened stands in OUTPUT/soak.jsonl, a line an event.
"""

import argparse
import random
import signal
import sys
from pathlib import Path

import soak_checks
from soak_attempt import Attempt
from soak_course import Course, Deck, Record, latest_checkpoint
from soak_data import dumped_prompts, expected_prompts, replayed, write_rows
from soak_events import AttemptRecord, Check, describe, read_attempts
from soak_machine import DRIVER, KINDS, Leavings, alive, left_behind, look
from soak_memory import check_memory
from study import DEMO, ROOT, prepare

from groupwise.errors import GroupwiseError
from groupwise.launch.leftovers import exclusive_run
from groupwise.record.run_log import read_run
from groupwise.record.run_record import git_revision, versions

PROMPTS, RESPONSES, ROWS, SAVE_EVERY = 4, 8, 240, 20
REQUIRED = (DRIVER, "training worker", "vLLM server", "engine core", "vLLM worker", "controller")
GIVE_UP = 3
"""Attempts in a row without a new checkpoint."""


def command_of(folder: Path, total: int) -> list[str]:
    """The command that starts the training, and starts it again.

    Args:
        folder: Absolute path of the soak's folder.
        total: The final step.
    """
    return [
        *(sys.executable, "-m", "recipe.dipo.main_dipo", f"hydra.run.dir={folder}/hydra", "+experiment=cpu_demo"),
        "algorithm.adv_estimator=dipo",
        f"data.train_files={folder}/data/train.parquet",
        f"data.val_files={DEMO}/data/val.parquet",
        f"data.train_batch_size={PROMPTS}",
        f"actor_rollout_ref.model.path={DEMO}/model",
        f"actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu={PROMPTS * RESPONSES}",
        f"actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu={PROMPTS * RESPONSES}",
        f"actor_rollout_ref.rollout.n={RESPONSES}",
        f"trainer.total_training_steps={total}",
        *("trainer.test_freq=-1", "trainer.val_before_train=false"),
        *(f"trainer.save_freq={SAVE_EVERY}", "trainer.max_actor_ckpt_to_keep=3", "trainer.resume_mode=auto"),
        f"trainer.default_local_dir={folder}/checkpoints",
        f"trainer.rollout_data_dir={folder}/rollouts",
    ]


def train(course: Course, record: Record, *, total: int) -> None:
    """Starts the training again and again, until its final step is saved.

    Args:
        course: What is the same for all attempts.
        record: Where their events go.
        total: The final step.

    Raises:
        RuntimeError: The run does not get on.
    """
    number, idle, left = 0, 0, []
    while latest_checkpoint(course.checkpoints) < total:
        number += 1
        attempt = Attempt(course, number, record, must_save=idle > 0, left=left)
        end = attempt.run()
        left = alive(str(course.checkpoints))
        idle = 0 if attempt.saved else idle + 1
        steps = f"steps {end['steps'][0]} to {end['steps'][-1]}" if end["steps"] else "no step"
        print(f"attempt {number}: {steps}, exit code {end['code']}; {end['error']}", flush=True)
        if idle == GIVE_UP:
            raise RuntimeError(
                f"{GIVE_UP} attempts in a row must save a checkpoint at least once, but did not; see {course.folder}."
            )


def soak(folder: Path, asked: argparse.Namespace) -> None:
    """Trains to the end, and records what is left then.

    Args:
        folder: Absolute path of the soak's folder.
        asked: The command line.
    """
    prepare({"arithmetic"})
    write_rows(DEMO / "data" / "train.parquet", folder / "data" / "train.parquet", rows=ROWS)
    record, total = Record(folder / "soak.jsonl"), asked.steps + asked.calm_steps
    draw = random.Random(asked.seed)
    course = Course(
        command_of(folder, total), folder, asked.steps, asked.minutes_between_kills, Deck(asked.kinds, draw), draw
    )
    before = look()
    about = {"total": total, "command": course.command, "revision": git_revision(), "versions": versions()}
    record.add("begin", **about, seed=asked.seed, kinds=asked.kinds, kill_until=asked.steps)
    try:
        train(course, record, total=total)
        record_leavings(record, before, course)
    finally:
        # Of a run that was made to end. After the look at what it had left by itself.
        with exclusive_run(course.checkpoints):
            pass


def record_leavings(record: Record, before: Leavings, course: Course) -> None:
    """Records what the run has left behind, now that it has ended by itself."""
    processes = [each.pid for each in alive(str(course.checkpoints))]
    blocks, files = left_behind(before, look())
    record.add("after", processes=processes, shared_memory=blocks, temporary=files)


def judge(folder: Path) -> tuple[list[Check], list[AttemptRecord]]:
    """Checks a soak that came to its end.

    Args:
        folder: Its folder.

    Returns:
        The checks and the attempts.

    Raises:
        ValueError: It did not come to its end.
    """
    events = Record(folder / "soak.jsonl").read()
    if events[-1]["event"] != "after":
        raise ValueError(f"{folder} must hold a soak that came to its end, but does not; remove it and start anew.")
    total, attempts = events[0]["total"], read_attempts(events)
    expected = expected_prompts(folder / "checkpoints" / "config.yaml", steps=total)
    checks = [
        soak_checks.check_lineage(attempts, total=total),
        soak_checks.check_redone(attempts, save_every=SAVE_EVERY),
        soak_checks.check_ends(attempts),
        soak_checks.check_log(read_run(folder / "metrics.jsonl").steps, total=total),
        soak_checks.check_data(dumped_prompts(folder / "rollouts"), expected, responses=RESPONSES),
        soak_checks.check_replay(replayed(folder / "rollouts"), total=total),
        *check_memory(events),
        soak_checks.check_left(events[-1]),
    ]
    return checks, attempts


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="steps under kills")
    parser.add_argument("--calm-steps", type=int, default=100, help="steps after them that are left alone")
    parser.add_argument("--minutes-between-kills", type=float, nargs=2, default=(2.0, 4.0), metavar=("LEAST", "MOST"))
    parser.add_argument("--kinds", nargs="+", choices=[DRIVER, *KINDS], default=REQUIRED, help="processes to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the times and the order of the kinds")
    parser.add_argument("--output", type=Path, default=ROOT / "outputs" / "soak", help="folder; must be new")
    parser.add_argument("--check-only", action="store_true", help="check a soak that came to its end")
    return parser.parse_args(arguments)


def main() -> None:
    """Command line."""
    asked = parse(sys.argv[1:])
    folder: Path = asked.output.absolute()
    if not asked.check_only and folder.exists():
        sys.exit(f"--output must be a new folder, but {folder} exists; remove it, name another, or add --check-only.")
    # A shell starts background jobs with SIGINT ignored. The training is in a session of its own and would live on.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        if not asked.check_only:
            soak(folder, asked)
        checks, attempts = judge(folder)
    except (RuntimeError, ValueError, OSError, GroupwiseError) as error:
        sys.exit(f"The soak could not be finished: {error}")
    except KeyboardInterrupt:
        sys.exit(f"Interrupted; the training has ended. A soak is not resumed: remove {folder} and start anew.")
    print("\n".join(describe(checks, attempts)))
    sys.exit(1 if any(check.faults for check in checks) else 0)


if __name__ == "__main__":
    main()
