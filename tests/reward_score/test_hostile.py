r"""Hostile responses to math rows, wherever verl may score them: no exception, no hang, nothing executed."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reward_score import compute_score
from reward_score.sandbox import guard
from reward_score.verdict import FAILURES, MAX_PRED_CHARS, MAX_REASON_CHARS

MATH, DAPO, GSM8K = "lighteval/MATH", "math_dapo", "openai/gsm8k"
MEGABYTE = 10**6
SECONDS = 2.5
"""What no response may take, on a busy machine too: those here take milliseconds, and the few that reach math-verify
tenths of a second. benchmarks/verifier_fuzz.py holds 200,000 to one second on an idle one."""

LONG = {
    "text": "a " * (MEGABYTE // 2) + r"\boxed{7}",
    "newlines": "\n" * MEGABYTE,
    "zeros": "\0" * MEGABYTE,
    "digits in a box": r"\boxed{" + "1" * MEGABYTE + "}",
    "parentheses in a box": r"\boxed{" + "(" * MEGABYTE,
    "boxes": r"\boxed{4}" * (MEGABYTE // 9),
    "open boxes": r"\boxed{" * (MEGABYTE // 7),
    "nested boxes": r"\boxed{" * 50_000 + "1" + "}" * 50_000,
    "open boxes and a closed one": r"\boxed{" * 100_000 + r"}\boxed{4}",
    "answers": "Answer: " * (MEGABYTE // 8),
    "an answer and blanks": "answer" + " " * MEGABYTE + ":",
    "hashes": "####" * (MEGABYTE // 4),
    "thoughts": "<think>" * (MEGABYTE // 7),
    "ends of thoughts": "</think>" * (MEGABYTE // 8) + r"\boxed{4}",
    "backslashes": "\\" * MEGABYTE,
}
ANSWERS = {
    "tower": "9^{9^{9^{9}}}",
    "power of a factorial": "2^{20!}",
    "double factorial": "99999999!!",
    "brackets that do not match": r"(1,2\}",
    "factorial": "10000000!",
    "binomial": r"\binom{1000000000}{500000000}",
    "sum": r"\sum_{k=1}^{100000000} k",
    "integral": r"\int_0^1 e^{-x^2} dx",
    "power": "(x+y+z)^{200}",
    "exponentials": "e^{e^{e^{10}}}",
    "logarithms": r"\log\log\log\log 5",
    "sine": r"\sin(10^{300})",
    "root": r"\sqrt[1000000]{2}",
    "exponent": "1e-999999999",
    "decimals": "0." + "1" * 1900,
    "union": r"\cup".join(f"({n},{n + 1})" for n in range(150)),
    "list": ",".join("12345" for _ in range(300)),
    "commas": "," * 1900,
    "equations": "=" * 1900,
    "signs": "-" * 1900 + "5",
    "both signs": r"\pm 1," * 200,
    "parentheses": "(" * 300 + "1" + ")" * 300,
    "fractions": r"\frac{1}{" * 100 + "2" + "}" * 100,
    "fractions without a denominator": r"\frac{" * 250 + "}" * 250,
    "roots of fractions without a denominator": r"\frac{\sqrt{" * 150 + "}" * 300,
    "a sentence around an equation": "The maximum value of the expression is 3+2 = 6",
    "a long name of an equation": "Thenumberofverticalasymptotes" * 50 + "2=6",
    "letters set apart": r"\,a" * 600,
    "empty fractions": r"\frac" * 380,
    "roots": r"\sqrt{" * 100 + "2" + "}" * 100,
    "texts": r"\text{a}" * 200,
    "open texts": r"\text {" * 270 + "}" * 270,
    "blanks": "5" + " " * 1900 + "6",
    "scripts": "x" + "^2" * 900,
    "cells": r"\begin{pmatrix}" + "1&" * 900 + r"\end{pmatrix}",
    "environments": r"\begin{array}" * 140,
    "letters": "a" * 1999,
    "words": "5 " + "ab " * 600,
    "functions": "f(" * 140 + "x" + ")" * 140,
    "numbers and letters": "1x" * 150,
    "or": "or " * 600,
    "stars": "*" * 1900 + "6",
    "surrogate": "\ud800",
    "private use": "\ue000\ue001\ue002\ue003" * 100,
    "right to left": "\u202e5",
}
GOLDS = [
    *("5", r"\frac{1}{2}", "x^2+1", "(1,2)", "1,2", r"\begin{pmatrix}1\\2\end{pmatrix}", r"2\pi", r"\text{east}"),
    "2^{19!}",
]


@pytest.fixture(scope="module", autouse=True)
def _processes_are_up():
    guard.warm_up()


def check(verdict, seconds):
    assert not verdict["reason"].startswith(FAILURES)
    assert len(verdict["pred"]) <= MAX_PRED_CHARS
    assert 0 < len(verdict["reason"]) <= MAX_REASON_CHARS
    assert seconds < SECONDS


@pytest.mark.parametrize("source", [MATH, DAPO, GSM8K])
@pytest.mark.parametrize("name", LONG)
def test_a_response_of_a_megabyte(source, name):
    start = time.perf_counter()
    verdict = compute_score(source, LONG[name], "5")
    check(verdict, time.perf_counter() - start)
    assert verdict["acc"] == 0.0


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_made_to_explode(name):
    for gold in GOLDS:
        for source, response in ((MATH, rf"\boxed{{{ANSWERS[name]}}}"), (DAPO, f"Answer: {ANSWERS[name]}")):
            start = time.perf_counter()
            verdict = compute_score(source, response, gold)
            check(verdict, time.perf_counter() - start)
            assert verdict["acc"] == 0.0


@pytest.mark.parametrize(
    "code",
    [
        "__import__('os').system('touch {0}')",
        "[exec('import os; os.system(\"touch {0}\")')]",
        r"\pi*__import__('os').system('touch {0}')",
        "().__class__.__base__.__subclasses__()",
        "open('{0}','w')",
        r"\input{{{0}}}",
        r"\write18{{touch {0}}}",
    ],
)
@pytest.mark.parametrize("gold", ["5", r"2\pi", r"\begin{pmatrix}1\\2\end{pmatrix}", "[1,2]"])
def test_nothing_is_executed(code, gold, tmp_path):
    mark = tmp_path / "executed"
    for response in (rf"\boxed{{{code.format(mark)}}}", f"Answer: {code.format(mark)}", f"#### {code.format(mark)}"):
        for source in (MATH, DAPO):
            assert compute_score(source, response, gold)["acc"] == 0.0
    assert not mark.exists()


pieces = st.sampled_from(
    [
        *(
            r"\boxed{",
            "}",
            "{",
            r"\frac",
            r"\frac{1}{2}",
            r"\sqrt",
            r"\sqrt[3]{",
            r"\text{",
            r"\text{ or }",
            r"\pm",
            "$",
        ),
        *(
            r"\cup",
            r"\infty",
            r"\pi",
            "!",
            r"\begin{pmatrix}",
            r"\end{pmatrix}",
            r"\\",
            "&",
            r"\left(",
            r"\right]",
            "|",
        ),
        *("^", "_", "(", ")", "[", "]", ",", ";", "=", "<", r"\le", r"\in", "+", "-", "/", "%", ".", " ", "\n", " or "),
        *(
            "x",
            "y",
            "i",
            "e",
            "0",
            "1",
            "2",
            "34",
            "5.0",
            "1,234",
            "cm",
            "Answer:",
            "####",
            "<think>",
            "</think>",
            "\\",
        ),
        *("\N{MINUS SIGN}", "\N{INFINITY}", "\N{SQUARE ROOT}", "\N{VULGAR FRACTION ONE HALF}", "\x00", "\ud800"),
    ]
)
texts = st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=25).map("".join)


@settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(source=st.sampled_from([MATH, DAPO, GSM8K]), gold=st.sampled_from(GOLDS), response=texts, boxed=st.booleans())
def test_any_response_gets_a_verdict(source, gold, response, boxed):
    start = time.perf_counter()
    verdict = compute_score(source, rf"\boxed{{{response}}}" if boxed else response, "5" if source == GSM8K else gold)
    check(verdict, time.perf_counter() - start)


@settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(gold=texts)
def test_any_ground_truth_is_judged_against_or_told_to_be_none(gold):
    verdict = compute_score(MATH, rf"\boxed{{{gold}}}", gold)
    assert not verdict["reason"].startswith(("verifier error", "timeout"))
    # A response that is empty is right for no ground truth.
    assert compute_score(MATH, r"\boxed{}", gold)["acc"] == 0.0


RIGHT = (r"\boxed{\lfloor\log_2 n\rfloor+1}", r"1+\lfloor\log_2 n\rfloor")
WRONG = (r"\boxed{\lfloor\log_2 n\rfloor+2}", r"1+\lfloor\log_2 n\rfloor")
"""Pairs that only math-verify decides, in its worker process."""


def judge_both(_: object = None) -> list[float]:
    return [compute_score(MATH, *pair)["acc"] for pair in (RIGHT, WRONG)]


def test_judges_in_threads_and_executors():
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(judge_both, range(24))) == [[1.0, 0.0]] * 24

    async def gather():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(None, judge_both) for _ in range(8)))

    assert asyncio.run(gather()) == [[1.0, 0.0]] * 8


def test_judges_in_a_forked_process():
    assert judge_both() == [1.0, 0.0]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, str(judge_both()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"[1.0, 0.0]"
    os.close(read)
    os.close(write)
    # The parent's own worker is still its own.
    assert judge_both() == [1.0, 0.0]


JUDGE_ALONE = f"""
from reward_score import compute_score
print([compute_score({MATH!r}, *pair)["acc"] for pair in ({RIGHT!r}, {WRONG!r})])
"""


def test_judges_in_a_script_read_from_standard_input():
    found = subprocess.run([sys.executable, "-"], input=JUDGE_ALONE, capture_output=True, text=True, check=True)
    assert found.stdout == "[1.0, 0.0]\n"


def test_judges_in_a_spawned_process():
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        # A daemonic process, which may have no children of multiprocessing's.
        assert pool.apply(compute_score, (MATH, *RIGHT))["acc"] == 1.0
        assert pool.apply(compute_score, (MATH, *WRONG))["acc"] == 0.0


@pytest.mark.slow
def test_judges_in_a_ray_actor():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, address="local")
    try:

        @ray.remote
        class Judge:
            def judge(self):
                with ThreadPoolExecutor(2) as pool:
                    return pool.submit(lambda: [compute_score(MATH, *pair)["acc"] for pair in (RIGHT, WRONG)]).result()

        assert ray.get(Judge.remote().judge.remote(), timeout=60) == [1.0, 0.0]
    finally:
        ray.shutdown()
