"""Who holds a folder: real locks and processes; of other machines what their locks say."""

import fcntl
import json
import os
import subprocess
import threading
import time

import psutil
import pytest

from groupwise.errors import GroupwiseError
from groupwise.launch import lock as module
from groupwise.launch.lock import LOCK_FILE, locked

NO_LOCKS = OSError("no locks here")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)


def refused(folder) -> str:
    with pytest.raises(GroupwiseError, match="Only one run may write to") as error, locked(folder):
        pass
    return str(error.value)


@pytest.fixture
def left(tmp_path):
    """Leaves a lock as a killed holder does, with some of what it says changed."""

    def left_(**changes):
        (tmp_path / LOCK_FILE).unlink(missing_ok=True)
        with locked(tmp_path) as lock:
            lock.note("its run")
            text = (tmp_path / LOCK_FILE).read_text()
        path = tmp_path / LOCK_FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps({**json.loads(text), "inode": path.stat().st_ino, "started": 1, **changes}))
        return path

    return left_


def test_one_holder_at_a_time_who_is_named(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with locked(tmp_path):
        assert f"process {os.getpid()}" in refused(tmp_path)
        assert f"process {os.getpid()}" in refused(tmp_path / "link")
        assert (tmp_path / LOCK_FILE).stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / LOCK_FILE).exists()
    with locked(tmp_path) as lock:
        assert lock.former == []


def test_where_nothing_can_be_locked_the_process_that_is_named_decides(tmp_path, left, monkeypatch):
    def flock(*_):
        raise NO_LOCKS

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path):
        refused(tmp_path)
    left(started=module._start_of(os.getpid()))
    refused(tmp_path)
    holder = subprocess.Popen(["/bin/sleep", "600"])
    left(pid=holder.pid, started=module._start_of(holder.pid))
    refused(tmp_path)
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    with locked(tmp_path) as lock:
        assert lock.former == ["its run"]
    holder.wait()


def test_a_killed_holders_notes_reach_the_next_until_they_are_settled(tmp_path, left):
    path = left()
    with locked(tmp_path) as lock:
        assert lock.former == ["its run"]
        lock.note("mine")
        assert json.loads(path.read_text())["notes"] == ["its run", "mine"]
        lock.note("mine", forget=True)
        assert json.loads(path.read_text())["notes"] == ["mine"]


@pytest.mark.parametrize("changes", [{"machine": ["another boot", "pid:[1]"]}, {"inode": 0}, {"notes": 1, "inode": 0}])
def test_a_silent_lock_of_another_machine_or_folder_is_taken_and_nothing_of_it_ended(tmp_path, left, changes):
    left(**changes)
    with locked(tmp_path) as lock:
        assert lock.former == []


def test_a_lock_that_another_user_made_is_not_believed(tmp_path, left, monkeypatch):
    left()
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with locked(tmp_path) as lock:
        assert lock.former == []


def test_a_lock_that_another_machine_renews_holds(tmp_path, left):
    path = left(machine=["another boot", "pid:[1]"], host="node7")
    renewal = threading.Timer(0.1, os.utime, (path,))
    renewal.start()
    assert "on node7" in refused(tmp_path)
    renewal.join()


def test_half_a_lock_counts_as_another_machines(tmp_path, left, capsys):
    path = left()
    path.write_text(path.read_text()[:20])
    with locked(tmp_path) as lock:
        assert lock.former == []
    assert "Watching for" in capsys.readouterr().err


@pytest.mark.parametrize("made", ["a link", "a second name", "a pipe", "a folder"])
def test_what_is_no_plain_file_is_refused_and_left_as_it_is(tmp_path, made):
    precious, path = tmp_path / "precious", tmp_path / LOCK_FILE
    precious.write_text("precious")
    {
        "a link": lambda: path.symlink_to(precious),
        "a second name": lambda: path.hardlink_to(precious),
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
    }[made]()
    with pytest.raises(GroupwiseError, match=r"The lock .* must be"), locked(tmp_path):
        pass
    assert precious.read_text() == "precious"


def test_a_process_began_when_the_kernel_says(tmp_path):
    began = module._start_of(os.getpid()) / os.sysconf("SC_CLK_TCK") + psutil.boot_time()
    assert abs(began - psutil.Process().create_time()) < 2 < time.time()
    assert module._start_of(2**22 + 1) is None
