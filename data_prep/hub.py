"""Datasets by their name on the Hugging Face hub, or from a folder that holds a download of one."""

# datasets and huggingface_hub bring little type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.errors import DataError
from data_prep.files import SUFFIXES
from data_prep.records import ROWS_PER_BATCH, Record, Records, progress

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class HubSet(NamedTuple):
    """A dataset on the hub.

    Attributes:
        name: OWNER/NAME, or a folder that holds a download.
        config: Which of its configurations, None for the only one or the default.
        revision: Commit, tag or branch, None for the newest.
    """

    name: str
    config: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        config = f" ({self.config})" if self.config else ""
        return f"{self.name}{config}{f' at {self.revision}' if self.revision else ''}"


def is_hub_name(name: str) -> bool:
    """Says whether a text has the form of a name on the hub, OWNER/NAME, and is not that of a data file."""
    return _HUB_NAME.fullmatch(name) is not None and not name.endswith(SUFFIXES)


def is_on_hub(inputs: Sequence[str]) -> bool:
    """Says whether an input is one name on the hub, and not that of a file or folder here."""
    return len(inputs) == 1 and is_hub_name(inputs[0]) and not Path(inputs[0]).exists()


def pinned(dataset: HubSet) -> HubSet:
    """Finds the commit that a dataset's name stands for now, so that what is loaded can be named and loaded again.

    Args:
        dataset: A name on the hub; a folder is given back as it is.

    Returns:
        The dataset with the commit as its revision; without the network (HF_HUB_OFFLINE=1) as it is.

    Raises:
        DataError: If the hub does not know it or does not answer.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if Path(dataset.name).is_dir():
        return dataset
    try:
        return dataset._replace(revision=HfApi().dataset_info(dataset.name, revision=dataset.revision).sha)
    except OfflineModeIsEnabled:
        return dataset
    except (OSError, HfHubHTTPError, HFValidationError, httpx.HTTPError) as error:
        raise _not_loaded(dataset, error) from error


def load_splits(dataset: HubSet) -> dict[str, Records]:
    """Loads a dataset with the `datasets` library, which keeps it on disk and not in memory.

    Args:
        dataset: The dataset.

    Returns:
        The records of each of its splits.

    Raises:
        DataError: If the dataset cannot be loaded (no connection, no such name or configuration).
    """
    # Slow to import, and needed for the hub alone.
    import datasets
    import httpx
    from datasets.exceptions import DatasetsError

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        loaded: Any = datasets.load_dataset(dataset.name, dataset.config, revision=dataset.revision)
    except (OSError, ValueError, RuntimeError, DatasetsError, httpx.HTTPError) as error:
        # A RuntimeError says that a set has a loading script, which `datasets` runs no more.
        raise _not_loaded(dataset, error) from error
    return {str(split): _records(loaded[split], f"{dataset.name} {split}") for split in loaded}


def download_files(dataset: HubSet, patterns: Sequence[str]) -> Path:
    """Downloads files of a dataset that `datasets` cannot load, as BFCL's: they are JSON of changing types.

    Args:
        dataset: The dataset; its config has no meaning here.
        patterns: Which files, as shell patterns.

    Returns:
        The folder with the files, in the hub's cache.

    Raises:
        DataError: If they cannot be downloaded.
    """
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(
            snapshot_download(
                dataset.name, repo_type="dataset", revision=dataset.revision, allow_patterns=list(patterns)
            )
        )
    except (OSError, HfHubHTTPError, HFValidationError, httpx.HTTPError) as error:
        raise _not_loaded(dataset, error) from error


def _not_loaded(dataset: HubSet, error: Exception) -> DataError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return DataError(f"--input must be local files or a dataset that loads from the hub, {dataset} does not: {reason}")


def _records(split: Any, place: str) -> Records:
    def read() -> Iterator[Record]:
        # In Arrow's batches: taking rows out one by one takes several times as long.
        batches = split.with_format("arrow").iter(batch_size=ROWS_PER_BATCH)
        rows = chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, fields in enumerate(progress(rows, len(split), place)):
            yield Record(f"{place} row {number}", number, fields)

    return read
