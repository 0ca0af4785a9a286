"""Files that appear under their names when they are whole, and several that appear together."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def staged(folder: Path) -> Generator[Path]:
    """Gives a folder to write to, whose files move to another one when all of them are there.

    What stood under their names stays until then, and for good if the body raises: files of one run, such as the two
    sides of a split, are never mixed with those of another because one of them failed.

    Args:
        folder: Where the files shall go; made if it is not there.

    Yields:
        A new folder within it, gone afterwards.

    Raises:
        OSError: If a folder or file cannot be made or moved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*.partial"):
        _remove_if_dead(leftover)
    partial = folder / f".{os.getpid()}.partial"
    partial.mkdir()
    try:
        yield partial
        for file in sorted(partial.iterdir()):
            os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(partial)


def _remove_if_dead(leftover: Path) -> None:
    """A process that was killed leaves what it had written."""
    pid = leftover.name.split(".")[-2]
    if leftover.is_dir() and pid.isdecimal() and not psutil.pid_exists(int(pid)):
        shutil.rmtree(leftover)
