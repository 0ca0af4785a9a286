"""Runs pip quietly: one line that counts packages, everything pip says in a log, and a sentence when it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from setup_machine import SetupError

NETWORK = re.compile(r"NewConnectionError|name resolution|ConnectTimeout|ReadTimeout|ProxyError|SSLError|unreachable")
UNFOUND = re.compile(r"No matching distribution found for (\S+)")


def pip_install(python: Path, arguments: list[str], step: str, log: Path) -> None:
    """Installs with pip, without resolving: the requirement files are whole closures.

    Args:
        python: interpreter of the environment.
        arguments: pip install's, after --no-deps.
        step: what is installed, for the user.
        log: file that gets pip's output, appended.

    Raises:
        SetupError: pip failed; says at which step, why where pip's output tells, and what to do.
    """
    command = [str(python), "-m", "pip", "install", "--no-deps", "--no-input", *arguments]
    with log.open("a") as output:
        start = output.tell()
        output.write(f"\n$ {' '.join(command)}\n")
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(),
            close_fds=False,  # set-up's lock is to be inherited
        )
        assert process.stdout is not None  # a pipe was asked for
        count = _follow(process.stdout, output, step)
        code = process.wait()
    if code == 0:
        _show(f"setup: {step}: installed ({count})", ends=True)
    else:
        with log.open(errors="replace") as written:
            written.seek(start)
            raise SetupError(_explain(written.read(), step, log))


def _environment() -> dict[str, str]:
    # With PYTHONPATH, pip would take what lies there for installed.
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return {**kept, "PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _follow(lines: Iterable[str], output: TextIO, step: str) -> int:
    count = 0
    for line in lines:
        output.write(line)
        if line.startswith(("Collecting ", "Processing ", "Obtaining ", "Requirement already satisfied: ")):
            count += 1
            _show(f"setup: {step}: {count} looked up", ends=False)
        elif "Downloading " in line and "MB)" in line:
            _show(f"setup: {step}: {line.strip()}", ends=False)
        elif line.startswith("Installing collected packages"):
            _show(f"setup: {step}: unpacking", ends=False)
    return count


def _show(text: str, *, ends: bool) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:110]}", end="\n" if ends else "", file=sys.stderr, flush=True)
    elif ends:
        print(text, file=sys.stderr, flush=True)


def _explain(text: str, step: str, log: Path) -> str:
    unfound = UNFOUND.search(text)
    if "No space left on device" in text or "Errno 28" in text:
        why = "the disk is full; free some space"
    elif NETWORK.search(text):
        why = (
            "no package index answered; check the connection, or point pip at a folder of wheels "
            "(PIP_NO_INDEX=1 PIP_FIND_LINKS=<folder>)"
        )
    elif unfound:
        why = f"none of pip's configured sources has {unfound.group(1)} for this Python and processor"
    else:
        why = f"pip's last words: {text.strip().splitlines()[-1]}"
    return f"Installing {step} failed: {why}. pip's output is in {log}; the same command goes on where this stopped."
