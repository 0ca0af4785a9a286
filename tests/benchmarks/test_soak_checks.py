"""What a soak demands, on records made by hand: each check holds for a good one and names the fault of a bad one."""

import copy
import random
import re
from typing import ClassVar

import pytest
import soak_checks
import soak_events
import soak_memory

TOTAL, SAVE_EVERY = 100, 20


def events_of(*attempts):
    """The events of attempts (checkpoint, last step logged, kind killed)."""
    events = [{"event": "begin", "total": TOTAL}]
    for number, (checkpoint, last, kind) in enumerate(attempts, 1):
        steps = list(range(checkpoint + 1, last + 1))
        sentence = "A process died. Start the same command again: the run resumes."
        code, error = {None: (0, ""), "driver": (-9, "(no output)")}.get(kind, (1, sentence))
        seconds = {"driver": 0.0}.get(kind, 7.0)
        end = {"code": code, "error": error, "left": [4711] if kind == "driver" else [], "hung": False}
        told = [
            {"event": "start", "checkpoint": checkpoint, "missing": [], "pid": 1},
            *([{"event": "resume", "first": steps[0], "survivors": []}] if steps else []),
            *([{"event": "kill", "kind": kind, "pid": 2, "step": last}] if kind else []),
            {"event": "end", "seconds": seconds, "steps": steps, **end},
        ]
        events += [{"attempt": number, **event} for event in told]
    return events


GOOD = [(0, 45, "driver"), (40, 79, "engine core"), (60, 60, "controller"), (60, 100, None)]


@pytest.fixture
def attempts():
    return soak_events.read_attempts(events_of(*GOOD))


def attempts_of(*given):
    return soak_events.read_attempts(events_of(*given))


class TestLineage:
    def test_of_a_good_soak(self, attempts):
        check = soak_checks.check_lineage(attempts, total=TOTAL)
        assert check.faults == []
        # 1 to 40 of the first attempt, 41 to 60 of the second, none of the third, 61 to 100 of the last.
        assert check.found == "100 of 100 steps in 4 attempts"

    def test_a_saved_step_that_was_not_logged_is_not_lost(self):
        # Killed between the checkpoint of step 40 and its metrics.
        assert soak_checks.check_lineage(attempts_of((0, 39, "driver"), (40, 100, None)), total=TOTAL).faults == []

    @pytest.mark.parametrize(
        ("given", "fault"),
        [
            ([(0, 37, "driver"), (40, 100, None)], r"Steps \[39, 40\] must be in the final model"),
            ([(0, 45, "driver"), (40, 99, None)], r"Steps \[100\] must be in the final model"),
            ([(0, 45, "driver"), (40, 101, None)], r"Training must end at step 100, but went on to \[101\]"),
        ],
    )
    def test_of_a_bad_one(self, given, fault):
        (found,) = soak_checks.check_lineage(attempts_of(*given), total=TOTAL).faults
        assert re.match(fault, found), found

    def test_work_that_was_thrown_away_is_not_in_the_model_twice(self):
        # The last attempt resumed at 20: 1 to 20 of the first, none of the second. What that cost is told elsewhere.
        given = attempts_of((0, 45, "driver"), (40, 65, "driver"), (20, 100, None))
        assert soak_checks.check_lineage(given, total=TOTAL).faults == []
        faults = soak_checks.check_redone(given, save_every=20).faults
        assert faults == ["Attempt 2 must lose at most 20 steps, but lost 45."]

    def test_a_resume_before_the_checkpoint(self, attempts):
        moved = attempts[1]._replace(steps=list(range(39, 80)))
        faults = soak_checks.check_lineage([attempts[0], moved, *attempts[2:]], total=TOTAL).faults
        assert faults == [
            "Attempt 2 must go on with step 41, but began with 39.",
            "Steps [39, 40] must be in the final model once, but are there twice.",
        ]

    def test_a_resume_elsewhere(self, attempts):
        moved = attempts[1]._replace(steps=list(range(42, 80)))
        faults = soak_checks.check_lineage([attempts[0], moved, *attempts[2:]], total=TOTAL).faults
        assert "Attempt 2 must go on with step 41, but began with 42." in faults
        assert "Steps [41] must be in the final model, but are not." in faults

    def test_a_step_that_is_skipped_within_an_attempt(self, attempts):
        skipped = attempts[1]._replace(steps=[41, 42, 44, 45])
        faults = soak_checks.check_lineage([attempts[0], skipped, *attempts[2:]], total=TOTAL).faults
        assert "Attempt 2 must train one step after another, but logged [41, 42, 44, 45]." in faults

    def test_a_checkpoint_that_is_not_whole(self, attempts):
        torn = attempts[2]._replace(missing=["data.pt"])
        faults = soak_checks.check_lineage([*attempts[:2], torn, attempts[3]], total=TOTAL).faults
        assert faults == ["The checkpoint of step 60 must be whole, but lacks ['data.pt']."]


class TestRedone:
    def test_of_a_good_soak(self, attempts):
        check = soak_checks.check_redone(attempts, save_every=SAVE_EVERY)
        # 41 to 45, 61 to 79, and nothing: the third attempt logged no step.
        assert (check.faults, check.found) == ([], "24 steps, at most 19")

    def test_of_a_checkpoint_that_was_not_used(self):
        check = soak_checks.check_redone(attempts_of((0, 45, "driver"), (20, 100, None)), save_every=SAVE_EVERY)
        assert check.faults == ["Attempt 1 must lose at most 20 steps, but lost 25."]


class TestEnds:
    def test_of_a_good_soak(self, attempts):
        check = soak_checks.check_ends(attempts)
        assert (check.faults, check.found) == ([], "3 kills; the run ended 0 to 7 s after")

    def change(self, attempts, place, **end):
        changed = copy.deepcopy(attempts)
        changed[place].end.update(end)
        return soak_checks.check_ends(changed).faults

    def test_a_run_that_hangs(self, attempts):
        (fault,) = self.change(attempts, 1, hung=True, seconds=181.0)
        assert fault == "Attempt 2 (engine core) must end by itself, but hung; it was ended after 181 s."

    def test_a_run_that_ends_without_a_sentence(self, attempts):
        (fault,) = self.change(attempts, 1, error="KeyError: 3")
        assert fault == "Attempt 2 (engine core) must end with a sentence, but ended with: KeyError: 3"

    def test_processes_that_are_left(self, attempts):
        assert self.change(attempts, 1, left=[12]) == ["Attempt 2 (engine core) must leave no process, but left [12]."]

    def test_processes_that_the_next_start_does_not_end(self, attempts):
        attempts[1] = attempts[1]._replace(survivors=[4711])
        (fault,) = soak_checks.check_ends(attempts).faults
        assert fault.endswith("must end what was left of the attempt before, but [4711] lived on.")

    def test_a_run_that_ends_before_it_is_killed(self, attempts):
        attempts[1] = attempts[1]._replace(kill=None)
        beginning = "Attempt 2 (not killed) must not end before its time"
        assert soak_checks.check_ends(attempts).faults[0].startswith(beginning)

    def test_a_last_attempt_that_fails(self, attempts):
        assert self.change(attempts, 3, code=1) == ["The last attempt must end with 0, but ended with 1."]


def test_attempts_without_an_end_are_left_out():
    events = events_of(*GOOD)
    assert len(soak_events.read_attempts(events[:-1])) == 3


class TestLog:
    def test_of_a_good_soak(self):
        assert soak_checks.check_log(range(1, 101), total=TOTAL) == ("metrics of each step", [], "100 of 100 steps")

    def test_of_metrics_by_step(self):
        # As run_log.read_run has them.
        steps = {step: {"dipo/queue_size": 2.0} for step in range(1, 101)}
        assert soak_checks.check_log(steps, total=TOTAL).faults == []

    def test_of_a_bad_one(self):
        steps = [step for step in range(1, 102) if step != 60] + [7]
        faults = soak_checks.check_log(steps, total=TOTAL).faults
        assert faults == [
            "Steps [60] must have metrics, but have none.",
            "Steps [7, 101] must not be logged, or once.",
        ]


class TestData:
    EXPECTED: ClassVar = {1: ["a", "b"], 2: ["c", "d"], 3: ["b", "a"]}

    def dumped(self):
        return {
            step: [(f"uid-{step}-{prompt}", prompt) for prompt in prompts for _ in range(8)]
            for step, prompts in self.EXPECTED.items()
        }

    def faults(self, dumped):
        return soak_checks.check_data(dumped, self.EXPECTED, responses=8).faults

    def test_of_a_good_soak(self):
        dumped = self.dumped()
        # Responses are dumped in any order.
        random.Random(0).shuffle(dumped[2])
        assert soak_checks.check_data(dumped, self.EXPECTED, responses=8) == (
            "order of the data",
            [],
            "6 groups of 3 steps",
        )

    def test_a_prompt_that_was_lost(self):
        dumped = self.dumped()
        dumped[2] = [(uid, prompt.replace("d", "e")) for uid, prompt in dumped[2]]
        assert self.faults(dumped) == ["Step 2 must train on ['c', 'd'], but did on ['c', 'e']."]

    def test_a_prompt_that_came_twice(self):
        dumped = self.dumped()
        dumped[2] += [("uid-2-more", "d")] * 8
        assert self.faults(dumped) == ["Step 2 must train on ['c', 'd'], but did on ['c', 'd', 'd']."]

    def test_a_group_that_was_trained_twice(self):
        dumped = self.dumped()
        dumped[3] = [("uid-1-a" if prompt == "a" else uid, prompt) for uid, prompt in dumped[3]]
        assert self.faults(dumped) == ["Step 3 must have groups of its own, but has some of steps [1]."]

    def test_a_response_that_was_lost(self):
        dumped = self.dumped()
        dumped[1].pop()
        assert self.faults(dumped) == ["Step 1 must have 8 responses a prompt, but has [7, 8]."]

    def test_a_step_that_was_not_dumped(self):
        dumped = self.dumped()
        del dumped[2]
        assert self.faults(dumped) == ["Step 2 must be dumped, but is not."]


class TestReplay:
    def test_of_a_good_soak(self):
        check = soak_checks.check_replay({"1": [], "2": [], "3": []}, total=3)
        assert (check.faults, check.found) == ([], "3 of 3 steps replayed bit for bit")

    def test_of_a_bad_one(self):
        check = soak_checks.check_replay({"1": [], "2": ["threshold", "queue_size"], "4": None}, total=4)
        assert check.faults == [
            "Steps 3, 4 must be replayed, but were not.",
            "Step 2 must be decided as the replay does, but differs in threshold, queue_size.",
        ]


def samples(growth, *, attempt=1, steps=100, noise=5.0, total=10_000.0):
    """Samples of an attempt, a sample each third step, with a warm-up that is left out of the slope."""
    draw = random.Random(attempt)
    for step in range(1, steps, 3):
        warm = 30 * max(0, soak_memory.WARM_UP - step)
        size = total - warm + growth * step / 100 + draw.gauss(0, noise)
        yield {"event": "sample", "attempt": attempt, "trained": step, "total": size, "controller": size / 10}


class TestMemory:
    def test_a_slope_is_found_behind_the_warm_up(self):
        (slope,) = soak_memory.memory_slopes(samples(150.0, noise=1.0), "total")
        assert slope.growth == pytest.approx(150, abs=3)
        assert slope.low < slope.growth < slope.high
        # The first sample behind the warm-up is of step 22, the last of step 97.
        assert slope.steps == 75

    def test_flat_memory_holds(self):
        checks = soak_memory.check_memory(list(samples(0.0)))
        assert [check.faults for check in checks] == [[], []]
        assert re.search(r"MiB per 100 steps of (10,00|9,99)\d over 75 steps", checks[0].found)

    def test_a_leak_does_not(self):
        # 2% of 10,000 MiB are 200 MiB per 100 steps; the controller has a tenth of both.
        faults = [check.faults for check in soak_memory.check_memory(list(samples(260.0)))]
        assert faults[0][0].startswith("Attempt 1 must grow by at most 20")
        assert len(faults[1]) == 1

    def test_less_memory_holds(self):
        assert soak_memory.check_memory(list(samples(-500.0)))[0].faults == []

    def test_the_longest_attempt_decides(self):
        short = samples(0.0, attempt=2, steps=70)
        checks = soak_memory.check_memory([*short, *samples(260.0, attempt=1)])
        assert checks[0].faults[0].startswith("Attempt 1 ")
        assert checks[0].found.count("MiB per 100 steps") == 2

    def test_too_short_attempts_prove_nothing(self):
        checks = soak_memory.check_memory(list(samples(0.0, steps=50)))
        assert checks[0].faults == ["An attempt must be sampled over 40 steps behind the warm-up; none was."]


class TestLeft:
    CLEAN: ClassVar = {"processes": [], "shared_memory": [], "temporary": {}}

    def test_nothing(self):
        assert soak_checks.check_left(self.CLEAN) == ("nothing left", [], "nothing new")

    def test_files_of_others_and_logs_are_told_only(self):
        check = soak_checks.check_left({**self.CLEAN, "temporary": {"Ray's sessions (logs)": 9, "others": 2}})
        assert (check.faults, check.found) == ([], "9 Ray's sessions (logs), 2 others")

    @pytest.mark.parametrize(
        ("after", "fault"),
        [
            ({"processes": [7]}, "Processes [7] must have ended, but live."),
            ({"shared_memory": ["psm_1"]}, "Blocks ['psm_1'] must be gone, but are there."),
            (
                {"temporary": {"vLLM's sockets": 6}},
                "vLLM's sockets must be gone from the temporary folder, but 6 are there.",
            ),
        ],
    )
    def test_something(self, after, fault):
        assert soak_checks.check_left({**self.CLEAN, **after}).faults == [fault]


def test_the_table_tells_every_check_attempt_and_fault(attempts):
    checks = [soak_events.Check("one", [], "fine"), soak_events.Check("two", ["It is bad."], "3")]
    lines = soak_events.describe(checks, attempts)
    assert "| one | yes | fine |" in lines
    assert "| two | no | 3 |" in lines
    assert "| 2 | 40 | engine core | 79 | 1 | 7 |" in lines
    assert "| 4 | 60 | - | - | 0 | - |" in lines
    assert lines[-1] == "two: It is bad."
