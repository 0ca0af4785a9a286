"""Makes the environment that the other scripts run in, or uses the active one; a no-op when nothing changed.

Standard library only: it runs before anything is installed. What is done is recorded part by part inside the
environment, so that a killed set-up goes on where it stopped.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from setup_browser import provide_browser
from setup_machine import (
    PYTHONS,
    SetupError,
    check_disk,
    check_machine,
    find_python,
    gpu_works,
    python_version,
    read_machine,
)
from setup_record import ROOT, Environment, choose_environment, read_record, write_record
from setup_steps import install_part

SIZES = {"cpu": 4.6, "gpu": 16.0}
"""GiB of a whole environment: cpu measured, gpu the sum of its wheels' sizes and a margin."""


def wanted_parts(kind: str, dev: bool) -> dict[str, str]:
    """What must be installed, in order: the name of each part and a digest of what it is made from."""
    parts = {kind: _digest(*sorted((ROOT / "requirements").glob(f"{kind}*.txt")))}
    if dev:
        parts["dev"] = _digest(ROOT / "requirements" / "dev.txt")
    parts["project"] = _digest(ROOT / "pyproject.toml") + str(ROOT)
    return parts


def pending_parts(record: dict, wanted: dict[str, str]) -> list[str]:
    """The parts that are not installed as wanted, and the final check when anything else is."""
    done = record.get("parts", {})
    pending = [name for name, digest in wanted.items() if done.get(name) != digest]
    return [*pending, "check"] if pending or not done.get("check") else []


def set_up(environment: Environment, kind: str, dev: bool) -> None:
    """Installs what is pending and checks it.

    Raises:
        SetupError: the machine, the disk, pip or the check said no.
    """
    wanted = wanted_parts(kind, dev)
    if not pending_parts(read_record(environment), wanted):
        return
    check_machine(read_machine(), kind)
    with _locked(environment):
        record = _made(environment, kind)
        pending = pending_parts(record, wanted)
        if not pending:
            return
        check_disk(environment.prefix, SIZES[kind])
        print(f"setup: installing the {kind} set in {environment.prefix} (minutes, once)", file=sys.stderr)
        parts = {name: digest for name, digest in record.get("parts", {}).items() if name not in pending}
        for name in pending:
            # Written before as well as after: killed half-way, a part that was there before is no longer.
            write_record(environment, kind, parts)
            install_part(name, kind, environment.python, ROOT)
            parts[name] = wanted.get(name, "done")
        write_record(environment, kind, parts)


def _made(environment: Environment, kind: str) -> dict:
    """Makes the environment where it is missing, half-made, moved or of the other kind; returns its record."""
    record = read_record(environment)
    moved = record.get("root", str(ROOT)) != str(ROOT)
    other_kind = record.get("kind", kind) != kind
    if environment.ours and (_half_made().exists() or not environment.prefix.exists() or moved or other_kind):
        _half_made().touch()
        subprocess.run([find_python(), "-m", "venv", "--clear", str(environment.prefix)], check=True, close_fds=False)
        _half_made().unlink()
        return {}
    if other_kind:
        raise SetupError(
            f"The active environment {environment.prefix} holds the {record['kind']} set, whose vLLM would mix with "
            f"that of the {kind} set; deactivate it, so that .venv is used, or activate another."
        )
    cure = "remove that folder" if environment.ours else "deactivate it, so that .venv is used"
    version = python_version(str(environment.python))
    if version not in PYTHONS:
        raise SetupError(
            f"Python {PYTHONS[0]} to {PYTHONS[-1]} is needed, but the environment {environment.prefix} has "
            f"{version or 'none that runs'}; {cure}."
        )
    asked = subprocess.run([str(environment.python), "-m", "pip", "--version"], capture_output=True, check=False)
    if asked.returncode != 0:
        raise SetupError(f"The environment {environment.prefix} has no pip that runs; install pip in it, or {cure}.")
    return record


def _half_made() -> Path:
    # Beside .venv, not in it: there while it is being made, so that a killed set-up is seen.
    return ROOT / ".venv.making"


@contextmanager
def _locked(environment: Environment) -> Iterator[None]:
    path = ROOT / ".venv.lock" if environment.ours else environment.prefix / ".verl-dipo.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"setup: another set-up is at work in {environment.prefix}; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        # pip inherits the lock: should this process be killed, the next set-up waits for the pip it left behind.
        os.set_inheritable(lock.fileno(), True)
        yield


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def main() -> None:
    """Reads the command line, sets up, and ends with a sentence where that fails."""
    parser = argparse.ArgumentParser(prog="setup.sh", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "kind", nargs="?", choices=["cpu", "gpu"], help="default: as installed, else gpu where one works"
    )
    parser.add_argument("--dev", action="store_true", help="also linters, type checker, pytest and a browser")
    parser.add_argument("--print-bin", action="store_true", help="print the environment's bin folder, for scripts")
    asked = parser.parse_args()
    environment = choose_environment(dict(os.environ))
    kind = asked.kind or read_record(environment).get("kind") or ("gpu" if gpu_works() else "cpu")
    try:
        set_up(environment, kind, asked.dev)
        if asked.dev:
            provide_browser(environment.prefix)
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; the same command goes on where this stopped.")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"setup: {environment.prefix} could not be prepared: {error}.")
    print(environment.prefix / "bin" if asked.print_bin else f"setup: the {kind} set is ready in {environment.prefix}")


if __name__ == "__main__":
    main()
