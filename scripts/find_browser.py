"""Finds the Chromium that the tests of pages run in: for set-up, which installs one, and for the tests' fixture.

Standard library only: set-up runs before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")


def find_browser() -> str | None:
    """Finds a browser that answers `--version`; a program that does not, such as Ubuntu's shim for a snap, is none.

    Returns:
        The path of the first of: DIPO_BROWSER, the programs of `NAMES` on PATH, those that playwright downloaded; None
        without one.
    """
    given = os.environ.get("DIPO_BROWSER")
    if given:
        # Named on purpose: another one must not take its place unnoticed.
        return given if browser_version(given) else None
    on_path = [found for name in NAMES if (found := shutil.which(name))]
    return next((found for found in [*on_path, *_downloaded()] if browser_version(found)), None)


def browser_version(program: str) -> str:
    """Asks a browser for its version.

    Args:
        program: Its path.

    Returns:
        What it prints, "" where it does not run.
    """
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def why_none() -> str:
    """Says why `find_browser` found nothing, and what to do: a sentence without its full stop."""
    given = os.environ.get("DIPO_BROWSER")
    if given:
        return (
            f"DIPO_BROWSER must name a Chromium that runs, but {given} does not answer --version; correct or unset it"
        )
    return (
        f"none of {', '.join(NAMES)} runs, and playwright has downloaded none; install chromium, or run "
        "`python -m playwright install --only-shell chromium`, or set DIPO_BROWSER to the program of one"
    )


def _downloaded() -> list[str]:
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    cache = Path(folder) if folder not in ("", "0") else Path.home() / ".cache" / "ms-playwright"
    shells = [
        *cache.glob("chromium_headless_shell-*/*/*headless*shell"),
        *cache.glob("chromium-*/chrome-linux*/chrome"),
    ]
    return [str(shell) for shell in sorted(shells, key=_build, reverse=True)]


def _build(program: Path) -> int:
    # The newest first: a folder is named after the build, `chromium_headless_shell-1187`.
    build = program.parent.parent.name.rpartition("-")[2]
    return int(build) if build.isdigit() else 0
