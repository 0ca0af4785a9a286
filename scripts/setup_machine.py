"""What the machine offers: system, processor, Python, disk; each refused with a sentence where it falls short.

Standard library only, and readable by any Python 3 of these years, so that an old one gets the sentence too.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHONS = ("3.10", "3.11", "3.12")
GLIBC = (2, 28)
"""The wheels of torch and vLLM are manylinux_2_28."""
GIGABYTE = 1024**3


class SetupError(Exception):
    """What stops the set-up, as the one sentence that the user reads."""


@dataclass(frozen=True)
class Machine:
    """The facts that decide which wheels run here.

    Attributes:
        system: as platform.system() names it.
        processor: as platform.machine() names it.
        glibc: major and minor version, None under another C library.
        flags: instruction-set flags of the processor, empty where Linux lists none.
    """

    system: str
    processor: str
    glibc: tuple[int, int] | None
    flags: frozenset[str]


def read_machine() -> Machine:
    """Reads the facts of this machine."""
    return Machine(platform.system(), platform.machine(), _glibc(), _cpu_flags(Path("/proc/cpuinfo")))


def check_machine(machine: Machine, kind: str) -> None:
    """Checks that wheels of the set exist for the machine.

    Args:
        machine: what read_machine found.
        kind: "cpu" or "gpu".

    Raises:
        SetupError: no wheel of torch or vLLM runs here.
    """
    if machine.system != "Linux":
        raise SetupError(
            f"vLLM and its kernels are built for Linux only, but this is {machine.system or 'an unknown system'}; "
            "use a Linux machine or container (on Windows: WSL2)."
        )
    if machine.processor not in ("x86_64", "aarch64"):
        raise SetupError(
            f"vLLM's wheels are for x86_64 and aarch64 processors, but this one is {machine.processor}; "
            "use another machine."
        )
    if machine.glibc is None or machine.glibc < GLIBC:
        found = "another C library (musl?)" if machine.glibc is None else "glibc {}.{}".format(*machine.glibc)
        raise SetupError(
            f"The wheels of torch and vLLM need glibc {GLIBC[0]}.{GLIBC[1]} or newer, but this system has {found}; "
            "use a newer distribution, for example Debian 12 or Ubuntu 22.04, or a container of one."
        )
    if kind == "cpu" and machine.processor == "x86_64" and "avx2" not in machine.flags:
        raise SetupError(
            "vLLM's CPU kernels need a processor with AVX2, which /proc/cpuinfo does not list here; "
            "use an x86_64 machine from 2015 or later."
        )


def gpu_works() -> bool:
    """Whether nvidia-smi is there and lists a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    listing = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return listing.returncode == 0 and "GPU" in listing.stdout


def find_python() -> str:
    """Finds a Python that the wheels are built for and that can make environments.

    Returns:
        Path of the interpreter: the running one where it serves, else the newest on PATH.

    Raises:
        SetupError: there is none.
    """
    without_venv = ""
    for name in (sys.executable, *(f"python{version}" for version in reversed(PYTHONS))):
        version = python_version(name)
        if version not in PYTHONS:
            continue
        if _runs(name, "import ensurepip, venv"):
            return shutil.which(name) or name
        without_venv = without_venv or version
    if without_venv:
        raise SetupError(
            f"Python {without_venv} is here without its venv module; "
            f"install it (Debian, Ubuntu: apt install python{without_venv}-venv)."
        )
    raise SetupError(
        f"Python {', '.join(PYTHONS[:-1])} or {PYTHONS[-1]} is needed, but python3 is {platform.python_version()} and "
        "no other is on PATH; install one of them."
    )


def python_version(program: str) -> str:
    """Asks an interpreter for its version, as "3.11"; empty where it does not run (pyenv's shims may not)."""
    if shutil.which(program) is None:
        return ""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def check_disk(folder: Path, needed: float) -> None:
    """Checks the free space under a folder, counting what an interrupted set-up has already put there.

    Args:
        folder: the environment, which need not exist yet.
        needed: size of the whole environment in GiB.

    Raises:
        SetupError: the rest does not fit.
    """
    here = folder if folder.is_dir() else folder.parent
    present = sum(entry.lstat().st_size for entry in folder.rglob("*")) / GIGABYTE if folder.is_dir() else 0.0
    free = shutil.disk_usage(here).free / GIGABYTE
    missing = max(needed - present, 0.0)
    if free < missing:
        raise SetupError(
            f"The environment in {folder} needs {missing:.1f} GiB more, but {free:.1f} GiB are free there; free some, "
            "or activate an environment on another disk first."
        )


def _runs(program: str, code: str) -> bool:
    return subprocess.run([program, "-c", code], capture_output=True, check=False).returncode == 0


def _glibc() -> tuple[int, int] | None:
    try:
        words = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (AttributeError, OSError, ValueError):
        return None
    if len(words) != 2:
        return None
    major, minor = words[1].split(".")[:2]
    return int(major), int(minor)


def _cpu_flags(cpuinfo: Path) -> frozenset[str]:
    if not cpuinfo.is_file():
        return frozenset()
    for line in cpuinfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()
