"""Engines in processes of their own, with stand-ins for vLLM that answer, fail, die and hang."""

import multiprocessing
import os
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from groupwise.errors import GroupwiseError
from groupwise.evaluation.generate import Replicas
from groupwise.evaluation.replica import Request

ENGINES = """
    import os, signal, subprocess, time

    from groupwise.evaluation.replica import Generated, Response


    class Echo:
        "Answers with the prompt's tokens, its process's number first."

        def __init__(self, *, capacity=4, length=1, seconds=0.0):
            print("loading", os.environ.get("DEVICES"))
            self.capacity, self.length, self.seconds = capacity, length, seconds
            self.waiting = []

        def add(self, request):
            self.waiting.append(request)
            assert sum(each.samples for each in self.waiting) <= self.capacity + request.samples

        def busy(self):
            return bool(self.waiting)

        def step(self):
            time.sleep(self.seconds)
            request = self.waiting.pop(0)
            tokens = [os.getpid(), int(os.environ["DEVICES"]), *request.prompt] * self.length
            return [Generated(request.key, [Response(tokens, "stop")] * request.samples)]

        def close(self):
            print("closed", flush=True)


    class Waiting(Echo):
        "Answers once so many engines have work: one that is slow to start would find none left."

        def __init__(self, *, meeting, engines, **arguments):
            super().__init__(**arguments)
            self.meeting, self.engines = meeting, engines

        def step(self):
            (self.meeting / os.environ["DEVICES"]).touch()
            deadline = time.monotonic() + 30
            while len(list(self.meeting.iterdir())) < self.engines:
                assert time.monotonic() < deadline, "the other engines have no work"
                time.sleep(0.01)
            return super().step()


    class Unloadable(Echo):
        def __init__(self):
            raise ValueError("max_model_len is\\n too large")


    class Dying(Echo):
        def step(self):
            print("the last words", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


    class Leaving(Echo):
        def step(self):
            os._exit(3)


    class Failing(Echo):
        def step(self):
            raise RuntimeError("out of memory")


    class Parental(Echo):
        "Has a process of its own, which outlives it and inherits its files, as vLLM's may."

        def __init__(self):
            super().__init__()
            self.child = subprocess.Popen(["sleep", "300"], close_fds=False)

        def step(self):
            os.kill(os.getpid(), signal.SIGKILL)


    class Hanging(Echo):
        def step(self):
            time.sleep(300)
"""


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """A module that fresh interpreters can import, since they are given this one's path."""
    (tmp_path / "stand_in_engines.py").write_text(textwrap.dedent(ENGINES))
    monkeypatch.syspath_prepend(str(tmp_path))
    # Else each process would begin by importing the test runner, which takes longer than all the rest.
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    import stand_in_engines

    yield stand_in_engines
    del sys.modules["stand_in_engines"]
    assert multiprocessing.active_children() == []


def start(build, folder: Path, *, replicas: int = 1, **arguments) -> Replicas:
    return Replicas(build, arguments, [{"DEVICES": str(number)} for number in range(replicas)], folder)


def make_requests(count: int, *, samples: int = 2, prompt: tuple[int, ...] = (7,)) -> list[Request]:
    return [Request(("set", row), [*prompt, row], samples, {}) for row in range(count)]


def test_every_request_is_answered_once_with_all_its_samples(engines, tmp_path):
    with start(engines.Echo, tmp_path) as replicas:
        found = list(replicas.generate(make_requests(9)))
    assert sorted(generated.key for generated in found) == [("set", row) for row in range(9)]
    for generated in found:
        assert [response.tokens[2:] for response in generated.responses] == [[7, generated.key[1]]] * 2


def test_replicas_share_the_work_and_have_their_own_environment(engines, tmp_path):
    before = dict(os.environ)
    (tmp_path / "meeting").mkdir()
    waiting = {"meeting": tmp_path / "meeting", "engines": 2, "capacity": 100}
    with start(engines.Waiting, tmp_path, replicas=2, **waiting) as replicas:
        found = [generated.responses[0].tokens for generated in replicas.generate(make_requests(12))]
    # The engine that is up first may take half of the 24 responses and no more, however many it has room for.
    assert len({tokens[0] for tokens in found}) == 2
    assert {tokens[1] for tokens in found} == {0, 1}
    assert dict(os.environ) == before
    assert [(tmp_path / f"engine_{number}.log").read_text().split() for number in (0, 1)] == [
        ["loading", "0", "closed"],
        ["loading", "1", "closed"],
    ]


def test_no_requests_end_at_once(engines, tmp_path):
    with start(engines.Echo, tmp_path) as replicas:
        assert list(replicas.generate([])) == []


def test_full_pipes_in_both_directions_do_not_lock(engines, tmp_path):
    # Each prompt and each answer alone is larger than a pipe's buffer (some 200 KB), and many are under way.
    requests = make_requests(8, prompt=tuple(range(10**6, 10**6 + 80_000)))
    with start(engines.Echo, tmp_path, capacity=100) as replicas:
        assert len(list(replicas.generate(requests))) == 8


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ("Unloadable", r"replica 0\): ValueError: max_model_len is too large. Its log is .*engine_0.log"),
        ("Failing", "RuntimeError: out of memory"),
        ("Dying", "signal 9, as for want of memory.*its last line: the last words"),
        ("Leaving", "replica 0, exit code 3"),
        ("Parental", "signal 9"),
    ],
)
def test_an_engine_that_fails_ends_the_run_with_a_sentence(engines, tmp_path, engine, sentence):
    begun = time.monotonic()
    with pytest.raises(GroupwiseError, match=sentence), start(getattr(engines, engine), tmp_path) as replicas:
        list(replicas.generate(make_requests(3)))
    assert time.monotonic() - begun < 20


def test_one_engine_that_fails_ends_the_others(engines, tmp_path):
    hanging, dying = (start(getattr(engines, name), tmp_path / name) for name in ("Hanging", "Dying"))
    for name in ("Hanging", "Dying"):
        (tmp_path / name).mkdir()
    with hanging, dying:
        hanging._replicas += dying._replicas
        with pytest.raises(GroupwiseError, match="signal 9"):
            list(hanging.generate(make_requests(4)))
        hanging._end(at_once=True)


def test_an_interruption_ends_the_engine_and_what_it_started(engines, tmp_path):
    def interrupt():
        with start(engines.Parental, tmp_path) as replicas:
            while not (children := psutil.Process(replicas._replicas[0].process.pid).children()):
                time.sleep(0.05)
            pids.extend(child.pid for child in children)
            raise KeyboardInterrupt

    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(timeout=10)
        assert not psutil.pid_exists(pid)


def test_an_engine_whose_parent_is_gone_ends_by_itself(engines, tmp_path):
    replicas = start(engines.Echo, tmp_path)
    with replicas:
        list(replicas.generate(make_requests(1)))
        process = replicas._replicas[0].process
        replicas._replicas[0].connection.close()
        process.join(timeout=20)
        assert process.exitcode == 0
