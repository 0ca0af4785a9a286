"""What the watch takes for lost, on a clock of the test's own; a real engine's death is seen end to end."""

import importlib.util
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from groupwise.launch.watch import ANSWER_SECONDS, Watch, ask_servers, has_failed_engine

SERVER, WORKER = "vllm_server_0_0", "abcWorkerDict_0:0"


class Cluster:
    """Names of living actors, and what servers answer, for a test to change."""

    def __init__(self, *names: str):
        self.names = list(names)
        self.answers: dict[str, bool | None] = {}
        self.ended = threading.Event()

    def watch(self, **options) -> Watch:
        return Watch(self.ended.set, names=lambda: self.names, failed_engines=self.failed_engines, **options)

    def failed_engines(self, servers: list[str]) -> list[str]:
        return [name for name in servers if self.answers.get(name)]


def test_nothing_is_lost_while_all_live():
    cluster = Cluster(SERVER, WORKER)
    looker = cluster.watch(patience=60)
    assert [looker.look(now) for now in (0, 100, 200)] == [None] * 3


def test_an_actor_that_stays_away_is_lost():
    cluster = Cluster(SERVER, WORKER)
    looker = cluster.watch(patience=60)
    looker.look(0)
    cluster.names = [SERVER]
    assert looker.look(10) is None
    # 60 s after it was first missed, not after it was last seen
    assert looker.look(69) is None
    fault = looker.look(70)
    assert fault is not None
    assert f"its actor {WORKER} is gone" in fault
    assert "resumes from its last whole checkpoint" in fault


def test_an_actor_that_comes_back_is_not_lost():
    cluster = Cluster(SERVER, WORKER)
    looker = cluster.watch(patience=60)
    looker.look(0)
    cluster.names = [SERVER]
    looker.look(10)
    cluster.names = [SERVER, WORKER]
    looker.look(20)
    cluster.names = [SERVER]
    assert looker.look(75) is None
    assert looker.look(135) is not None


def test_a_minute_is_the_patience_unless_told_otherwise():
    cluster = Cluster(SERVER, WORKER)
    looker = cluster.watch()
    looker.look(0)
    cluster.names = [SERVER]
    assert [looker.look(now) is None for now in (0, 59, 60)] == [True, True, False]


@pytest.mark.parametrize(
    "name", ["agent_loop_worker_0", "reward_loop_worker_3", "sglang_server_0_0", "TransferQueueController", WORKER]
)
def test_each_kind_of_actor_that_lives_as_long_as_the_run_is_looked_after(name):
    cluster = Cluster(SERVER, name)
    looker = cluster.watch(patience=0)
    looker.look(0)
    cluster.names = [SERVER]
    assert f"its actor {name} is gone" in (looker.look(1) or "")


def test_actors_of_others_may_come_and_go():
    cluster = Cluster(SERVER, "someone_elses_actor")
    looker = cluster.watch(patience=60)
    looker.look(0)
    cluster.names = [SERVER]
    looker.look(10)
    assert looker.look(1000) is None


@pytest.mark.parametrize(("answer", "is_fault"), [(True, True), (False, False), (None, False)])
def test_a_dead_engine_is_a_fault_at_once(answer, is_fault):
    cluster = Cluster(SERVER)
    cluster.answers[SERVER] = answer
    fault = cluster.watch(patience=60).look(0)
    assert (fault is not None) == is_fault
    if is_fault:
        assert f"the vLLM engine of {SERVER} is dead" in fault


def test_all_dead_engines_are_named():
    cluster = Cluster("vllm_server_1_0", SERVER, "vllm_server_2_0")
    cluster.answers.update({SERVER: True, "vllm_server_1_0": False, "vllm_server_2_0": True})
    assert f"of {SERVER}, vllm_server_2_0 is dead" in (cluster.watch().look(0) or "")


def test_only_servers_are_asked():
    cluster = Cluster(WORKER)
    cluster.answers[WORKER] = True
    assert cluster.watch().look(0) is None


def test_the_thread_ends_the_run_once_and_says_why(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    cluster = Cluster(SERVER)
    cluster.answers[SERVER] = True
    ends = []
    with Watch(
        lambda: ends.append(looker.fault) or cluster.ended.set(),
        names=lambda: cluster.names,
        failed_engines=cluster.failed_engines,
        period=0.01,
    ) as looker:
        assert cluster.ended.wait(60)
        time.sleep(0.1)
    # The reason is known before the run is ended.
    assert ends == [looker.fault]
    assert looker.fault is not None


class TestLastLook:
    """What is found where the run has ended before the thread looked."""

    def look(self, monkeypatch, error: BaseException | None, *, answer: bool, ray_runs: bool = True) -> str | None:
        monkeypatch.setattr(ray, "is_initialized", lambda: ray_runs)
        cluster = Cluster(SERVER)
        cluster.answers[SERVER] = answer
        looker = cluster.watch(period=60)
        with suppress(RuntimeError, KeyboardInterrupt), looker:
            if error is not None:
                raise error
        # What has ended by itself is not ended.
        assert not cluster.ended.is_set()
        return looker.fault

    def test_a_dead_engine_is_why_a_run_raised(self, monkeypatch):
        fault = self.look(monkeypatch, RuntimeError("no trajectories"), answer=True)
        assert f"the vLLM engine of {SERVER} is dead" in (fault or "")

    @pytest.mark.parametrize(
        ("error", "answer", "ray_runs"),
        [
            (RuntimeError("something else"), False, True),
            (RuntimeError("before Ray was started"), True, False),
            (KeyboardInterrupt(), True, True),
            (None, True, True),
        ],
    )
    def test_nothing_is_found_otherwise(self, monkeypatch, error, answer, ray_runs):
        assert self.look(monkeypatch, error, answer=answer, ray_runs=ray_runs) is None


def test_the_thread_ends_with_the_run(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    looks = []
    with Watch(lambda: None, names=lambda: looks.append(1) or [], period=0.01):
        while not looks:
            time.sleep(0.01)
    seen = len(looks)
    time.sleep(0.1)
    assert len(looks) == seen


def test_a_run_that_ends_while_the_thread_looks_is_not_ended_again(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    asked, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def failed_engines(servers):
        asked.set()
        go_on.wait(60)
        return servers

    with Watch(ended.set, names=lambda: [SERVER], failed_engines=failed_engines, period=0.01):
        assert asked.wait(60)
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "watch":
            thread.join(60)
    assert not ended.is_set()


def test_the_thread_looks_only_where_ray_runs(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    cluster = Cluster(SERVER)
    cluster.answers[SERVER] = True
    with cluster.watch(period=0.01) as looker:
        assert not cluster.ended.wait(0.2)
    assert looker.fault is None


def test_trouble_with_ray_is_left_to_the_launching_thread(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    asked = []
    again = threading.Event()

    def names():
        asked.append(1)
        if len(asked) == 2:
            again.set()
        raise ray.exceptions.RayError("no connection")

    ended = threading.Event()
    with Watch(ended.set, names=names, period=0.01) as looker:
        # It goes on looking: the trouble may pass.
        assert again.wait(60)
        assert not ended.wait(0.05)
    assert looker.fault is None


def test_a_server_without_an_engine_has_not_failed():
    class Server:
        engine = None

    class Failed:
        class engine:
            errored = True

    class Sound:
        class engine:
            errored = False

    class Starting:
        pass

    assert [has_failed_engine(server()) for server in (Server, Failed, Sound, Starting)] == [False, True, False, False]


class TestAskServers:
    """Actors stand for their names, and references for what they give."""

    @pytest.fixture
    def answers(self, monkeypatch):
        """What each server answers or raises; a name that is not in it has no actor, and None never comes."""
        answers: dict[str, bool | Exception | None] = {}
        self.asked, self.timeouts = [], []

        def get_actor(name):
            if name not in answers:
                raise ValueError(f"Failed to look up actor with name '{name}'.")

            def remote(function):
                self.asked.append(function)
                return name

            return SimpleNamespace(__ray_call__=SimpleNamespace(remote=remote))

        def wait(references, num_returns, timeout):
            assert num_returns == len(references)
            self.timeouts.append(timeout)
            there = [name for name in references if answers[name] is not None]
            return there, [name for name in references if answers[name] is None]

        def get(reference):
            if isinstance(answers[reference], Exception):
                raise answers[reference]
            return answers[reference]

        monkeypatch.setattr(ray, "get_actor", get_actor)
        monkeypatch.setattr(ray, "wait", wait)
        monkeypatch.setattr(ray, "get", get)
        return answers

    def test_names_those_that_say_that_they_failed(self, answers):
        answers.update(a=True, b=False, c=True)
        assert ask_servers(["a", "b", "c"]) == ["a", "c"]
        assert self.asked == [has_failed_engine] * 3

    def test_no_answer_is_no_failure(self, answers):
        answers.update(loading=None, died=ray.exceptions.RayActorError(), failed=True)
        assert ask_servers(["loading", "died", "gone", "failed"]) == ["failed"]

    def test_all_are_waited_for_together(self, answers):
        answers.update(dict.fromkeys("abcdefgh"))
        assert ask_servers(list(answers)) == []
        assert self.timeouts == [ANSWER_SECONDS]

    def test_nothing_is_waited_for_where_none_lives(self, answers):
        assert ask_servers(["gone"]) == []
        assert self.timeouts == []


def source_of(package: str, file: str) -> str:
    """Text of a module: importing these would take many seconds."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    return (Path(spec.origin).parent / file).read_text()


def test_vllms_engine_says_whether_it_failed():
    assert "def errored(self) -> bool:" in source_of("vllm", "v1/engine/async_llm.py")


def test_verl_names_its_actors_as_the_watch_expects():
    assert 'name=f"agent_loop_worker_' in source_of("verl", "experimental/agent_loop/agent_loop.py")
    assert 'name=f"reward_loop_worker_' in source_of("verl", "experimental/reward_loop/reward_loop.py")
    server = source_of("verl", "workers/rollout/vllm_rollout/vllm_async_server.py")
    assert 'f"{prefix}server_{self.replica_rank}' in server
    assert 'return "vllm_"' in server
    assert "self.engine = " in server
