"""A folder's lock, which lies in the folder itself, so that every start finds the same one, from wherever it is made.

The kernel holds it (flock) and lets go when the process ends. A file system that is shared between machines may lock
within one machine only, or not at all: so the file also says who holds it, and the holder renews its time of change.
On the same machine the process that it names must be gone; a holder on another one must be silent for SILENCE_SECONDS.
"""

import fcntl
import getpass
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

from groupwise.errors import GroupwiseError

LOCK_FILE = ".run.lock"
SILENCE_SECONDS = 60.0
"""For so long a holder on another machine must not have renewed its lock to count as dead; it does so every 3 s."""
LOOK_SECONDS = 1.0


class Lock:
    """A folder's lock that this process holds.

    `former` is what earlier holders noted (`note`), where they were this user's on this machine and are proved dead.
    """

    def __init__(self, file: int, former: list[Any]):
        self.file, self.former = file, former
        self._notes = list(former)

    def note(self, *notes: Any, forget: bool = False) -> None:
        """Writes notes for the holder after this one, if this one is killed; `forget` drops those of former ones."""
        self._notes = [*(() if forget else self._notes), *notes]
        about = {"host": socket.gethostname(), "user": _user(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        me = {"machine": _machine(), "pid": os.getpid(), "started": _start_of(os.getpid())}
        text = json.dumps({**about, **me, "inode": os.fstat(self.file).st_ino, "notes": self._notes})
        os.pwrite(self.file, text.encode(), 0)
        os.ftruncate(self.file, len(text))

    def renew(self) -> None:
        """Shows that the holder lives."""
        os.utime(self.file)


@contextmanager
def locked(folder: Path) -> Iterator[Lock]:
    """Holds the lock of a folder, which must exist.

    Raises:
        GroupwiseError: Another process holds it, or is not proved dead.
    """
    path = folder / LOCK_FILE
    file, is_new = _open(path)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refusal(folder, _read(file)) from None
        except OSError as error:
            # A file system without locks: what the file says decides alone.
            sys.stderr.write(f"{folder} cannot be locked by its file system ({error}).\n")
        record = {} if is_new else _read(file)
        is_here = record.get("machine") == _machine()
        if not is_new and (_is_running(record) if is_here else _is_renewed(path, record)):
            raise _refusal(folder, record)
        if not _is_at(path, file):
            raise _refusal(folder, {})  # its holder ended at this moment, and took the file along
        is_mine = os.fstat(file).st_uid == os.geteuid()
        lock = Lock(file, record.get("notes", []) if is_here and is_mine else [])
        try:
            lock.note()
            yield lock
        finally:
            if _is_at(path, file):
                path.unlink()
    finally:
        os.close(file)


def _open(path: Path) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
        file = os.open(path, flags)
    except OSError as error:
        raise GroupwiseError(
            f"The lock {path} must be a file that this user may write, but: {error.strerror}; another user may have a "
            "run there. Name another folder, or remove the file where no run is in it."
        ) from error
    found = os.fstat(file)
    if not S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(file)
        raise GroupwiseError(f"The lock {path} must be a plain file under one name, but is not; remove it.")
    return file, False


def _read(file: int) -> dict[str, Any]:
    """What a lock says of its holder; nothing where it was copied here with its folder, or only begun."""
    with suppress(ValueError):
        record = json.loads(os.pread(file, 1 << 20, 0))
        if isinstance(record, dict) and record.get("inode") == os.fstat(file).st_ino:
            return record
        return {"machine": _machine()}
    return {}


def _is_at(path: Path, file: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(file))
    return False


def _is_running(record: dict[str, Any]) -> bool:
    started = record.get("started")
    return started is not None and _start_of(record["pid"]) == started


def _is_renewed(path: Path, record: dict[str, Any]) -> bool:
    """Watches a lock of another machine: its clock need not agree with ours."""
    sys.stderr.write(f"{_refusal(path.parent, record)}\nWatching for {SILENCE_SECONDS:.0f} s whether it lives.\n")
    before, deadline = path.stat().st_mtime_ns, time.monotonic() + SILENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        # Opened, since a network file system asks the server anew only then.
        with suppress(OSError), path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mtime_ns != before:
                return True
    return False


def _refusal(folder: Path, record: dict[str, Any]) -> GroupwiseError:
    known = "host" in record
    by = f" (process {record['pid']} of {record['user']} on {record['host']}, since {record['since']})" if known else ""
    return GroupwiseError(
        f"Only one run may write to {folder}, and another one is still running{by}; wait for it, end it, or name "
        "another folder (trainer.default_local_dir, or --output of an evaluation)."
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _machine() -> list[str]:
    """This boot of this machine, and the namespace of its process ids: a container has its own."""
    return [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]


def _start_of(pid: int) -> int | None:
    """When a process began, in ticks since the machine's start, which no clock that is set changes; None for none."""
    with suppress(OSError):
        state, *fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        return None if state in ("Z", "X") else int(fields[18])
    return None
