"""What is wrong with an input, in one sentence."""

import sys
from collections.abc import Callable


class DataError(ValueError):
    """The input or an option is at fault; the message says where, what must hold and what was found."""


def exit_code_of(work: Callable[[], None]) -> int:
    """Runs the body of a command and turns a fault of its input into one sentence and an exit code.

    Args:
        work: The body.

    Returns:
        0, or 1 after a DataError (bad input) or an OSError (no such folder, no permission, disk full), whose sentence
        is then on standard error.
    """
    try:
        work()
    except (DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0
