"""The soak's own machinery, on a stand-in for the training: small processes that carry a run's mark."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import soak
import soak_attempt
import soak_data
import soak_events
import soak_machine
import yaml
from soak_course import Course, Deck, Record, last_sentence, latest_checkpoint, missing_parts

from data_prep import arithmetic
from groupwise.launch.leftovers import MARK

# Stands for `python -m recipe.dipo.main_dipo`: resumes, logs a line a step, saves every ten, ends when its engine is
# gone, and ends at its start what an earlier one left. The first three times it stays in a step until it is killed:
# before the first checkpoint, behind it, and behind the second.
TRAINING = """
import json, os, pathlib, signal, subprocess, sys, time
folder, total, behaviour = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
checkpoints, metrics = folder / "checkpoints", folder / "metrics.jsonl"
mark = {"GROUPWISE_RUN_FOLDER": str(checkpoints)}
if (folder / "engine.pid").exists() and behaviour != "leaves":
    earlier = pathlib.Path("/proc", (folder / "engine.pid").read_text(), "cmdline")
    # Empty once it is dead, gone once it is reaped.
    while earlier.exists() and earlier.read_bytes():
        os.kill(int(earlier.parent.name), signal.SIGKILL)
        time.sleep(0.005)
engine = subprocess.Popen(["VLLM::EngineCore", "600"], executable="/bin/sleep", env={**os.environ, **mark})
(folder / "engine.pid").write_text(str(engine.pid))
if metrics.exists() and metrics.stat().st_size:
    metrics.rename(folder / f"metrics.{time.time_ns()}.jsonl")
with (folder / "starts").open("a") as starts:
    starts.write(".")
stays_in = {1: 7, 2: 17, 3: 23}.get((folder / "starts").stat().st_size)
tracker = checkpoints / "latest_checkpointed_iteration.txt"
first = int(tracker.read_text()) + 1 if tracker.exists() else 1
with metrics.open("w") as log:
    for step in range(first, total + 1):
        while engine.poll() is not None or (step == stays_in and behaviour != "never saves"):
            if engine.poll() is not None and behaviour != "hangs":
                sys.exit("A process died. Start the same command again: it resumes.")
            time.sleep(0.005)
        time.sleep(0.005)
        if step % 10 == 0 and behaviour != "never saves":
            parts = checkpoints / f"global_step_{step}"
            (parts / "actor").mkdir(parents=True, exist_ok=True)
            for name in ("data.pt", "method.pt", "method.json"):
                (parts / name).touch()
            tracker.with_name("partial").write_text(str(step))
            tracker.with_name("partial").replace(tracker)
        print(json.dumps({"step": step, "data": {}}), file=log, flush=True)
engine.kill()
engine.wait()
"""


@pytest.fixture(autouse=True)
def at_speed(monkeypatch):
    monkeypatch.setattr(soak_attempt, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(soak_attempt, "SAMPLE_SECONDS", 0.05)
    # A stand-in that waits for a kill that does not come must not hold up the tests.
    monkeypatch.setattr(soak_attempt, "STALL_PATIENCE", 30.0)
    monkeypatch.delenv(MARK, raising=False)


@pytest.fixture
def sleeper():
    """Starts a process with a title, marked as one of a folder's run or not."""
    started = []

    def start(title: str, place: str | None) -> int:
        environment = {**os.environ, **({MARK: place} if place else {})}
        started.append(subprocess.Popen([title, "600"], executable="/bin/sleep", env=environment))
        file = Path("/proc", str(started[-1].pid), "cmdline")
        while not file.read_bytes().startswith(title.encode()):
            time.sleep(0.005)
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def course(tmp_path):
    """Makes a soak of the stand-in: 40 steps, a kill as soon as the first step of an attempt is seen, up to step 25."""

    def make(behaviour: str, kinds=("driver", "engine core")) -> Course:
        (tmp_path / "training.py").write_text(TRAINING)
        (tmp_path / "checkpoints").mkdir()
        command = [sys.executable, "-S", "-E", str(tmp_path / "training.py"), str(tmp_path), "40", behaviour]
        draw = random.Random(0)
        return Course(command, tmp_path, 25, (0.0, 0.0), Deck(kinds, draw), draw)

    yield make
    for pid in soak_machine.victims(str(tmp_path / "checkpoints"), "engine core", 0):
        os.kill(pid, 9)


def train(course: Course) -> list[dict]:
    record = Record(course.folder / "soak.jsonl")
    soak.train(course, record, total=40)
    return record.read()


def test_an_attempt_does_not_take_the_metrics_of_an_earlier_one_for_its_own(course):
    given = course("sound")
    given.metrics.write_text('{"step": 1, "data": {}}\n{"step": 2, "data": {}}\n')
    attempt = soak_attempt.Attempt(given, 2, Record(given.folder / "soak.jsonl"), must_save=False, left=[])
    attempt.read_steps()
    assert attempt.steps == []
    # The run moves them aside and begins a file of its own.
    given.metrics.rename(given.folder / "metrics.1.jsonl")
    given.metrics.write_text('{"step": 3, "data": {}}\n')
    attempt.read_steps()
    assert attempt.steps == [3]


def test_an_empty_file_of_metrics_is_written_anew(course):
    given = course("sound")
    given.metrics.touch()
    attempt = soak_attempt.Attempt(given, 2, Record(given.folder / "soak.jsonl"), must_save=False, left=[])
    given.metrics.write_text('{"step": 1, "data": {}}\n')
    attempt.read_steps()
    assert attempt.steps == [1]


def test_a_training_that_is_killed_again_and_again_comes_to_its_end(course):
    events = train(course("sound"))
    attempts = soak_events.read_attempts(events)
    kinds = [attempt.kill["kind"] for attempt in attempts if attempt.kill]
    assert set(kinds) == {"driver", "engine core"}
    assert len(kinds) >= 3
    assert soak.soak_checks.check_lineage(attempts, total=40).faults == []
    assert soak.soak_checks.check_ends(attempts).faults == []
    codes = {attempt.kill["kind"]: attempt.end["code"] for attempt in attempts if attempt.kill}
    assert codes == {"driver": -9, "engine core": 1}
    assert all(event["step"] < 25 for event in events if event["event"] == "kill")
    # The first was killed before it had saved, so the second was left alone until it had.
    assert [attempt.checkpoint for attempt in attempts[:3]] == [0, 0, 10]
    # The line of the step in which it saved may be missing.
    assert attempts[1].steps[-1] >= 9


def test_a_run_that_stalls_is_ended_and_its_memory_is_sampled_by_kind(course, monkeypatch):
    class Impatient(Record):
        """The patience ends with the first sample of the step that the first attempt stays in."""

        def add(self, event, **data):
            super().add(event, **data)
            if data.get("trained") == 6:
                monkeypatch.setattr(soak_attempt, "STALL_PATIENCE", 0.0)

    given = course("sound")._replace(kill_until=0)
    record = Impatient(given.folder / "soak.jsonl")
    end = soak_attempt.Attempt(given, 1, record, must_save=False, left=[]).run()
    assert end["hung"]
    assert end["steps"] == [1, 2, 3, 4, 5, 6]
    samples = [event for event in record.read() if event["event"] == "sample"]
    assert samples[-1]["trained"] == 6
    assert all(set(event["kinds"]) == {"driver", "engine core"} for event in samples)
    assert all(0 < event["total"] < 100 for event in samples)


def test_a_run_that_hangs_is_ended_and_told(course, monkeypatch):
    monkeypatch.setattr(soak_attempt, "KILL_PATIENCE", 0.3)
    attempts = soak_events.read_attempts(train(course("hangs", kinds=["engine core"])))
    assert attempts[0].end["hung"]
    assert "Attempt 1 (engine core) must end by itself, but hung" in soak.soak_checks.check_ends(attempts).faults[0]


def test_processes_that_the_next_start_does_not_end_are_told(course):
    attempts = soak_events.read_attempts(train(course("leaves", kinds=["driver"])))
    # The engine lives on after its launching process was killed, and the next start leaves it alone.
    assert attempts[0].end["left"] == attempts[1].survivors != []
    assert any("lived on" in fault for fault in soak.soak_checks.check_ends(attempts).faults)


def test_a_run_that_does_not_get_on_ends_the_soak(course):
    given = course("never saves")
    with pytest.raises(RuntimeError, match="3 attempts in a row must save a checkpoint"):
        train(given._replace(kill_until=0))


def test_victims_are_of_the_run_and_of_the_kind(sleeper, tmp_path):
    place = str(tmp_path / "run")
    mine, other = sleeper("VLLM::EngineCore", place), sleeper("VLLM::EngineCore", str(tmp_path / "run2"))
    unmarked, worker = sleeper("VLLM::EngineCore", None), sleeper("ray::WorkerDict.update", place)
    runner = sleeper("ray::GroupwiseTaskRunner.run", place)
    assert soak_machine.victims(place, "engine core", driver=1) == [mine]
    assert soak_machine.victims(place, "training worker", driver=1) == [worker]
    assert soak_machine.victims(place, "controller", driver=1) == [runner]
    assert soak_machine.victims(place, "vLLM server", driver=1) == []
    assert soak_machine.victims(place, "driver", driver=77) == [77]
    assert not {other, unmarked} & {process.pid for process in soak_machine.alive(place)}
    assert len(soak_machine.alive(place)) == 3


def test_every_kind_is_drawn_before_one_is_drawn_again():
    deck = Deck(["a", "b", "c"], random.Random(0))
    drawn = [deck.take(lambda kind: [1])[0] for _ in range(6)]
    assert Counter(drawn[:3]) == Counter(drawn[3:]) == Counter("abc")


def test_a_kind_without_a_process_does_not_end_the_kills():
    deck = Deck(["a", "b"], random.Random(0))

    def find(kind):
        return [5] if kind == "b" else []

    taken = [deck.take(find) for _ in range(4)]
    assert taken == [("b", [5]), None, ("b", [5]), None]


def test_a_process_that_was_killed_is_not_alive(sleeper, tmp_path):
    pid = sleeper("VLLM::Worker", str(tmp_path))
    (process,) = soak_machine.alive(str(tmp_path))
    assert soak_machine.is_alive(process)
    os.kill(pid, 9)
    # It is not reaped yet.
    while process.status() != "zombie":
        time.sleep(0.005)
    assert not soak_machine.is_alive(process)


def test_what_is_left_behind(tmp_path, monkeypatch):
    shared, temporary = tmp_path / "shm", tmp_path / "t"
    monkeypatch.setattr(soak_machine, "SHARED_MEMORY", shared)
    monkeypatch.setattr(soak_machine.tempfile, "gettempdir", lambda: str(temporary))
    (temporary / "ray" / "session_1").mkdir(parents=True)
    shared.mkdir()
    (shared / "before").touch()
    before = soak_machine.look()
    assert soak_machine.left_behind(before, soak_machine.look()) == ([], {})
    (shared / "psm_1").touch()
    (temporary / "ray" / "session_2").mkdir()
    for name in ("12345678-1234-1234-1234-1234567890ab", "ckpt_0123abcd.lock", "pymp-abc", "note.txt"):
        (temporary / name).touch()
    with socket.socket(socket.AF_UNIX) as used:
        # Bound by a living process: not left by anyone.
        used.bind(str(temporary / "abcdef12-1234-1234-1234-1234567890ab"))
        found = soak_machine.left_behind(before, soak_machine.look())
    kinds = ["Ray's sessions (logs)", "multiprocessing's folders", "others", "vLLM's sockets"]
    assert found == (["psm_1"], {**dict.fromkeys(kinds, 1), "verl's lock files of folders": 1})


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_mapped_block_is_in_use(is_linked):
    """Also one that has got another name since it was mapped, as semaphores do."""
    block = Path("/dev/shm", f"dipo-soak-test-{os.getpid()}")
    before = soak_machine.look()
    made = f"{block}-at-first" if is_linked else str(block)
    hold = f"import mmap, os, sys; f = open('{made}', 'wb+'); f.truncate(64); m = mmap.mmap(f.fileno(), 64)"
    if is_linked:
        hold += f"; os.link('{made}', sys.argv[1]); os.unlink('{made}')"
    hold += "; print(1); input()"
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", "-u", "-c", hold, block], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"1\n"
        assert block.name not in soak_machine.left_behind(before, soak_machine.look())[0]
        process.communicate(b"\n")
        assert block.name in soak_machine.left_behind(before, soak_machine.look())[0]
    finally:
        process.kill()
        process.communicate()
        block.unlink()


def test_what_a_checkpoint_lacks(tmp_path):
    assert latest_checkpoint(tmp_path) == 0
    assert missing_parts(tmp_path, 0) == []
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("20")
    (tmp_path / "global_step_20" / "actor").mkdir(parents=True)
    (tmp_path / "global_step_20" / "data.pt").touch()
    assert latest_checkpoint(tmp_path) == 20
    assert missing_parts(tmp_path, 20) == ["method.pt", "method.json"]


def test_the_sentence_a_run_ends_with():
    told = "The run cannot go on: x is gone. Start the same command again: it resumes."
    assert last_sentence(f"a\n{told}\n(pid=1) later noise\n\n") == told
    assert last_sentence("a\nKeyError: 3\n") == "KeyError: 3"
    assert last_sentence("") == "(no output)"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """48 rows with different prompts."""
    folder = tmp_path_factory.mktemp("data")
    assert arithmetic.main(["--output", str(folder), "--train-size", "200", "--val-size", "8"]) == 0
    soak_data.write_rows(folder / "train.parquet", folder / "few" / "train.parquet", rows=48)
    return folder / "few" / "train.parquet"


def test_rows_have_different_prompts(rows):
    prompts = [messages[0]["content"] for messages in pq.read_table(rows)["prompt"].to_pylist()]
    assert len(prompts) == len(set(prompts)) == 48
    with pytest.raises(ValueError, match="must hold 49 different prompts, but has 48"):
        soak_data.write_rows(rows, rows.with_name("more.parquet"), rows=49)


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
def test_the_expected_order_goes_through_all_rows_in_each_epoch(rows, tmp_path):
    data = {"train_files": str(rows), "train_batch_size": 8, "shuffle": True, "seed": 0}
    (tmp_path / "config.yaml").write_text(yaml.dump({"data": data}))
    expected = soak_data.expected_prompts(tmp_path / "config.yaml", steps=13)
    assert list(expected) == list(range(1, 14))
    everything = sorted(messages[0]["content"] for messages in pq.read_table(rows)["prompt"].to_pylist())
    epochs = [[prompt for step in range(first, first + 6) for prompt in expected[step]] for first in (1, 7)]
    assert [sorted(epoch) for epoch in epochs] == [everything, everything]
    assert epochs[0] != epochs[1]


def test_the_command_is_one_that_hydra_takes(tmp_path):
    from groupwise.demo.launch import compose_config

    config = compose_config(soak.command_of(tmp_path, 400)[4:], recipe="recipe.dipo")
    assert config.trainer.total_training_steps == 400
    assert config.trainer.save_freq == 20
    # A prompt batch is one update.
    assert config.actor_rollout_ref.actor.ppo_mini_batch_size == soak.PROMPTS
    assert soak.ROWS % soak.PROMPTS == 0
    # A checkpoint falls on the end of an epoch.
    assert soak.ROWS // soak.PROMPTS % soak.SAVE_EVERY == 0


def test_a_soak_that_did_not_end_is_not_judged(tmp_path):
    (tmp_path / "soak.jsonl").write_text(json.dumps({"event": "begin", "total": 3}) + "\n")
    with pytest.raises(ValueError, match="must hold a soak that came to its end"):
        soak.judge(tmp_path)


def test_the_record_keeps_what_it_was_given(tmp_path):
    record = Record(tmp_path / "soak.jsonl")
    record.add("start", attempt=1)
    record.add("end", attempt=1, steps=[1, 2])
    first, second = record.read()
    assert first["event"] == "start"
    assert second["steps"] == [1, 2]
    assert abs(time.time() - second["time"]) < 60
