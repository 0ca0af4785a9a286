"""A stage's verdict, from real processes that end well, badly, or not in time; what must have come of a training."""

import json
import sys
import time

import pytest

from groupwise.errors import GroupwiseError
from groupwise.smoke import gpu_memory, stages
from groupwise.smoke.stages import Stage, look_at_training, perform


def stage(tmp_path, code: str, look=dict) -> Stage:
    return Stage("a stage", [sys.executable, "-S", "-c", code], tmp_path / "log", look)


@pytest.mark.parametrize(
    ("code", "seconds", "ok", "words"),
    [
        ("pass", 30, True, ""),
        ("raise SystemExit(3)", 30, False, "It ended with exit code 3.\nlast words"),
        ("import time; time.sleep(60)", 0.2, False, "It was not over in the time that was left for it.\nlast words"),
        ("import time; time.sleep(60)", -1, False, "It was not over in the time that was left for it.\nlast words"),
    ],
)
def test_the_verdict(tmp_path, code, seconds, ok, words):
    (tmp_path / "log").write_text("last words")
    begun = time.monotonic()
    result = perform(stage(tmp_path, code), begun + seconds)
    assert (result.ok, result.fault) == (ok, words)
    assert time.monotonic() - begun < 30


def test_a_stage_that_left_nothing_has_failed(tmp_path):
    def look():
        raise GroupwiseError("There must be figures.")

    result = perform(stage(tmp_path, "pass", look), time.monotonic() + 30)
    assert (result.ok, result.fault) == (False, "There must be figures.")


def test_one_that_ignores_the_signal_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "PATIENCE_SECONDS", 0.2)
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    assert not perform(stage(tmp_path, code), time.monotonic() + 1).ok


def test_the_largest_use_of_a_gpu_is_kept(monkeypatch):
    answers = iter([["100", "300"], ["700", "200"], []])
    monkeypatch.setattr(gpu_memory, "ask_gpus", lambda fields: next(answers))
    monkeypatch.setattr(gpu_memory, "SECONDS", 0.001)
    with gpu_memory.GpuMemory() as gpu:
        gpu._thread.join()
    assert gpu.peak_bytes == 700 * 2**20


STEP = {"actor/grad_norm": 0.5, "response_length/mean": 10.0, "timing_s/gen": 2.0, "timing_s/step": 3.0}


@pytest.mark.parametrize(
    ("logged", "words"),
    [
        ({1: STEP, 2: STEP}, "The steps 2 to 3 must be logged, but there are \\[2\\]"),
        ({}, "must hold a record a step"),
        ({1: STEP}, "but there are none"),
        ({2: STEP, 3: {**STEP, "actor/grad_norm": 0.0}}, "Each step must have a gradient"),
        ({1: {}, 2: STEP, 3: STEP}, None),
    ],
)
def test_what_a_training_must_leave(tmp_path, logged, words):
    lines = (json.dumps({"step": step, "data": data}) for step, data in logged.items())
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    (tmp_path / "memory.json").write_text(json.dumps({"peak_bytes": 2**30}))
    if words is None:
        figures = look_at_training(tmp_path, first=2, last=3, responses=8)
        # Twice 8 responses of 10 tokens in 2 seconds.
        assert (figures["tokens_per_second"], figures["host_peak_gib"]) == (40, 1)
        return
    with pytest.raises(GroupwiseError, match=words):
        look_at_training(tmp_path, first=2, last=3, responses=8)
