"""The launcher of a run: what it shows, what it passes on, and that nothing outlives it."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from omegaconf import OmegaConf

from groupwise.demo import launch
from groupwise.demo.memory import MemoryMeter

RECIPE = ("--recipe", "recipe.dipo")
TRAINED = {
    "training/global_step": 7,
    "timing_s/step": 3.21,
    "dipo/group_share/hard": 0.5,
    "dipo/group_share/mixed": 0.375,
    "dipo/group_share/easy": 0.125,
    "dipo/reallocated_total/up": 4.0,
    "dipo/reallocated_total/down": 1.0,
}


def test_a_step_in_a_line():
    line = launch.describe_step(7, 30, {**TRAINED, "val-core/a/acc/mean@8": 0.3125}, methods=["dipo"], trained="dipo")
    assert line == "step  7/30   3.2 s  hard 50% easy 12% up 4 down 1  validation 31.2%"


def test_a_grpo_run_shows_what_was_only_observed():
    assert "would be up 4 down 1" in launch.describe_step(7, 30, TRAINED, methods=["dipo"], trained="grpo")


def test_several_methods_are_named():
    data = {**TRAINED, "other/gradient_share/other": 0.5}
    line = launch.describe_step(7, 30, data, methods=["dipo", "other", "silent"], trained="other")
    assert line.endswith("dipo: hard 50% easy 12% would be up 4 down 1  other: gradient 50%")


def test_absent_metrics_are_left_out():
    assert (
        launch.describe_step(0, 30, {"val-core/a/acc/mean@8": 0.5}, methods=["dipo"], trained="dipo")
        == "step  0/30  validation 50.0%"
    )


def config(**trainer):
    usual = {"total_training_steps": 3, "test_freq": 2, "val_before_train": True}
    return OmegaConf.create({"algorithm": {"adv_estimator": "dipo", "observe": []}, "trainer": usual | trainer})


def test_each_step_is_shown_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(launch.Shown, "left", lambda self: "")
    metrics_file = tmp_path / "metrics.jsonl"
    shown = launch.Shown(metrics_file, config(), runs_after=0)

    def show():
        shown.refresh()
        return capsys.readouterr().out

    assert show() == ""
    metrics_file.write_text('{"step": 1, "da')
    assert show() == ""
    metrics_file.write_text('{"step": 1, "data": {}}\n{"step": 2, "da')
    assert show() == "step 1/3\n"
    metrics_file.write_text('{"step": 1, "data": {}}\n{"step": 2, "data": {}}\n')
    assert show() == "step 2/3\n"
    assert show() == ""


STEP = {"timing_s/step": 10.0}
TESTED = {"timing_s/step": 30.0, "timing_s/testing": 7.0}


@pytest.mark.parametrize(
    ("steps", "elapsed", "trainer", "runs_after", "seconds"),
    [
        # A start of 60 s; validations of 15 s before the first step, after the second and after the last; steps of 4 s.
        ({}, 0, {}, 0, 60 + 3 * 15 + 3 * 4),
        ({}, 50, {}, 1, 2 * (60 + 3 * 15 + 3 * 4) - 50),
        ({}, 500, {}, 0, 0),
        ({}, 0, {"val_before_train": False}, 0, 60 + 2 * 15 + 3 * 4),
        ({}, 0, {"test_freq": -1}, 0, 60 + 3 * 4),
        # The validation before the first step says nothing of its time.
        ({0: {}}, 1, {}, 0, 2 * 15 + 3 * 4 - 1),
        ({0: {}, 1: STEP}, 0, {}, 0, 2 * 15 + 2 * 10),
        # Medians: 20 s a step, 7 s a validation; a run after it has three of each.
        ({0: {}, 1: STEP, 2: TESTED}, 4, {}, 1, 7 + 20 - 4 + 60 + 3 * 7 + 3 * 20),
        ({3: STEP}, 0, {}, 0, 0),
    ],
)
def test_the_time_left_follows_from_what_was_measured(steps, elapsed, trainer, runs_after, seconds):
    assert launch.seconds_left(steps, config(**trainer).trainer, elapsed, runs_after=runs_after) == seconds


def test_the_time_left_is_said_from_the_start_and_with_each_step(tmp_path, capsys):
    metrics_file = tmp_path / "metrics.jsonl"
    shown = launch.Shown(metrics_file, config(total_training_steps=300, test_freq=-1), runs_after=1)
    # 60 s and 300 steps of 4 s, twice; or a second less by now.
    assert re.fullmatch(r"about (42:00|41:\d\d) left in all", shown.left())
    metrics_file.write_text(json.dumps({"step": 1, "data": {"timing_s/step": 2.0}}) + "\n")
    shown.refresh()
    assert re.search(r"^step   1/300   2.0 s  about 20:5\d left in all$", capsys.readouterr().out, re.MULTILINE)
    assert launch.Shown(metrics_file, config(total_training_steps=None), runs_after=0).left() == ""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a program of the test's own in the trainer's place."""

    def install(source):
        (tmp_path / "fake_main.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(launch, "main_of", lambda recipe: "fake_main")
        monkeypatch.setattr(launch, "POLL_SECONDS", 0.05)
        overrides = ["+experiment=cpu_demo", f"trainer.default_local_dir={tmp_path / 'run' / 'checkpoints'}"]
        monkeypatch.setattr("sys.argv", ["launch", *RECIPE, "--run-dir", str(tmp_path / "run"), *overrides])
        return tmp_path / "run"

    return install


def test_a_run_gets_its_files(stand_in, capsys):
    run_dir = stand_in(
        "import json, os, sys, time\n"
        "print('verbose')\n"
        "with open(os.environ['VERL_FILE_LOGGER_PATH'], 'w') as file:\n"
        "    file.write(json.dumps({'step': 1, 'data': {'arguments': 1}}) + '\\n')\n"
        "time.sleep(0.5)\n"
    )
    launch.main()
    assert "verbose" in (run_dir / "train.log").read_text()
    assert (run_dir / "metrics.jsonl").is_file()
    assert json.loads((run_dir / "memory.json").read_text())["peak_bytes"] > 2**20
    shown = capsys.readouterr().out
    assert "step  1/" in shown
    assert "verbose" not in shown


def test_a_failed_run_shows_the_end_of_its_log_and_where_it_is(stand_in):
    run_dir = stand_in("import sys\nprint('\\n'.join(map(str, range(1000))))\nsys.exit('the reason')\n")
    with pytest.raises(SystemExit) as failure:
        launch.main()
    message = failure.value.code
    assert "the reason" in message
    assert "\n999\n" in message
    assert "\n900\n" not in message
    assert message.endswith(f"exit code 1; its whole log: {run_dir / 'train.log'}")


@pytest.mark.parametrize("override", ["algorithm.dipo.alfa=1", "no_such_key=1", "+experiment=unknown", "a=b=[c"])
def test_a_mistyped_override_is_refused_before_anything_starts(stand_in, monkeypatch, override):
    run_dir = stand_in("")
    monkeypatch.setattr("sys.argv", [*sys.argv, override])
    with pytest.raises(SystemExit, match="The configuration cannot be composed"):
        launch.main()
    assert not run_dir.exists()


LAUNCHER = """
import sys
from groupwise.demo import launch
launch.main_of = lambda recipe: "fake_main"
launch.POLL_SECONDS, launch.PATIENCE_SECONDS = 0.05, 2
launch.main()
"""

# A driver that starts a worker in a session of its own, as the recipe does, and one that ignores Ctrl-C.
DRIVER = """
import os, signal, subprocess, sys, time
from pathlib import Path
from groupwise.launch.leftovers import exclusive_run
{signals}
with exclusive_run(sys.argv[-1].partition("=")[2]):
    worker = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path("pids").write_text(f"{{os.getpid()}} {{worker.pid}}")
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("number", "signals"),
    [(signal.SIGINT, ""), (signal.SIGTERM, "signal.signal(signal.SIGINT, signal.SIG_IGN)")],
    ids=["obedient", "deaf"],
)
@pytest.mark.slow
def test_nothing_outlives_an_interrupted_run(tmp_path, signals, number):
    (tmp_path / "fake_main.py").write_text(DRIVER.format(signals=signals))
    overrides = ["+experiment=cpu_demo", f"trainer.default_local_dir={tmp_path / 'checkpoints'}"]
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, *RECIPE, "--run-dir", str(tmp_path / "run"), *overrides],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "pids").is_file() or len((tmp_path / "pids").read_text().split()) < 2:
        assert launcher.poll() is None, launcher.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    driver, worker = map(int, (tmp_path / "pids").read_text().split())
    launcher.send_signal(number)
    _, shown = launcher.communicate(timeout=60)
    assert launcher.returncode != 0
    assert "Interrupted" in shown.decode()
    assert "Traceback" not in shown.decode()
    assert not psutil.pid_exists(driver)
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE


def test_memory_counts_children_and_keeps_the_peak():
    allocate = "import sys; block = bytearray(64 * 2**20); print(flush=True); sys.stdin.read()"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {allocate!r}])"
    driver = subprocess.Popen([sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    driver.stdout.readline()
    meter = MemoryMeter(driver.pid)
    assert meter.measure() > 64 * 2**20
    peak = meter.peak_bytes
    driver.communicate()
    assert meter.measure() == 0
    assert meter.peak_bytes == peak
