"""What was found in one data file, and whether it is trained on."""

import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from data_prep.errors import Faults
from data_prep.inputs import TRAIN

EVALUATED: Final = frozenset({"test", "val", "valid", "validation", "dev", "eval", "evaluation", "heldout", "holdout"})
"""Words for what is not trained on, as a row's split or in a file's name."""


@dataclass
class SourceCount:
    """The rows of one data source in one file; `repeated` are those with a prompt that occurred before in the file."""

    rows: int = 0
    repeated: int = 0
    lengths: "array[int]" = field(default_factory=lambda: array("i"))
    """The prompts' lengths in tokens, empty where they are not measured."""


@dataclass
class Overlap:
    """Questions that two files ask: an example, and how many."""

    example: str
    count: int = 0


@dataclass
class FileAudit:
    """What was found in one file."""

    path: Path
    trained_on: bool | None = None
    """Whether it is trained on, as the caller knows; None where that is to be seen from the file."""
    is_own: bool = False
    """Whether data_prep made it, as its rows' `extra_info` tells."""
    features: Any = None
    """What `datasets` makes of its types, None where it could not be read."""
    sources: dict[str, SourceCount] = field(default_factory=dict[str, SourceCount])
    splits: Counter[str] = field(default_factory=Counter[str])
    """Rows by split, "" where they name none."""
    contradictory: int = 0
    """Rows with another answer than the first one with the same prompt."""
    row_faults: Faults = field(default_factory=Faults)
    faults: list[str] = field(default_factory=list[str])
    """Sentences about the file as a whole."""
    notes: list[str] = field(default_factory=list[str])
    """What is worth telling about the file but is no fault."""

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return sum(source.rows for source in self.sources.values())

    def all_faults(self) -> Iterator[str]:
        """Yields all sentences about the file."""
        yield from self.row_faults.lines("rows")
        yield from self.faults


def trains(audit: FileAudit) -> bool | None:
    """Says whether a file is trained on: as the caller knows, else by its rows' split, else by its name, else None."""
    if audit.trained_on is not None:
        return audit.trained_on
    splits = {split.lower() for split in audit.splits}
    words = set(re.split(r"[^a-z]+", audit.path.stem.lower()))
    if TRAIN in splits or "training" in splits:
        return True
    if splits & EVALUATED:
        return False
    if TRAIN in audit.path.stem.lower():
        return True
    return False if words & EVALUATED else None
