"""One run at a time in a checkpoint folder, and nothing left of a run that was killed.

A launcher that is killed with SIGKILL cannot end what it started. Ray's and vLLM's processes inherit the environment,
so the mark set here names the run that they belong to; the next start in the same folder finds and ends them. vLLM's
shared-memory blocks outlive their processes when Ray ends those, even after an orderly end, so a thread of the launcher
keeps a list of them beside the lock. Its sockets, files in the temporary folder, outlive them too: they get a folder of
the run's own.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from groupwise.errors import GroupwiseError

MARK = "GROUPWISE_RUN_FOLDER"
SHARED_MEMORY = Path("/dev/shm")
SOCKET_FOLDER = "VLLM_RPC_BASE_PATH"
"""vLLM's own variable; a user's value is left alone."""
LONGEST_SOCKET_FOLDER = 107 - len("/9b2f1c34-5d6e-4f70-8a91-b2c3d4e5f607")
"""Linux takes paths of 107 bytes for sockets, and vLLM adds a UUID."""
RECORD_SECONDS = 3.0
"""Between two looks at the shared memory of the run's processes; a look takes a few milliseconds."""


@contextmanager
def exclusive_run(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Claims a checkpoint folder for this process, and clears what a run in it leaves behind: before and after.

    Raises:
        GroupwiseError: Another run that is alive holds the folder, or processes of an earlier one do not end.
    """
    place = str(Path(folder).expanduser().absolute())
    # Beside the folder would do, but network file systems do not lock reliably.
    locks = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), f"groupwise-{os.getuid()}")
    locks.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock_file = locks / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.lock"
    record = lock_file.with_suffix(".blocks")
    with lock_file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GroupwiseError(
                f"Only one run may write to {folder}, and another one is still running; wait for it, end it, or name "
                "another folder (trainer.default_local_dir, or --output of an evaluation)."
            ) from None
        end_leftovers(place, record)
        os.environ[MARK] = place
        # Ray and vLLM rename their processes; by default that overwrites the environment block that holds the mark.
        os.environ["SPT_NOENV"] = "1"
        stop = threading.Event()
        watcher = threading.Thread(target=_record_until, args=(stop, place, record), daemon=True)
        watcher.start()
        try:
            with _own_sockets(_socket_folder(record)):
                yield
        finally:
            stop.set()
            watcher.join()
            end_leftovers(place, record)


def _socket_folder(record: Path) -> Path:
    return record.with_suffix(".sockets")


@contextmanager
def _own_sockets(folder: Path) -> Iterator[None]:
    """Lets vLLM put its sockets into a folder; where the path would be too long, they stay where vLLM puts them."""
    if SOCKET_FOLDER in os.environ or len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
        yield
        return
    folder.mkdir(exist_ok=True)
    os.environ[SOCKET_FOLDER] = str(folder)
    try:
        yield
    finally:
        del os.environ[SOCKET_FOLDER]


def _record_until(stop: threading.Event, place: str, record: Path) -> None:
    blocks: set[Path] = set()
    while not stop.wait(RECORD_SECONDS):
        blocks = {block for block in blocks.union(*map(_shared_memory_of, marked_processes(place))) if block.exists()}
        partial_file = record.with_suffix(".partial")
        partial_file.write_text("\n".join(map(str, sorted(blocks))))
        os.replace(partial_file, record)


def end_leftovers(place: str, record: Path, *, patience: float = 10.0) -> list[int]:
    """Ends every process marked as belonging to a run of a folder; removes their shared memory and vLLM's sockets.

    Args:
        place: Absolute path of the folder, as in the mark.
        record: List of the run's shared-memory blocks, one path a line; removed afterwards, as is the folder of
            sockets beside it. Need not exist.
        patience: Seconds to wait for the processes to be gone.

    Returns:
        The processes that were ended.

    Raises:
        GroupwiseError: A process would not end.
    """
    ended: set[int] = set()
    blocks = {Path(line) for line in record.read_text().splitlines()} if record.is_file() else set()
    deadline = time.monotonic() + patience
    # Again until none is found: a process may have been starting another one while the list was made.
    while pids := marked_processes(place):
        if time.monotonic() > deadline:
            raise GroupwiseError(
                f"Processes {sorted(pids)} are left of an earlier run in {place} and must end before the next one "
                "starts, but do not; end them by hand."
            )
        for pid in pids:
            blocks |= _shared_memory_of(pid)
            _kill(pid)
        ended.update(pids)
        time.sleep(0.1)
    own = {block for block in blocks if block.parent == SHARED_MEMORY and block.exists()}
    own = {block for block in own if block.stat().st_uid == os.getuid()}
    # Names are random, but another program may have been given one of them since.
    for block in own - blocks_in_use() if own else ():
        block.unlink(missing_ok=True)
    record.unlink(missing_ok=True)
    shutil.rmtree(_socket_folder(record), ignore_errors=True)
    return sorted(ended)


def marked_processes(place: str) -> list[int]:
    """Lists the living processes, this one and its resource tracker apart, that carry the mark of a folder's run."""
    own = {os.getpid(), *_own_resource_trackers()}
    found = psutil.process_iter(["environ"])
    # Of another user's process psutil gives None.
    return [one.pid for one in found if (one.info["environ"] or {}).get(MARK) == place and one.pid not in own]


def _own_resource_trackers() -> Iterator[int]:
    """Python's helper of this process, which removes its semaphores when it ends: killed, it would leave them."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if "multiprocessing.resource_tracker" in " ".join(child.cmdline()):
                yield child.pid


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def blocks_in_use() -> set[Path]:
    """Lists the shared-memory blocks that living processes have mapped.

    By inode: a semaphore is made, and mapped, under another name than the one that it then gets. And by device: the
    processes of a container have a folder of their own.
    """
    device = SHARED_MEMORY.stat().st_dev
    place = f"{os.major(device):02x}:{os.minor(device):02x}"
    mapped = {int(inode) for pid in psutil.pids() for at, inode, _ in _maps(pid) if at == place}
    return {Path(entry) for entry in os.scandir(SHARED_MEMORY) if entry.inode() in mapped}


def _shared_memory_of(pid: int) -> set[Path]:
    paths = (path for _, _, path in _maps(pid))
    return {Path(path) for path in paths if path.startswith(f"{SHARED_MEMORY}/") and not path.endswith(" (deleted)")}


def _maps(pid: int) -> Iterator[tuple[str, str, str]]:
    """Device, inode and path of each mapping of a process.

    Read here since psutil's memory_maps drops device and inode, and reads smaps, for which the kernel walks all pages.
    """
    # Gone meanwhile, or another user's: not of this run either way.
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for line in Path("/proc", str(pid), "maps").read_text(errors="replace").splitlines():
            _, _, _, device, inode, *path = line.split(maxsplit=5)
            yield device, inode, path[0] if path else ""
