"""Real processes and shared-memory blocks of a run that was killed, and of its neighbours."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from groupwise.errors import GroupwiseError
from groupwise.launch import leftovers
from groupwise.launch.leftovers import (
    LONGEST_SOCKET_FOLDER,
    MARK,
    RUN_MARK,
    SOCKET_FOLDER,
    end_leftovers,
    exclusive_run,
    marked_processes,
)
from groupwise.launch.lock import LOCK_FILE

RUN = f"run-{os.getpid()}"
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
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in (MARK, RUN_MARK, SOCKET_FOLDER):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def private(tmp_path):
    """The own folder of a run that was killed."""
    return Path(tempfile.mkdtemp(prefix="groupwise-", dir=tmp_path))


@pytest.fixture
def start(tmp_path):
    """Starts a process that holds a shared-memory block, marked as one of a run's."""
    started = []

    def start_(block: str, run: str | None) -> subprocess.Popen:
        environment = {**os.environ, **({RUN_MARK: run, MARK: f"/of/{run}"} if run else {})}
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
    return f"psm_test-{os.getpid()}-{tmp_path.name}-{name}"


def test_ends_the_marked_processes_and_their_blocks_and_no_others(start, tmp_path, private):
    mine, other, unmarked = (block_name(tmp_path, name) for name in ("mine", "other", "unmarked"))
    processes = [start(mine, f"{RUN}/a"), start(other, f"{RUN}/ab"), start(unmarked, None)]
    assert marked_processes(f"/of/{RUN}/a") == [processes[0].pid]
    # A killed process stays visible until its parent reaps it, which is what this thread must do here.
    threading.Thread(target=processes[0].wait, daemon=True).start()
    assert end_leftovers(f"{RUN}/a", private) == [processes[0].pid]
    assert [process.poll() is None for process in processes] == [False, True, True]
    assert [Path("/dev/shm", name).exists() for name in (mine, other, unmarked)] == [False, True, True]


def test_another_users_processes_are_none_of_a_run(start, tmp_path, private, monkeypatch):
    process = start(block_name(tmp_path, "other"), RUN)
    real = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: real + 1)
    assert end_leftovers(RUN, private) == []
    assert process.poll() is None


def test_a_block_is_in_use_under_whatever_name(start, tmp_path, private):
    """As a semaphore, which is mapped under the name that it was made with."""
    first, last = block_name(tmp_path, "first"), block_name(tmp_path, "last")
    process = start(first, None)
    Path("/dev/shm", last).hardlink_to(Path("/dev/shm", first))
    Path("/dev/shm", first).unlink()
    try:
        (private / "blocks").write_text(f"/dev/shm/{last}")
        end_leftovers(RUN, private)
        assert Path("/dev/shm", last).exists()
        process.kill()
        process.wait()
        private.mkdir(mode=0o700)
        (private / "blocks").write_text(f"/dev/shm/{last}")
        end_leftovers(RUN, private)
        assert not Path("/dev/shm", last).exists()
    finally:
        Path("/dev/shm", last).unlink(missing_ok=True)


def test_unlinks_recorded_blocks_whose_processes_are_gone_but_none_in_use(start, tmp_path, private):
    dead, used = block_name(tmp_path, "dead"), block_name(tmp_path, "used")
    process = start(dead, RUN)
    start(used, None)
    process.kill()
    process.wait()
    assert Path("/dev/shm", dead).exists()
    outside = tmp_path / "outside"
    outside.touch()
    (private / "blocks").write_text(f"/dev/shm/{dead}\n/dev/shm/{used}\n{outside}\n/dev/shm/psm_no-such-block")
    assert end_leftovers(RUN, private) == []
    assert not Path("/dev/shm", dead).exists()
    assert Path("/dev/shm", used).exists()
    assert outside.exists()
    assert not private.exists()


def test_a_users_own_file_in_shared_memory_stays(start, tmp_path, private):
    """Which a worker happened to map, as a model or data that lie there."""
    name = f"model-{os.getpid()}-{tmp_path.name}.safetensors"
    process = start(name, RUN)
    threading.Thread(target=process.wait, daemon=True).start()
    assert end_leftovers(RUN, private) == [process.pid]
    assert Path("/dev/shm", name).exists()


@pytest.mark.parametrize("made", ["a link", "open to others", "of another name"])
def test_a_private_folder_that_is_not_the_runs_own_is_left_alone(tmp_path, private, made):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "blocks").write_text("precious")
    if made == "a link":
        private.rmdir()
        private.symlink_to(theirs)
    elif made == "open to others":
        (private / "blocks").write_text("precious")
        private.chmod(0o777)
    end_leftovers(RUN, theirs if made == "of another name" else private)
    assert (theirs / "blocks").read_text() == "precious"
    assert made != "open to others" or (private / "blocks").read_text() == "precious"


def test_the_watcher_records_the_blocks_of_a_live_run(start, tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "RECORD_SECONDS", 0.05)
    name, place = block_name(tmp_path, "live"), str(tmp_path / "run")
    with exclusive_run(place):
        assert (os.environ[MARK], os.environ["SPT_NOENV"]) == (place, "1")
        process = start(name, os.environ[RUN_MARK])
        (record,) = (folder / "blocks" for folder in tmp_path.glob("groupwise-*"))
        lock = tmp_path / "run" / LOCK_FILE
        os.utime(lock, (0, 0))
        deadline = time.monotonic() + 20
        while not record.is_file() or name not in record.read_text() or not lock.stat().st_mtime:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Gone before the end of the run, as after an orderly ray.shutdown: only the record knows the block.
        process.kill()
        process.wait()
    assert not Path("/dev/shm", name).exists()
    assert not record.parent.exists()


def test_one_run_at_a_time_wherever_the_second_is_started_from(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with exclusive_run(tmp_path / "run"):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "elsewhere"))
        for name in ("run", "link"):
            with pytest.raises(GroupwiseError, match="another one is still running"), exclusive_run(tmp_path / name):
                pass
        with exclusive_run(tmp_path / "other"):
            pass
    with exclusive_run(tmp_path / "run"):
        pass


KILLED = """
import os, signal, subprocess, sys
from groupwise.launch.leftovers import exclusive_run
with exclusive_run(sys.argv[1]):
    child = subprocess.Popen(["/bin/sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_start_ends_what_a_killed_one_left_wherever_it_is_made_from(tmp_path):
    """With another temporary folder and through a link, as from cron or a batch system."""
    (tmp_path / "elsewhere").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "elsewhere"), "XDG_RUNTIME_DIR": "/nowhere"}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "run")], env=environment, capture_output=True, text=True
    )
    child = psutil.Process(int(killed.stdout))
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert child.is_running()
    with exclusive_run(tmp_path / "link"):
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_process_that_will_not_end_is_named(start, tmp_path, private, monkeypatch):
    process = start(block_name(tmp_path, "stubborn"), RUN)
    monkeypatch.setattr(leftovers, "_kill", lambda pid: None)
    with pytest.raises(GroupwiseError, match=f"Processes \\[{process.pid}\\] are left"):
        end_leftovers(RUN, private, patience=0.3)


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
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.stdout == "alive\n", done.stderr


@pytest.fixture
def short_folder(monkeypatch):
    """As on a user's machine; the tests' own folders are too deep for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def new_socket_path() -> str:
    """vLLM's own function."""
    from vllm.utils.network_utils import get_open_zmq_ipc_path

    return get_open_zmq_ipc_path().removeprefix("ipc://")


class TestSockets:
    @pytest.mark.vllm
    def test_vllms_sockets_lie_in_a_folder_that_goes_with_the_run(self, short_folder, tmp_path):
        with exclusive_run(tmp_path / "run"):
            path = new_socket_path()
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
            assert Path(path).is_relative_to(short_folder)
            assert Path(path).exists()
        assert not Path(path).parent.exists()
        assert SOCKET_FOLDER not in os.environ

    def test_a_users_folder_is_left_alone(self, short_folder, tmp_path, monkeypatch):
        monkeypatch.setenv(SOCKET_FOLDER, str(tmp_path))
        with exclusive_run(tmp_path / "run"):
            assert os.environ[SOCKET_FOLDER] == str(tmp_path)
        assert tmp_path.is_dir()

    def test_a_path_that_is_too_long_for_sockets_is_not_used(self, tmp_path, monkeypatch):
        deep = tmp_path / ("d" * LONGEST_SOCKET_FOLDER)
        deep.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(deep))
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
