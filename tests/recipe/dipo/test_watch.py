"""What the watch takes for lost, on a clock of the test's own; a real engine's death is seen end to end."""

import importlib.util
import threading
from pathlib import Path

import pytest
import ray

from recipe.dipo.watch import Watch, has_failed_engine

SERVER, WORKER = "vllm_server_0_0", "abcWorkerDict_0:0"


class Cluster:
    """Names of living actors, and what servers answer, for a test to change."""

    def __init__(self, *names: str):
        self.names = list(names)
        self.answers: dict[str, bool | None] = {}
        self.ended = threading.Event()

    def watch(self, **options) -> Watch:
        return Watch(self.ended.set, names=lambda: self.names, engine_failed=self.answers.get, **options)


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


def test_only_servers_are_asked():
    cluster = Cluster(WORKER)
    cluster.answers[WORKER] = True
    assert cluster.watch().look(0) is None


def test_the_thread_ends_the_run_once_and_says_why(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    cluster = Cluster(SERVER)
    cluster.answers[SERVER] = True
    with cluster.watch(period=0.01) as looker:
        assert cluster.ended.wait(5)
    assert looker.fault is not None


def test_the_thread_looks_only_where_ray_runs(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    cluster = Cluster(SERVER)
    cluster.answers[SERVER] = True
    with cluster.watch(period=0.01) as looker:
        assert not cluster.ended.wait(0.2)
    assert looker.fault is None


def test_trouble_with_ray_is_left_to_the_launching_thread(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    asked = threading.Event()

    def names():
        asked.set()
        raise ray.exceptions.RayError("no connection")

    ended = threading.Event()
    with Watch(ended.set, names=names, period=0.01) as looker:
        assert asked.wait(5)
        assert not ended.wait(0.1)
    assert looker.fault is None


def test_a_server_without_an_engine_has_not_failed():
    class Server:
        engine = None

    class Failed:
        class engine:
            errored = True

    class Starting:
        pass

    assert [has_failed_engine(server()) for server in (Server, Failed, Starting)] == [False, True, False]


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
