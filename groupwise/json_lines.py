"""Reads JSON Lines, whoever wrote them: metrics, the records of a run's starts, rollout dumps."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

MAX_LINE_BYTES: Final = 256 * 2**20
"""A response with the log-probs of a million tokens takes 20 MiB."""


def parse_object(line: str | bytes) -> dict[str, Any] | None:
    """Reads one line; None where it is no JSON object, as the last line of a run that was killed."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_objects(file: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yields the number of each line that is not blank, and its object; None for one that cannot be read, see above.

    Raises:
        OSError: The file cannot be opened.
    """
    with file.open("rb") as opened:
        number = 0
        while line := opened.readline(MAX_LINE_BYTES + 1):
            number += 1
            if line.strip():
                yield number, parse_object(line) if len(line) <= MAX_LINE_BYTES else None
