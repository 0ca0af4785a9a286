"""Datasets by their name on the Hugging Face hub, or from a folder that holds a download of one."""

# datasets brings no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from data_prep.errors import DataError
from data_prep.jsonl import Record

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_name(name: str) -> bool:
    """Says whether a text has the form of a name on the hub, OWNER/NAME, and is not that of a data file."""
    return _HUB_NAME.fullmatch(name) is not None and not name.endswith((".jsonl", ".json", ".parquet"))


def load_splits(name: str, config: str, splits: Sequence[str]) -> dict[str, Iterable[Record]]:
    """Loads a dataset with the `datasets` library.

    Args:
        name: Name on the hub, or a folder that holds a download.
        config: Which of the dataset's configurations.
        splits: Those wanted; each must be there.

    Returns:
        The records of each split.

    Raises:
        DataError: If the dataset cannot be loaded (no connection, no such name) or lacks a split.
    """
    # Slow to import, and needed for the hub alone.
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        loaded: Any = datasets.load_dataset(name, config)
    except (OSError, ValueError, DatasetsError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"--input must be local files or a dataset that loads from the hub, {name} ({config}) does not: {reason}"
        ) from error
    missing = [split for split in splits if split not in loaded]
    if missing:
        raise DataError(f"{name} ({config}): must have the splits {', '.join(splits)}, lacks {', '.join(missing)}")
    return {split: _records(loaded[split], f"{name} {split}") for split in splits}


def _records(split: Any, where: str) -> Iterator[Record]:
    for index, record in enumerate(tqdm(split, desc=where, delay=0.5)):
        yield f"{where} row {index}", record
