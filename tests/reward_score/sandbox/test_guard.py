"""The net under every verdict: a verifier that hangs, also in C code that holds the interpreter's lock, is ended."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import reward_score
from reward_score import compute_score, registry
from reward_score.sandbox import guard
from reward_score.verdict import FAILURES

HERE = Path(__file__).parent
MATH = "HuggingFaceH4/MATH-500"
HANGS = "a" * 60
LATE = 20.0
"""What a verdict may take beyond its deadline on a busy machine."""


@pytest.fixture(scope="module")
def planted():
    compute_score(MATH, r"\boxed{x+1}", "1+x")  # the process is up, and knows nothing of the path to come
    sys.path.insert(0, str(HERE))
    before = dict(registry._verifiers)
    import planted_verifiers

    compute_score("planted/where", "", "")
    yield planted_verifiers
    registry._verifiers.clear()
    registry._verifiers.update(before)
    del sys.modules["planted_verifiers"]
    sys.path.remove(str(HERE))


def timed(*arguments):
    began = time.monotonic()
    return compute_score(*arguments), time.monotonic() - began


def test_a_verdict_that_hangs_in_re_ends_within_its_deadline_and_the_next_one_is_made(planted):
    verdict, seconds = timed("planted/hangs", HANGS, "")
    assert verdict == {
        "score": 0.0,
        "acc": 0.0,
        "format": 0.0,
        "pred": "",
        "reason": "timeout: no verdict within 1 s",
    }
    assert planted.SECONDS <= seconds < planted.SECONDS + LATE
    assert timed("planted/hangs", "right", "right")[0]["reason"] == "correct"


def test_other_threads_judge_on_while_a_verdict_hangs(planted):
    with ThreadPoolExecutor(8) as threads:
        hanging = threads.submit(compute_score, "planted/hangs longer", HANGS, "")
        time.sleep(0.1)
        others = list(threads.map(lambda i: compute_score(MATH, rf"\boxed{{{i}+x}}", f"x+{i % 2}")["acc"], range(10)))
        plain = list(threads.map(lambda i: compute_score("openai/gsm8k", f"#### {i}", "1")["acc"], range(10)))
        assert not hanging.done(), "the others were to be done before it ended"
    assert others == [1.0, 1.0] + [0.0] * 8
    assert plain == [0.0, 1.0] + [0.0] * 8
    assert hanging.result()["reason"] == "timeout: no verdict within 3 s"


def test_more_verdicts_hang_than_there_are_processes_and_each_has_its_whole_time(planted):
    async def gather():
        loop = asyncio.get_running_loop()
        wanted = [HANGS, "right", HANGS, "right", HANGS, "wrong"]
        calls = (loop.run_in_executor(None, compute_score, "planted/hangs", text, "right") for text in wanted)
        return [verdict["reason"].partition(":")[0] for verdict in await asyncio.gather(*calls)]

    found = asyncio.run(gather())
    assert found == ["timeout", "correct", "timeout", "correct", "timeout", "wrong answer"]


def test_a_child_killed_during_a_verdict_is_replaced_and_the_verdict_made(planted, tmp_path):
    file = tmp_path / "pids"
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(compute_score, "planted/killed", str(file), "", {"times": 2})
        os.kill(_first_line(file), signal.SIGKILL)
        assert call.result(timeout=LATE)["pred"] == "alive"


def test_a_child_killed_again_and_again_is_told(planted, tmp_path):
    file = tmp_path / "pids"
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(compute_score, "planted/killed", str(file), "", {"times": 9})
        for lines in (1, 2):
            os.kill(_first_line(file, lines), signal.SIGKILL)
        verdict = call.result(timeout=LATE)
    assert verdict["reason"].startswith("verifier error: WorkerCrashError: the job's process must live")
    assert "signal 9" in verdict["reason"]
    assert compute_score("planted/hangs", "right", "right")["acc"] == 1.0


def _first_line(file, lines=1):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if file.exists() and file.read_text().count("\n") >= lines:
            return int(file.read_text().split()[-1])
        time.sleep(0.01)
    raise AssertionError(f"nothing wrote {file}")


@pytest.mark.parametrize("victim", ["child", "server"])
def test_processes_killed_between_two_verdicts_cost_nothing_but_a_start(planted, victim):
    told = compute_score("planted/where", "", "")
    process = psutil.Process(int(told["score"] if victim == "child" else float(told["pred"])))
    process.kill()
    process.wait(LATE) if victim == "server" else time.sleep(0.05)
    again, seconds = timed("planted/where", "", "")
    assert again["reason"] == "told"
    assert again["score"] != told["score"]
    assert seconds < LATE


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        ("value", "verifier error: ValueError: invalid literal for int() with base 10: 'no number'"),
        ("gold", "unparsable gold: must be a number"),
        ("memory", "timeout: no verdict within 4 GiB of memory"),
        ("exit", "verifier error: WorkerCrashError: the job's process must live until it replies, got exit status 3"),
        ("segfault", "verifier error: WorkerCrashError: the job's process must live until it replies, got signal 11"),
        ("nothing", "verifier error: TypeError: a verifier must return a reward_score.Verdict, got NoneType"),
        ("dict", "verifier error: TypeError: a verifier must return a reward_score.Verdict, got dict"),
    ],
)
def test_what_a_verifier_does_wrong_keeps_its_reason(planted, misdeed, reason, caplog):
    verdict = compute_score("planted/fails", misdeed, "")
    assert verdict["reason"].startswith(reason)
    assert (verdict["score"], verdict["acc"]) == (0.0, 0.0)
    # A bug is logged with the line at which it happened, in the other process.
    assert ("planted_verifiers.py" in caplog.text) == (misdeed == "value")
    assert compute_score("planted/hangs", "right", "right")["acc"] == 1.0


def test_a_verifier_gets_what_the_caller_gave(planted):
    numpy = pytest.importorskip("numpy")
    info = {"id": "7", "none": None, "list": [1, (2, 3.5)], "array": numpy.array([1, 2])}
    seen = compute_score("planted/seen", "\ud800\x00é", {"a": ("b", 1)}, info, option={3}, other=1)["pred"]
    assert seen == repr(("\ud800\x00é", {"a": ("b", 1)}, info, {3}))


def test_what_cannot_be_sent_is_told(planted):
    verdict = compute_score("planted/seen", "", "", option=threading.Lock())
    assert verdict["reason"].startswith("verifier error: TypeError: ")


def test_a_verifier_may_leave_the_verdict_to_one_of_ours(planted):
    gold, right, wrong = r"1+\lfloor\log_2 n\rfloor", r"\boxed{\lfloor\log_2 n\rfloor+1}", r"\boxed{n}"
    assert [compute_score("planted/delegates", each, gold)["acc"] for each in (right, wrong)] == [1.0, 0.0]
    assert compute_score("planted/delegates", right, gold)["reason"] == "delegated: correct"


def test_a_function_without_a_name_that_a_module_registers_is_found_there(planted):
    assert compute_score("planted/unnamed", "", "")["pred"] != str(os.getpid())


def test_a_function_registered_by_another_module_is_found_by_its_name(planted, monkeypatch):
    monkeypatch.setattr(registry, "_verifiers", dict(registry._verifiers))
    reward_score.register("planted/again", seconds=0.3)(planted.hang)
    assert compute_score("planted/again", HANGS, "")["reason"] == "timeout: no verdict within 0.3 s"


def test_a_verifier_that_no_other_process_can_have_judges_here_and_that_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(registry, "_verifiers", dict(registry._verifiers))
    monkeypatch.setattr(guard, "_unguarded", set())
    reward_score.register("planted/local")(
        lambda s, g, e: reward_score.Verdict(0.0, 0.0, 1.0, str(os.getpid()), "told")
    )
    for _ in range(2):
        assert compute_score("planted/local", "", "")["pred"] == str(os.getpid())
    assert caplog.text.count("must be one that another process can import") == 1


@pytest.mark.parametrize("source", [MATH, "math_dapo", "planted/hangs", "openai/gsm8k"])
def test_where_no_process_can_be_started_that_is_the_reason(planted, source, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(guard, "_shared", None)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    verdict = compute_score(source, r"Answer: \boxed{x+1}" if source != "openai/gsm8k" else "#### five", "5")
    assert verdict["reason"].startswith("verifier error: WorkerUnavailableError: ")
    assert "must start as a worker server, got [Errno 1] Operation not permitted" in verdict["reason"]
    # What is plain needs none.
    assert compute_score("openai/gsm8k", "#### 5", "5")["acc"] == 1.0


def test_a_child_process_judges_by_itself():
    """No second pool in the guarded process, and none below a daemon that judges."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.apply(compute_score, (MATH, r"\boxed{x+1}", "1+x"))["acc"] == 1.0
    compute_score(MATH, r"\boxed{\lfloor\log_2 n\rfloor+1}", r"1+\lfloor\log_2 n\rfloor")
    servers = [process for process in psutil.Process().children() if "sandbox.server" in " ".join(process.cmdline())]
    assert servers
    assert all(len(server.children(recursive=True)) == 1 for server in servers)


SCRIPT = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
import planted_verifiers, reward_score

@reward_score.register("script/own")
def own(s, g, e):
    return reward_score.Verdict(0.0, 0.0, 1.0, "here", "told")

began = time.monotonic()
print(reward_score.compute_score("planted/hangs", {HANGS!r}, "")["reason"])
print(reward_score.compute_score("script/own", "", "")["pred"])
"""


@pytest.mark.parametrize("arguments", [["-"], ["script.py"]])
def test_holds_in_scripts(arguments, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[2])}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, input=SCRIPT, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "timeout: no verdict within 1 s\nhere\n", done.stderr


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_deadline_that_bounds_nothing_is_refused(seconds):
    with pytest.raises(ValueError, match="seconds must be a positive, finite number"):
        reward_score.register("planted/bad", seconds=seconds)


@pytest.mark.slow
def test_holds_in_an_actor_of_ray(planted):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, address="local")
    try:

        @ray.remote
        class Judge:
            def judge(self, folder):
                sys.path.insert(0, folder)
                __import__("planted_verifiers")
                with ThreadPoolExecutor(2) as threads:
                    found = threads.map(lambda text: compute_score("planted/hangs", text, "right"), [HANGS, "right"])
                    return [verdict["reason"] for verdict in found]

        found = ray.get(Judge.remote().judge.remote(str(HERE)), timeout=60)
        assert found == ["timeout: no verdict within 1 s", "correct"]
        assert found[0].startswith(FAILURES)
    finally:
        ray.shutdown()
