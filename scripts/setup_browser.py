"""The Chromium that the tests of pages run in: where it is, and where there is none, how set-up provides one.

Without one those tests are skipped, and set-up goes on. Standard library only: it runs before anything is installed.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from setup_install import run_logged
from setup_machine import asked

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
# A browser is some 150 MiB, and an index that does not answer is not waited for for ever.
LIMIT = ["timeout", "900"]
APT = [
    *LIMIT,
    "apt-get",
    "-o",
    "Acquire::Retries=1",
    "-o",
    "Acquire::http::Timeout=20",
    "-o",
    "Acquire::https::Timeout=20",
]


def find_browser() -> str | None:
    """Finds a browser that answers `--version`; a program that does not, such as Ubuntu's shim for a snap, is none.

    Returns:
        The path of the first of: DIPO_BROWSER, the programs of `NAMES` on PATH, those that playwright downloaded.
    """
    given = os.environ.get("DIPO_BROWSER")
    if given:
        # Named on purpose: another one must not take its place unnoticed.
        return given if answers(given) else None
    on_path = [found for name in NAMES if (found := shutil.which(name))]
    return next((found for found in [*on_path, *_downloaded()] if answers(found)), None)


def answers(program: str) -> bool:
    """Whether a browser runs and prints its version."""
    return bool(asked(program, "--version"))


def why_none() -> str:
    """Says why `find_browser` found nothing, and what to do: a sentence without its full stop."""
    if given := os.environ.get("DIPO_BROWSER"):
        return (
            f"DIPO_BROWSER must name a Chromium that runs, but {given} does not answer --version; correct or unset it"
        )
    return (
        f"none of {', '.join(NAMES)} runs, and playwright has downloaded none; install chromium, or run "
        "`python -m playwright install --only-shell chromium`, or set DIPO_BROWSER to the program of one"
    )


def provide_browser(prefix: Path) -> None:
    """Installs Chromium where no browser is found: as root with apt-get, else with the environment's playwright.

    Once tried in vain it is not tried again in this environment; a browser that came otherwise is found all the same.
    """
    if find_browser() is not None:
        return
    log, tried = prefix / "setup.log", prefix / ".verl-dipo-no-browser"
    if not os.environ.get("DIPO_BROWSER") and not tried.exists():
        print("setup: installing Chromium, for the tests of pages (a minute, once)", file=sys.stderr)
        for commands in _ways(prefix):
            done = all(run_logged(one, log, "Chromium", DEBIAN_FRONTEND="noninteractive") for one in commands)
            if done and find_browser() is not None:
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
    yield [
        [*LIMIT, str(prefix / "bin" / "python"), "-m", "playwright", "install", *libraries, "--only-shell", "chromium"]
    ]


def _downloaded() -> list[str]:
    """Playwright's own, the newest first: a folder is named after the build, `chromium_headless_shell-1187`."""
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    cache = Path(folder) if folder not in ("", "0") else Path.home() / ".cache" / "ms-playwright"
    shells = [
        *cache.glob("chromium_headless_shell-*/*/*headless*shell"),
        *cache.glob("chromium-*/chrome-linux*/chrome"),
    ]
    builds = {str(shell): shell.parent.parent.name.rpartition("-")[2] for shell in shells}
    return sorted(builds, key=lambda shell: int(builds[shell]) if builds[shell].isdigit() else 0, reverse=True)
