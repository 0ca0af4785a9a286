"""What of this machine belongs to a run: its processes, their memory, and what they leave behind."""

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil

from groupwise.launch.leftovers import SHARED_MEMORY, blocks_in_use, marked_processes

KINDS = {
    "training worker": r"ray::WorkerDict",
    "vLLM server": r"ray::vLLMHttpServer",
    "engine core": r"VLLM::EngineCore",
    "vLLM worker": r"VLLM::Worker",
    "controller": r"ray::\w*TaskRunner",
    "agent loop": r"ray::AgentLoopWorker",
    "reward worker": r"ray::RewardLoopWorker",
    "rollout storage": r"ray::SimpleStorageUnit",
}
"""Kinds of processes by how their title begins; the launching one, `driver`, is known by its id."""
DRIVER = "driver"
NAMES = {
    "vLLM's sockets": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "verl's sockets of the weights": r"rl-colocate-zmq-.*",
    "verl's lock files of folders": r"ckpt_[0-9a-f]{8}\.lock",
    "multiprocessing's folders": r"pymp-.*",
}
"""Files in the temporary folder, by who makes them. Their names say nothing of the run that they are of."""


def kind_of(pid: int) -> str | None:
    """Which of `KINDS` a process is; None for none, or where it is gone."""
    try:
        title = Path("/proc", str(pid), "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return None
    return next((kind for kind, pattern in KINDS.items() if re.match(pattern, title)), None)


def victims(place: str, kind: str, driver: int) -> list[int]:
    """Lists the processes of a run that are of a kind.

    Args:
        place: The run's folder of checkpoints, as in its mark.
        kind: One of `KINDS`, or `DRIVER`.
        driver: The launching process.

    Returns:
        Their ids; never one that does not carry the run's mark, the launching process apart.
    """
    if kind == DRIVER:
        return [driver]
    return [pid for pid in marked_processes(place) if kind_of(pid) == kind]


def alive(place: str) -> list[psutil.Process]:
    """The living processes of a run, the launching one apart; unlike their numbers they are never given anew."""
    found = []
    for pid in marked_processes(place):
        try:
            found.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    return found


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def memory(place: str, driver: int) -> dict[str, float]:
    """Resident memory of a run's processes.

    Args:
        place: As in its mark.
        driver: The launching process.

    Returns:
        MiB by kind, the others under `other`.
    """
    found = Counter[str]()
    for pid in [driver, *marked_processes(place)]:
        try:
            resident = psutil.Process(pid).memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        found[DRIVER if pid == driver else kind_of(pid) or "other"] += resident
    return {kind: round(size / 2**20, 1) for kind, size in sorted(found.items())}


class Leavings(NamedTuple):
    """What lies where processes leave things.

    Attributes:
        shared_memory: Names of the shared-memory blocks.
        temporary: Names in the temporary folder, and those of Ray's sessions in it.
    """

    shared_memory: frozenset[str]
    temporary: frozenset[str]


def look() -> Leavings:
    """Lists what lies there now."""
    folder = Path(tempfile.gettempdir())
    ray = folder / "ray"
    sessions = [f"ray/{path.name}" for path in ray.iterdir() if path.is_dir()] if ray.is_dir() else []
    names = [path.name for path in folder.iterdir()]
    return Leavings(frozenset(path.name for path in SHARED_MEMORY.iterdir()), frozenset([*names, *sessions]))


def left_behind(before: Leavings, after: Leavings) -> tuple[list[str], dict[str, int]]:
    """Finds what is new and no living process uses.

    Args:
        before: At the start.
        after: At the end, when no process of the run lives.

    Returns:
        The names of the shared-memory blocks, and the number of files in the temporary folder by kind: those of
        `NAMES`, Ray's sessions (logs, which are kept for their reader), and others, which may be anyone's.
    """
    blocks = after.shared_memory - before.shared_memory - {path.name for path in blocks_in_use()}
    new = after.temporary - before.temporary - _bound_sockets()
    kinds = Counter(_kind_of_file(name) for name in new)
    return sorted(blocks), dict(sorted(kinds.items()))


def _kind_of_file(name: str) -> str:
    if name.startswith("ray/session_"):
        return "Ray's sessions (logs)"
    return next((kind for kind, pattern in NAMES.items() if re.fullmatch(pattern, name)), "others")


def _bound_sockets() -> set[str]:
    folder = f"{tempfile.gettempdir()}/"
    lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()
    return {line.rpartition(" ")[2].removeprefix(folder) for line in lines if f" {folder}" in line}
