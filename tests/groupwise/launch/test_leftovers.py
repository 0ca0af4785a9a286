"""Real processes and shared-memory blocks of a run that was killed, and of its neighbours."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from groupwise.errors import GroupwiseError
from groupwise.launch import leftovers
from groupwise.launch.leftovers import (
    LONGEST_SOCKET_FOLDER,
    MARK,
    SOCKET_FOLDER,
    end_leftovers,
    exclusive_run,
    marked_processes,
)

RUN = f"/run/{os.getpid()}"
"""Of this process: tests that run side by side would end one another's processes."""

# A bare mapping, as vLLM's blocks are once Ray has killed the process that would have unlinked them.
HOLD_BLOCK = """
import mmap, sys, time
with open("/dev/shm/" + sys.argv[1], "wb+") as file:
    file.truncate(64)
    block = mmap.mmap(file.fileno(), 64)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def own_locks(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv(MARK, raising=False)
    monkeypatch.setenv("SPT_NOENV", "0")
    monkeypatch.delenv(SOCKET_FOLDER, raising=False)


@pytest.fixture
def start(tmp_path):
    """Starts a process that holds a shared-memory block, marked as one of a run's."""
    started = []

    def start_(block: str, place: str | None) -> subprocess.Popen:
        environment = {**os.environ, **({MARK: place} if place else {})}
        process = subprocess.Popen([sys.executable, "-c", HOLD_BLOCK, block], env=environment, stdout=subprocess.PIPE)
        started.append((process, block))
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start_
    for process, block in started:
        process.kill()
        process.wait()
        process.stdout.close()
        Path("/dev/shm", block).unlink(missing_ok=True)


def block_name(tmp_path: Path, name: str) -> str:
    return f"dipo-test-{os.getpid()}-{tmp_path.name}-{name}"


def test_ends_the_marked_processes_and_their_blocks_and_no_others(start, tmp_path):
    mine, other, unmarked = (block_name(tmp_path, name) for name in ("mine", "other", "unmarked"))
    processes = [start(mine, f"{RUN}/a"), start(other, f"{RUN}/ab"), start(unmarked, None)]
    assert marked_processes(f"{RUN}/a") == [processes[0].pid]
    # A killed process stays visible until its parent reaps it, which is what this thread must do here.
    threading.Thread(target=processes[0].wait, daemon=True).start()
    assert end_leftovers(f"{RUN}/a", tmp_path / "record") == [processes[0].pid]
    assert [process.poll() is None for process in processes] == [False, True, True]
    assert [Path("/dev/shm", name).exists() for name in (mine, other, unmarked)] == [False, True, True]


def test_a_block_is_in_use_under_whatever_name(start, tmp_path):
    """As a semaphore, which is mapped under the name that it was made with."""
    first, last = block_name(tmp_path, "first"), block_name(tmp_path, "last")
    process = start(first, None)
    Path("/dev/shm", last).hardlink_to(Path("/dev/shm", first))
    Path("/dev/shm", first).unlink()
    record = tmp_path / "record"
    record.write_text(f"/dev/shm/{last}")
    try:
        end_leftovers(f"{RUN}/a", record)
        assert Path("/dev/shm", last).exists()
        process.kill()
        process.wait()
        record.write_text(f"/dev/shm/{last}")
        end_leftovers(f"{RUN}/a", record)
        assert not Path("/dev/shm", last).exists()
    finally:
        Path("/dev/shm", last).unlink(missing_ok=True)


def test_unlinks_recorded_blocks_whose_processes_are_gone_but_none_in_use(start, tmp_path):
    dead, used = block_name(tmp_path, "dead"), block_name(tmp_path, "used")
    process = start(dead, f"{RUN}/a")
    start(used, None)
    process.kill()
    process.wait()
    assert Path("/dev/shm", dead).exists()
    outside = tmp_path / "outside"
    outside.touch()
    record = tmp_path / "record"
    record.write_text(f"/dev/shm/{dead}\n/dev/shm/{used}\n{outside}\n/dev/shm/no-such-block")
    assert end_leftovers(f"{RUN}/a", record) == []
    assert not Path("/dev/shm", dead).exists()
    assert Path("/dev/shm", used).exists()
    assert outside.exists()
    assert not record.exists()


def test_the_watcher_records_the_blocks_of_a_live_run(start, tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "RECORD_SECONDS", 0.05)
    name, place = block_name(tmp_path, "live"), str(tmp_path / "run")
    with exclusive_run(place):
        assert os.environ[MARK] == place
        assert os.environ["SPT_NOENV"] == "1"
        process = start(name, place)
        record = next((tmp_path / f"groupwise-{os.getuid()}").glob("*.lock")).with_suffix(".blocks")
        deadline = time.monotonic() + 20
        while not record.is_file() or name not in record.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Gone before the end of the run, as after an orderly ray.shutdown: only the record knows the block.
        process.kill()
        process.wait()
    assert not Path("/dev/shm", name).exists()
    assert not record.exists()


def test_one_run_at_a_time(tmp_path):
    with exclusive_run(tmp_path / "run"):
        with pytest.raises(GroupwiseError, match="another one is still running"), exclusive_run(tmp_path / "run"):
            pass
        with exclusive_run(tmp_path / "other"):
            pass
    with exclusive_run(tmp_path / "run"):
        pass


def test_a_process_that_will_not_end_is_named(start, tmp_path, monkeypatch):
    process = start(block_name(tmp_path, "stubborn"), f"{RUN}/a")
    monkeypatch.setattr(leftovers, "_kill", lambda pid: None)
    with pytest.raises(GroupwiseError, match=f"Processes \\[{process.pid}\\] are left"):
        end_leftovers(f"{RUN}/a", tmp_path / "record", patience=0.3)


def test_pythons_own_helper_is_left_to_do_its_work(tmp_path):
    """The tracker that a launcher starts while it holds the folder removes its semaphores at its end."""
    code = (
        "import multiprocessing, os, sys\n"
        "from multiprocessing import resource_tracker\n"
        "from groupwise.launch.leftovers import exclusive_run\n"
        "with exclusive_run(sys.argv[1]):\n"
        "    semaphore = multiprocessing.get_context('spawn').Semaphore()\n"
        "    tracker = resource_tracker._resource_tracker._pid\n"
        "os.kill(tracker, 0)\n"
        "print('alive')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})
    assert done.stdout == "alive\n", done.stderr


@pytest.fixture
def short_locks(monkeypatch):
    """As on a user's machine; the tests' own folders are too deep for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def new_socket_path() -> str:
    """vLLM's own function."""
    from vllm.utils.network_utils import get_open_zmq_ipc_path

    return get_open_zmq_ipc_path().removeprefix("ipc://")


class TestSockets:
    @pytest.mark.vllm
    def test_vllms_sockets_lie_in_a_folder_that_goes_with_the_run(self, short_locks, tmp_path):
        with exclusive_run(tmp_path / "run"):
            path = new_socket_path()
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
            assert Path(path).is_relative_to(short_locks)
            assert Path(path).exists()
        assert not Path(path).parent.exists()
        assert SOCKET_FOLDER not in os.environ

    def test_those_of_a_killed_run_go_with_the_next_start(self, short_locks, tmp_path):
        with exclusive_run(tmp_path / "run"):
            folder = Path(os.environ[SOCKET_FOLDER])
        folder.mkdir()
        (folder / "left").touch()
        with exclusive_run(tmp_path / "run"):
            assert list(folder.iterdir()) == []

    def test_runs_in_other_folders_keep_theirs(self, short_locks, tmp_path):
        with exclusive_run(tmp_path / "run"):
            folder = Path(os.environ.pop(SOCKET_FOLDER))
            with exclusive_run(tmp_path / "other"):
                assert os.environ[SOCKET_FOLDER] != str(folder)
            assert folder.is_dir()
            os.environ[SOCKET_FOLDER] = str(folder)

    def test_a_users_folder_is_left_alone(self, short_locks, tmp_path, monkeypatch):
        monkeypatch.setenv(SOCKET_FOLDER, str(tmp_path))
        with exclusive_run(tmp_path / "run"):
            assert os.environ[SOCKET_FOLDER] == str(tmp_path)
        assert tmp_path.is_dir()

    def test_a_path_that_is_too_long_for_sockets_is_not_used(self, tmp_path, monkeypatch):
        deep = tmp_path / ("d" * LONGEST_SOCKET_FOLDER)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
        with exclusive_run(tmp_path / "run"):
            assert SOCKET_FOLDER not in os.environ

    @pytest.mark.vllm
    def test_the_longest_path_is_one_that_can_be_bound(self, monkeypatch):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            longest = Path(folder, "d" * (LONGEST_SOCKET_FOLDER - len(folder) - 1))
            longest.mkdir()
            monkeypatch.setenv(SOCKET_FOLDER, str(longest))
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(new_socket_path())
            # One byte more is refused.
            monkeypatch.setenv(SOCKET_FOLDER, f"{longest}d")
            with socket.socket(socket.AF_UNIX) as listener, pytest.raises(OSError, match="too long"):
                listener.bind(new_socket_path())
