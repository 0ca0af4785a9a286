"""What the machine offers: system, processor, disk; each refused with a sentence where it falls short."""

import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

GLIBC = (2, 28)
"""The wheels of torch and vLLM are manylinux_2_28."""
GIGABYTE = 1024**3


class SetupError(Exception):
    """What stops the set-up, as the one sentence that the user reads."""


class Machine(NamedTuple):
    """The facts that decide which wheels run here."""

    system: str  # as platform.system() names it
    processor: str  # as platform.machine() names it
    glibc: tuple[int, ...] | None  # None under another C library
    flags: frozenset[str]  # instruction sets of the processor, empty where Linux lists none


def read_machine() -> Machine:
    """Reads the facts of this machine."""
    library, version = platform.libc_ver()
    glibc = tuple(int(part) for part in version.split(".")) if library == "glibc" else None
    cpuinfo = Path("/proc/cpuinfo")
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo.read_text() if cpuinfo.is_file() else "", re.MULTILINE)
    return Machine(platform.system(), platform.machine(), glibc, frozenset(flags.group(1).split() if flags else []))


def check_machine(machine: Machine, kind: str) -> None:
    """Checks that wheels of the set, "cpu" or "gpu", exist for the machine.

    Raises:
        SetupError: No wheel of torch or vLLM runs here.
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


def check_disk(folder: Path, needed: float) -> None:
    """Checks that an environment of that many GiB fits, counting what an interrupted set-up has already put there.

    Raises:
        SetupError: The rest does not fit.
    """
    here = folder if folder.is_dir() else folder.parent
    present = sum(entry.lstat().st_size for entry in folder.rglob("*")) / GIGABYTE
    free = shutil.disk_usage(here).free / GIGABYTE
    missing = max(needed - present, 0.0)
    if free < missing:
        raise SetupError(
            f"The environment in {folder} needs {missing:.1f} GiB more, but {free:.1f} GiB are free there; free some, "
            "or activate an environment on another disk first."
        )


def asked(program: str, *arguments: str) -> str:
    """What a program prints, "" where there is none or it fails."""
    try:
        answer = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
