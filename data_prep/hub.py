"""Datasets by their name on the Hugging Face hub, or from a folder that holds a download of one."""

# datasets and huggingface_hub bring little type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import re
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.errors import DataError
from data_prep.files import SUFFIXES
from data_prep.records import ROWS_PER_BATCH, Record, Records, progress_bar

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class HubSet(NamedTuple):
    """A dataset on the hub: OWNER/NAME, or a folder with a download; None is its default configuration, the newest."""

    name: str
    config: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        config = f" ({self.config})" if self.config else ""
        return f"{self.name}{config}{f' at {self.revision}' if self.revision else ''}"


def is_on_hub(inputs: Sequence[str]) -> bool:
    """Says whether an input is one name on the hub, OWNER/NAME, and not that of a data file, or of a folder here."""
    is_name = len(inputs) == 1 and _HUB_NAME.fullmatch(inputs[0]) and not inputs[0].endswith(SUFFIXES)
    return bool(is_name) and not Path(inputs[0]).exists()


def pinned(dataset: HubSet) -> HubSet:
    """Sets the revision to the commit that a dataset's name stands for now, so that it can be named and loaded again.

    A folder is returned as it is, and without the network (HF_HUB_OFFLINE=1) so is anything.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    if Path(dataset.name).is_dir():
        return dataset
    with _hub_errors(dataset):
        try:
            return dataset._replace(revision=HfApi().dataset_info(dataset.name, revision=dataset.revision).sha)
        except OfflineModeIsEnabled:
            return dataset


def load_splits(dataset: HubSet) -> dict[str, Records]:
    """Loads the splits of a dataset with the `datasets` library, which keeps them on disk and not in memory."""
    import datasets  # slow to import, and needed for the hub alone
    from datasets.exceptions import DatasetsError

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    # A RuntimeError says that a set has a loading script, which `datasets` no longer runs.
    with _hub_errors(dataset, ValueError, RuntimeError, DatasetsError):
        loaded: Any = datasets.load_dataset(dataset.name, dataset.config, revision=dataset.revision)
    return {str(split): _records(loaded[split], f"{dataset.name} {split}") for split in loaded}


def download_files(dataset: HubSet, patterns: Sequence[str]) -> Path:
    """Downloads the files of a dataset that match shell patterns, and returns their folder in the hub's cache.

    For sets that `datasets` cannot load, as BFCL's: they are JSON of changing types.
    """
    from huggingface_hub import snapshot_download

    with _hub_errors(dataset):
        allowed = list(patterns)
        return Path(
            snapshot_download(dataset.name, repo_type="dataset", revision=dataset.revision, allow_patterns=allowed)
        )


@contextmanager
def _hub_errors(dataset: HubSet, *more: type[Exception]) -> Generator[None]:
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except (OSError, HfHubHTTPError, HFValidationError, httpx.HTTPError, *more) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"--input must be local files or a dataset that loads from the hub, {dataset} does not: {reason}"
        ) from error


def _records(split: Any, place: str) -> Records:
    def read() -> Iterator[Record]:
        # In Arrow's batches: taking rows out one by one takes several times as long.
        batches = split.with_format("arrow").iter(batch_size=ROWS_PER_BATCH)
        rows = chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, fields in enumerate(progress_bar(place, len(split), "row", rows)):
            yield Record(f"{place} row {number}", number, fields)

    return read
