"""Data files by their names, and how one is opened: compressed or not, and told apart from what only looks like one."""

import gzip
import io
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from data_prep.errors import DataError, is_pointer, pointer_error

KINDS: Final = ("jsonl", "json", "parquet", "csv", "tsv", "ndjson", "arrow")
GZIP: Final = ".gz"
SUFFIXES: Final = tuple(f".{kind}{end}" for kind in KINDS for end in ("", GZIP))
TEXT_KINDS: Final = ("jsonl", "ndjson", "json", "csv", "tsv")

MAX_UNPACKED_BYTES: Final = 2 * 1024**3
"""Parquet in gzip has to be unpacked whole, into memory."""

_BYTE_ORDER_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def kind_of(path: Path) -> str:
    """Gives one of KINDS by a file's name, in capitals or not, "" where it names none."""
    name = path.name.lower().removesuffix(GZIP)
    return next((kind for kind in KINDS if name.endswith(f".{kind}")), "")


def bare_name(path: Path) -> str:
    """Gives a data file's name without what says its kind."""
    name = path.name[: -len(GZIP)] if path.name.lower().endswith(GZIP) else path.name
    return Path(name).stem


@contextmanager
def open_data(path: Path) -> Generator[BinaryIO]:
    """Opens a data file to read its bytes, unpacked where it is packed.

    Args:
        path: The file; its name ends in one of SUFFIXES.

    Yields:
        The file.

    Raises:
        DataError: If it is a Git LFS pointer, text in another encoding than UTF-8, or damaged gzip.
        OSError: If it cannot be read.
    """
    if is_pointer(path):
        raise pointer_error(path)
    packed = path.name.lower().endswith(GZIP)
    try:
        with cast("io.BufferedReader", gzip.open(path) if packed else path.open("rb")) as file:
            if kind_of(path) in TEXT_KINDS:
                _check_encoding(path, file.peek(4)[:4])
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: must be a whole gzip file, but {error}: complete it, or unpack it") from error


def read_whole(path: Path, limit: int, what: str) -> bytes:
    """Reads a file that has to be in memory as a whole.

    Args:
        path: The file.
        limit: Bytes that it may have, unpacked.
        what: What may have no more, and what to do, with a place for the limit.

    Returns:
        Its bytes.

    Raises:
        DataError: See `open_data`, and if there are more.
        OSError: If it cannot be read.
    """
    with open_data(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise DataError(f"{path}: {what.format(limit)}")
    return content


def _check_encoding(path: Path, head: bytes) -> None:
    found = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), "")
    if not found and len(head) == 4 and 0 in head:
        # JSON and a table begin with signs of ASCII, of which UTF-16 and UTF-32 make bytes that are zero.
        found = "UTF-32" if head.count(0) == 3 else "UTF-16"
    if found:
        raise DataError(f"{path}: must be UTF-8, but it is {found}: convert it, as iconv -f {found} -t UTF-8 does")
