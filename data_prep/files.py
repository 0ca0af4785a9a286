"""Data files: their kinds by name, how one is opened, and how new ones appear together when all are whole."""

import gzip
import io
import os
import shutil
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

import psutil

from data_prep.errors import DataError

KINDS: Final = ("jsonl", "json", "parquet", "csv", "tsv", "ndjson", "arrow")
GZIP: Final = ".gz"
SUFFIXES: Final = tuple(f".{kind}{end}" for kind in KINDS for end in ("", GZIP))
TEXT_KINDS: Final = ("jsonl", "ndjson", "json", "csv", "tsv")

_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_BYTE_ORDER_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def kind_of(path: Path) -> str:
    """Returns one of KINDS by a file's name, in capitals or not; "" where it names none, or is a data card."""
    name = path.name.lower().removesuffix(GZIP)
    if name.endswith(".parquet.json"):
        return ""
    return next((kind for kind in KINDS if name.endswith(f".{kind}")), "")


def is_packed(path: Path) -> bool:
    return path.name.lower().endswith(GZIP)


def bare_name(path: Path) -> str:
    """Returns a data file's name without the part that says its kind."""
    return Path(path.name[: -len(GZIP)] if is_packed(path) else path.name).stem


def pointer_fault(path: Path) -> DataError | None:
    """Returns the fault of a file that is only what Git LFS leaves in place of one; None for any other file."""
    with path.open("rb") as file:
        if file.read(len(_POINTER)) != _POINTER:
            return None
    return DataError(
        f"{path}: must be the data, but it is a Git LFS pointer to it: run git lfs pull in its repository, or download"
        " the file itself"
    )


def unreadable(path: Path, error: Exception) -> Exception:
    """Returns what to raise where pyarrow, which names no file, cannot read one.

    An error of the file system (no such file, no permission) is returned as it is.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error
    if path.is_file() and (fault := pointer_fault(path)):
        return fault
    kind = "Arrow" if ".arrow" in path.name.lower() else "parquet"
    return DataError(f"{path}: must be a whole {kind} file, but {(str(error).splitlines() or [''])[0]}")


@contextmanager
def open_data(path: Path) -> Generator[BinaryIO]:
    """Opens a data file to read its bytes, decompressed where its name ends in .gz."""
    if fault := pointer_fault(path):
        raise fault
    try:
        with cast("io.BufferedReader", gzip.open(path) if is_packed(path) else path.open("rb")) as file:
            if kind_of(path) in TEXT_KINDS:
                _check_encoding(path, file.peek(4)[:4])
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: must be a whole gzip file, but {error}: complete it, or unpack it") from error


def read_whole(path: Path, limit: int, what: str) -> bytes:
    """Reads a file of at most `limit` bytes, unpacked; `what`, formatted with the limit, is told of others."""
    with open_data(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise DataError(f"{path}: {what.format(limit)}")
    return content


def _check_encoding(path: Path, head: bytes) -> None:
    found = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), "")
    if not found and len(head) == 4 and 0 in head:
        # JSON and tables begin with ASCII characters, half of whose bytes are zero in UTF-16 and more in UTF-32.
        found = "UTF-32" if head.count(0) == 3 else "UTF-16"
    if found:
        raise DataError(f"{path}: must be UTF-8, but it is {found}: convert it, as iconv -f {found} -t UTF-8 does")


@contextmanager
def staged(folder: Path) -> Generator[Path]:
    """Gives a new folder within `folder` to write to, whose files move to `folder` when all of them are there.

    Until then, and for good if the body raises, what stood under their names stays: files of one run, such as the two
    sides of a split, are never mixed with those of another run because one of them failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*.partial"):  # what a killed process had written
        pid = leftover.name.split(".")[-2]
        if leftover.is_dir() and pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(leftover)
    partial = folder / f".{os.getpid()}.partial"
    partial.mkdir()
    try:
        yield partial
        for file in sorted(partial.iterdir()):
            os.replace(file, folder / file.name)
    finally:
        shutil.rmtree(partial)
