"""One run at a time in a checkpoint folder, and nothing left of a run that was killed.

A launcher that is killed with SIGKILL cannot end what it started. Ray's and vLLM's processes inherit the environment,
so the marks set here name the run that they belong to; the folder's lock notes that run, and the next start finds and
ends them. vLLM's shared-memory blocks outlive their processes when Ray ends those, even after an orderly end, so a
thread of the launcher keeps a list of them, in a folder of the run's own in the temporary folder. vLLM's sockets, which
outlive them too, lie there as well.
"""

import os
import re
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR

import psutil

from groupwise.errors import GroupwiseError
from groupwise.launch.lock import Lock, locked

MARK = "GROUPWISE_RUN_FOLDER"
RUN_MARK = "GROUPWISE_RUN"
"""A run's own name: a folder of the same path may be another one, in a container or for another user."""
PRIVATE = "groupwise-"
"""How the names of the runs' own folders begin."""
SHARED_MEMORY = Path("/dev/shm")
MADE = re.compile(r"psm_|sem\.|torch_|vllm_|verl_weights_|nccl-|__KMP_REGISTERED_LIB_")
"""How names begin that Python, torch, vLLM, verl, NCCL and OpenMP give to what they make in shared memory."""
SOCKET_FOLDER = "VLLM_RPC_BASE_PATH"
"""vLLM's own variable; a user's value is left alone."""
LONGEST_SOCKET_FOLDER = 107 - len("/9b2f1c34-5d6e-4f70-8a91-b2c3d4e5f607")
"""Linux takes paths of 107 bytes for sockets, and vLLM adds a UUID."""
WEIGHT_FILES = ((Path("/tmp"), "rl-colocate-zmq-*-{run}.sock"), (SHARED_MEMORY, "verl_weights_*-{run}"))
"""Where verl hands over weights, and how a run's sockets and blocks are called there, see hook/weight_transfer.py."""
RECORD_SECONDS = 3.0
"""Between two looks at the shared memory of the run's processes; a look takes a few milliseconds."""


@contextmanager
def exclusive_run(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Claims a checkpoint folder for this process, and clears what a run in it leaves behind: before and after.

    Raises:
        GroupwiseError: Another run that may be alive holds the folder, or processes of an earlier one do not end.
    """
    place = Path(folder).expanduser().resolve()
    place.mkdir(parents=True, exist_ok=True)
    with locked(place) as lock:
        # Made anew for each run: a folder of a known name might be somebody else's.
        run, private = uuid.uuid4().hex, Path(tempfile.mkdtemp(prefix=PRIVATE))
        lock.note([run, str(private)])
        for former_run, former_private in lock.former:
            end_leftovers(former_run, Path(former_private))
        lock.note([run, str(private)], forget=True)
        # Ray and vLLM rename their processes; by default that overwrites the environment block that holds the marks.
        marks = {MARK: str(place), RUN_MARK: run, "SPT_NOENV": "1"}
        if SOCKET_FOLDER not in os.environ and len(os.fsencode(private)) <= LONGEST_SOCKET_FOLDER:
            marks[SOCKET_FOLDER] = str(private)
        stop = threading.Event()
        watcher = threading.Thread(target=_record_until, args=(stop, lock, run, private / "blocks"), daemon=True)
        watcher.start()
        try:
            with _environment(marks):
                yield
        finally:
            stop.set()
            watcher.join()
            end_leftovers(run, private)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _record_until(stop: threading.Event, lock: Lock, run: str, record: Path) -> None:
    blocks: set[Path] = set()
    while not stop.wait(RECORD_SECONDS):
        # A folder or disk that is gone is the run's own affair: its other threads say so.
        with suppress(OSError):
            lock.renew()
            blocks = {block for block in blocks.union(*map(_shared_memory_of, _processes_of(run))) if block.exists()}
            partial_file = record.with_suffix(".partial")
            partial_file.write_text("\n".join(map(str, sorted(blocks))))
            os.replace(partial_file, record)


def end_leftovers(run: str, private: Path, *, patience: float = 10.0) -> list[int]:
    """Ends every process of a run that is over, and says which; removes its shared memory, sockets and own folder.

    That folder, `private`, holds vLLM's sockets and the list of the run's shared-memory blocks, one path a line; it
    need not exist.

    Raises:
        GroupwiseError: A process would not end within `patience` seconds.
    """
    ended: set[int] = set()
    record = private / "blocks"
    is_own = private.name.startswith(PRIVATE) and _is_own_folder(private)
    blocks = {Path(line) for line in record.read_text().splitlines()} if is_own and record.is_file() else set()
    deadline = time.monotonic() + patience
    # Again until none is found: a process may have been starting another one while the list was made.
    while pids := _processes_of(run):
        if time.monotonic() > deadline:
            raise GroupwiseError(
                f"Processes {sorted(pids)} are left of an earlier run in the same folder and must end before the next "
                "one starts, but do not; end them by hand."
            )
        for pid in pids:
            blocks |= _shared_memory_of(pid)
            _kill(pid)
        ended.update(pids)
        time.sleep(0.1)
    own = {block for block in blocks if block.parent == SHARED_MEMORY and MADE.match(block.name) and block.exists()}
    own = {block for block in own if block.lstat().st_uid == os.getuid()}
    # Names are random, but another program may have been given one of them since.
    for block in own - blocks_in_use() if own else ():
        block.unlink(missing_ok=True)
    for folder, pattern in WEIGHT_FILES:
        for file in folder.glob(pattern.format(run=run)):
            file.unlink(missing_ok=True)
    if is_own:
        shutil.rmtree(private, ignore_errors=True)
    return sorted(ended)


def _is_own_folder(path: Path) -> bool:
    with suppress(OSError):
        found = path.lstat()
        return S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return False


def marked_processes(place: str) -> list[int]:
    """Lists the living processes of this user, this one and its resource tracker apart, of runs in a folder."""
    return _processes_with(MARK, place)


def _processes_of(run: str) -> list[int]:
    return _processes_with(RUN_MARK, run)


def _processes_with(mark: str, value: str) -> list[int]:
    own = {os.getpid(), *_own_resource_trackers()}
    mine = (
        each
        for each in psutil.process_iter(["environ", "uids"])
        if getattr(each.info["uids"], "real", None) == os.getuid()
    )
    # Of a process that it may not look into psutil gives None.
    return [one.pid for one in mine if (one.info["environ"] or {}).get(mark) == value and one.pid not in own]


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
