"""Makes the environment that the other scripts run in, or uses the active one; a no-op when nothing changed.

Standard library only, as its siblings: they run before anything is installed. A killed
set-up goes on where it stopped: what is there is
not installed again, and what it left half-made is.
"""

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from setup_browser import provide_browser
from setup_install import Installer, install_flash_attn, install_set, locked, remove_half_installed
from setup_machine import (
    SetupError,
    asked,
    check_disk,
    check_machine,
    read_machine,
)

PYTHONS = ("3.10", "3.11", "3.12")
ROOT = Path(__file__).resolve().parent.parent
HALF_MADE = ROOT / ".venv.making"
"""Beside .venv, not in it: there while it is being made, so that a killed set-up is seen."""
SIZES = {"cpu": 4.6, "gpu": 10.7}
"""GiB of a whole environment with the development tools, measured."""


class Environment(NamedTuple):
    """Where to install; `ours` if made by set-up, so that it may be made anew."""

    prefix: Path
    ours: bool

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    @property
    def site(self) -> Path:
        return next(self.prefix.glob("lib/python3*/site-packages"), self.prefix)

    @property
    def record(self) -> Path:
        return self.prefix / ".verl-dipo.json"

    @property
    def packages(self) -> list[str]:
        return sorted(info.name for info in self.site.glob("*.dist-info"))


def choose_environment(variables: dict[str, str]) -> Environment:
    """The active virtual or conda environment, else .venv; conda's base, active by default, is left alone."""
    active = variables.get("VIRTUAL_ENV", "")
    if not active and variables.get("CONDA_DEFAULT_ENV", "base") != "base":
        active = variables.get("CONDA_PREFIX", "")
    own = ROOT / ".venv"
    if active and Path(active).resolve() != own.resolve():
        return Environment(Path(active), ours=False)
    return Environment(own, ours=True)


def read_record(environment: Environment) -> dict[str, Any]:
    """What set-up was begun for, and with what it came to its end; empty where there was none."""
    try:
        return json.loads(environment.record.read_text())
    except (OSError, ValueError):
        return {}


def is_ready(environment: Environment, kind: str, dev: bool) -> bool:
    """Whether a set-up came to its end with what is wanted now, and no package has gone since."""
    record = read_record(environment)
    same = record.get("kind") == kind and record.get("digest") == _digest() and (record["dev"] or not dev)
    return same and not set(record["packages"]) - set(environment.packages)


def set_up(environment: Environment, kind: str, *, dev: bool, with_pip: bool) -> None:
    """Installs what is missing and checks it; a SetupError where the machine, the disk, pip or the check said no."""
    if is_ready(environment, kind, dev):
        return
    check_machine(read_machine(), kind)
    with _locked(environment):
        if is_ready(environment, kind, dev):
            return  # another set-up was at work
        before = _made(environment, kind)
        dev = dev or before.get("dev", False)
        check_disk(environment.prefix, SIZES[kind])
        print(f"setup: installing the {kind} set in {environment.prefix} (minutes, once)", file=sys.stderr)
        begun = {"kind": kind, "root": str(ROOT), "dev": dev}
        _write(environment, begun)
        remove_half_installed(environment.site, begun=bool(before))
        installer = Installer(environment.python, with_pip=with_pip)
        install_set(kind, installer, ROOT / "requirements", environment.site)
        if dev:
            installer.install("the development tools", *locked(ROOT / "requirements" / "dev.txt"))
        installer.install("this project", "--no-build-isolation", "--editable", str(ROOT))
        _check(environment, kind)
        _write(environment, {**begun, "digest": _digest(), "packages": environment.packages})
    if kind == "gpu":
        # Last, and of no account for whether the set-up is done: it may be built for hours, or be left out.
        install_flash_attn(installer, ROOT / "requirements")


def _write(environment: Environment, record: dict[str, Any]) -> None:
    written = environment.record.with_suffix(".new")
    written.write_text(json.dumps(record))
    written.replace(environment.record)


def _digest() -> str:
    files = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "pyproject.toml"]
    return hashlib.sha256(b"\0".join([str(ROOT).encode(), *(file.read_bytes() for file in files)])).hexdigest()


def _made(environment: Environment, kind: str) -> dict[str, Any]:
    """Makes the environment where it is missing, half-made, moved or of the other kind; returns its record."""
    record = read_record(environment)
    moved = record.get("root", str(ROOT)) != str(ROOT)
    other_kind = record.get("kind", kind) != kind
    if environment.ours and (HALF_MADE.exists() or not environment.prefix.exists() or moved or other_kind):
        HALF_MADE.touch()
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment.prefix], check=True, close_fds=False)
        HALF_MADE.unlink()
        return {}
    if other_kind:
        raise SetupError(
            f"The active environment {environment.prefix} holds the {record['kind']} set, whose vLLM would mix with "
            f"that of the {kind} set; deactivate it, so that .venv is used, or activate another."
        )
    version = asked(str(environment.python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    if version not in PYTHONS:
        cure = "remove that folder" if environment.ours else "deactivate it, so that .venv is used"
        raise SetupError(
            f"Python {PYTHONS[0]} to {PYTHONS[-1]} is needed, but the environment {environment.prefix} has "
            f"{version or 'none that runs'}; {cure}."
        )
    return record


def _check(environment: Environment, kind: str) -> None:
    print("setup: importing verl, vLLM and the registrations", file=sys.stderr)
    command = [str(environment.python), str(ROOT / "scripts" / "check_install.py"), kind]
    quiet = {**os.environ, "VLLM_LOGGING_LEVEL": "ERROR"}  # it remarks on Triton, which a CPU does without
    if subprocess.run(command, env=quiet, check=False).returncode != 0:
        raise SetupError("The installation is not complete, as said above; the same command tries again.")


@contextmanager
def _locked(environment: Environment) -> Iterator[None]:
    path = ROOT / ".venv.lock" if environment.ours else environment.prefix / ".verl-dipo.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"setup: another set-up is at work in {environment.prefix}; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        # uv and pip inherit the lock: should this process be killed, the next set-up waits for what it left behind.
        os.set_inheritable(lock.fileno(), True)
        yield


def main() -> None:
    """Reads the command line, sets up, and ends with a sentence where that fails."""
    parser = argparse.ArgumentParser(prog="setup.sh", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "kind", nargs="?", choices=["cpu", "gpu"], help="default: as installed, else gpu where one works"
    )
    parser.add_argument("--dev", action="store_true", help="also linters, type checker, pytest and a browser")
    parser.add_argument("--pip", action="store_true", help="install with pip, though uv is there or could be")
    parser.add_argument("--print-bin", action="store_true", help="print the environment's bin folder, for scripts")
    options = parser.parse_args()
    environment = choose_environment(dict(os.environ))
    kind = (
        options.kind or read_record(environment).get("kind") or ("gpu" if "GPU" in asked("nvidia-smi", "-L") else "cpu")
    )
    try:
        set_up(environment, kind, dev=options.dev, with_pip=options.pip)
        if options.dev:
            provide_browser(environment.prefix)
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; the same command goes on where this stopped.")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"setup: {environment.prefix} could not be prepared: {error}.")
    print(
        environment.prefix / "bin" if options.print_bin else f"setup: the {kind} set is ready in {environment.prefix}"
    )


if __name__ == "__main__":
    main()
