"""Provides the browser that the tests of pages run in. Without one those tests are skipped; set-up goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from find_browser import find_browser, why_none

SECONDS = 900
"""For one command: a browser is some 150 MiB, and an index that does not answer is not waited for for ever."""

APT = ["apt-get", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20"]


def provide_browser(prefix: Path) -> None:
    """Installs Chromium where no browser is found: as root with apt-get, else from playwright's own server.

    Once tried in vain it is not tried again in this environment; a browser that came otherwise is found all the same.

    Args:
        prefix: folder of the environment, which holds playwright.
    """
    if find_browser() is not None:
        return
    log, tried = prefix / "setup.log", prefix / ".verl-dipo-no-browser"
    if not os.environ.get("DIPO_BROWSER") and not tried.exists():
        print("setup: installing Chromium, for the tests of pages (a minute, once)", file=sys.stderr)
        if any(_runs(commands, log) and find_browser() is not None for commands in _ways(prefix)):
            return
        tried.touch()
    what = f" What was tried is in {log}." if tried.exists() else ""
    print(f"setup: the tests of pages will be skipped: {why_none()}.{what}", file=sys.stderr)


def _ways(prefix: Path) -> Iterator[list[list[str]]]:
    may_apt = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if may_apt:
        # On Ubuntu there is no such package, or one for snap, which containers do not have.
        yield [[*APT, "update"], [*APT, "install", "-y", "--no-install-recommends", "chromium"]]
    libraries = ["--with-deps"] if may_apt else []
    yield [[str(prefix / "bin" / "python"), "-m", "playwright", "install", *libraries, "--only-shell", "chromium"]]


def _runs(commands: Sequence[Sequence[str]], log: Path) -> bool:
    """Runs the commands in turn, their output appended to the log; False as soon as one fails."""
    with log.open("a") as output:
        for command in commands:
            output.write(f"\n$ {' '.join(command)}\n")
            output.flush()
            try:
                ran = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    timeout=SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                output.write(f"{error}\n")
                return False
            if ran.returncode != 0:
                return False
    return True
