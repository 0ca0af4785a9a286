"""Texts made to make a verifier slow, 1,000 here and 20,000 in benchmarks/pumped.py, and that a slow one is seen."""

import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pumped import all_readers, fault_of, run
from pumped_texts import Text, pumped, sentence, texts, units

from reward_score import register, registry
from reward_score.verdict import binary_verdict


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_verifiers", dict(registry._verifiers))


@pytest.mark.slow
def test_a_thousand_texts_are_each_judged_in_a_fifth_of_a_second():
    assert run(1000, 0, None) == []


def test_whole_solutions_are_judged_as_fast(shared_data: Path):
    assert run(300, 1, shared_data) == []


def test_pieces_are_those_of_the_patterns_and_tables():
    assert {"\\frac", "\\text", "{", "0", "\\approx", "\\leqslant", "cm", "for", "\\cup", "```", "<tool_call>"} <= set(
        units()
    )


def test_texts_are_the_same_for_a_seed_and_of_every_kind():
    first, again = ([text for text, _ in zip(texts(3, ["x"], ["r"]), range(400), strict=False)] for _ in "ab")
    assert first == again
    assert {text.kind.partition(",")[0] for text in first} == {"pumped", "sentence", "members", "solution"}
    assert {"r", "math_dapo", "openai/gsm8k", "rlla", "bfcl_v3/parallel"} <= {text.judged_by for text in first}
    assert sum(text.kind.endswith("gold") for text in first) > 20


def slow(seconds):
    def verify(solution_str, ground_truth, extra_info):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
        return binary_verdict(right=True, pred="5")

    return verify


def test_a_verdict_that_takes_too_much_processor_time_is_a_fault():
    register("test/fast")(slow(0.0))
    register("test/slow")(slow(0.25))
    assert fault_of(Text("pumped", "test/fast", "5", "5", {})) == ""
    assert re.fullmatch(r"0\.2\d s of processor time, .*", fault_of(Text("pumped", "test/slow", "5", "5", {})))


def test_a_reader_may_refuse_a_text_but_not_break_on_it(monkeypatch):
    def breaks(body):
        raise KeyError(body)

    def refuses(body):
        raise ValueError(body)

    for reader, fault in ((breaks, "KeyError: 'x'"), (refuses, "")):
        monkeypatch.setitem(all_readers(), "reader", reader)
        assert fault_of(Text("pumped", "reader", "x", "", {})) == fault


HANGS = """
import re, sys
import pumped
from reward_score import register
register("test/hangs")(lambda solution_str, ground_truth, extra_info: re.fullmatch("(a*)*b", "a" * 40))
pumped.KILL_SECONDS = 0.3
pumped.judge_here([(7, pumped.Text("pumped", "test/hangs", "", "", {}))], int(sys.argv[1]))
"""


def test_a_pattern_that_never_ends_ends_its_process_and_is_named(tmp_path):
    progress = tmp_path / "progress"
    with progress.open("wb+") as file:
        done = subprocess.run(
            [sys.executable, "-c", HANGS, str(file.fileno())],
            pass_fds=[file.fileno()],
            env={"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == -signal.SIGPROF
    assert int(progress.read_text()) == 7
    assert "in fullmatch" in done.stderr


@pytest.mark.parametrize("make", [pumped, sentence])
def test_an_answer_fits_into_what_is_looked_at(make):
    rng = random.Random(0)
    assert all(len(make(rng, 1_980)) <= 2_000 for _ in range(300))
