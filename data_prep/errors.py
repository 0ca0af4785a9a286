"""What is wrong with an input, in one sentence."""

import sys
from collections.abc import Callable
from pathlib import Path
from reprlib import Repr
from typing import Final


class DataError(ValueError):
    """The input or an option is at fault; the message says where, what must hold and what was found."""


class UnsolvableError(DataError):
    """A row is well formed, but no answer to it can be right; the message says why."""


def short(value: object) -> str:
    """Shows a value in a sentence.

    Args:
        value: Anything that an input may hold.

    Returns:
        At most 80 characters on one line.
    """
    text = "nothing" if value is None else _REPR.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


_REPR: Final = Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 100


def is_pointer(path: Path) -> bool:
    """Says whether a file is what Git LFS leaves in place of one.

    Args:
        path: The file.

    Returns:
        Whether it begins as these pointers do.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def pointer_error(path: Path) -> DataError:
    """Says that a file is what Git LFS leaves in place of one, and where the file itself is to be had."""
    return DataError(
        f"{path}: must be the data, but it is a Git LFS pointer to it: run git lfs pull in its repository, or download"
        " the file itself"
    )


_POINTER: Final = b"version https://git-lfs.github.com/spec/"


def unreadable(path: Path, error: Exception) -> Exception:
    """Says what is wrong with a parquet file, whose reader names neither itself nor the file.

    Args:
        path: The file.
        error: What the reader raised.

    Returns:
        A DataError, which calls a pointer of Git LFS one; or the error as it is where it is the file system's (no such
        file, no permission).
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error
    if path.is_file() and is_pointer(path):
        return pointer_error(path)
    kind = "Arrow" if ".arrow" in path.name.lower() else "parquet"
    return DataError(f"{path}: must be a whole {kind} file, but {(str(error).splitlines() or [''])[0]}")


def exit_code_of(work: Callable[[], None]) -> int:
    """Runs the body of a command and turns a fault of its input into one sentence and an exit code.

    Args:
        work: The body.

    Returns:
        0, or 1 after a DataError (bad input) or an OSError (no such folder, no permission, disk full), whose sentence
        is then on standard error; 130 after Ctrl-C, as shells have it.
    """
    try:
        work()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: a file that was not finished is not there\n")
        return 130
    except (DataError, OSError) as error:
        sys.stderr.writelines(f"error: {line}\n" for line in str(error).splitlines())
        return 1
    return 0
