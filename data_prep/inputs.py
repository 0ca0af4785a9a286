"""What `--input` may be: files named after their split, a folder with such files, or a dataset on the hub."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from data_prep.errors import DataError
from data_prep.hub import HubSet, is_on_hub, load_splits, pinned
from data_prep.records import SUFFIXES, Records, read_files

TRAIN: Final = "train"
TEST: Final = "test"


class Split(NamedTuple):
    """The records of a split and what they are read from: files, or a dataset on the hub."""

    records: Records
    origin: tuple[Path, ...] | HubSet


def find_splits(
    inputs: Sequence[str], splits: Sequence[str], *, config: str | None, revision: str | None
) -> dict[str, Split]:
    """Finds the splits of an input.

    Args:
        inputs: Files with their split in their names (train.jsonl, test-00000-of-00002.parquet), or one folder with
            such files, or one folder as the hub lays datasets out, or one name on the hub.
        splits: The splits that the set has; one that the input lacks is left out. Where there is only one, files may
            have any name.
        config: The hub's configuration, None for the default.
        revision: The hub's revision, None for the newest.

    Returns:
        The splits that were found, at least one, in the order of `splits`.

    Raises:
        DataError: If there is no such thing, a file does not name its split, or no split is there.
    """
    first = Path(inputs[0])
    if len(inputs) == 1 and first.is_dir():
        files = [path for split in splits for path in _in_folder(first, split, alone=len(splits) == 1)]
        return _of_files(files, splits) if files else _of_hub(HubSet(inputs[0], config), splits)
    if is_on_hub(inputs):
        return _of_hub(HubSet(inputs[0], config, revision), splits)
    return _of_files([Path(name) for name in inputs], splits)


def names_split(path: Path, split: str) -> bool:
    """Says whether a file's name has a split among its words, as rlla_4k_test.parquet and train-0-of-2.parquet do."""
    return _is_data(path) and split in re.split(r"[._-]", path.stem)


def _is_data(path: Path) -> bool:
    # A data card is JSON too.
    return path.suffix in SUFFIXES and not path.name.startswith(".") and not path.name.endswith(".parquet.json")


def _in_folder(folder: Path, split: str, *, alone: bool) -> list[Path]:
    """The files of a split: SPLIT.jsonl; else its shards as the hub names them; else all whose names have its word."""
    exact = [folder / f"{split}{suffix}" for suffix in SUFFIXES if (folder / f"{split}{suffix}").is_file()]
    if len(exact) > 1:
        raise DataError(f"{folder}: must hold each split once, has {', '.join(path.name for path in exact)}: name one")
    files = sorted(filter(_is_data, folder.iterdir()))
    shards = [path for path in files if re.fullmatch(rf"{split}-[0-9]+-of-[0-9]+", path.stem)]
    loose = [path for path in files if names_split(path, split)]
    return exact or shards or loose or (files if alone else [])


def check_file(path: Path) -> None:
    """Checks that a path names a file that can be read as records.

    Args:
        path: The path.

    Raises:
        DataError: If there is no such file or its name says nothing of its kind.
    """
    if not path.is_file():
        raise DataError(f"--input must be a folder, files or a name on the hub such as openai/gsm8k, no file {path}")
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: the name must end in {', '.join(SUFFIXES)}: rename or convert the file")


def _of_files(files: Sequence[Path], splits: Sequence[str]) -> dict[str, Split]:
    found: dict[str, dict[str, Path]] = {}
    for path in files:
        check_file(path)
        split = _split_of(path, splits)
        if split is None:
            raise DataError(f"{path}: must be named after its split, {' or '.join(splits)}: rename the file")
        other = found.setdefault(split, {}).setdefault(path.name, path)
        if other is not path:
            raise DataError(f"--input must give each part of a split once, got {other} and {path}")
    return {
        split: Split(partial(read_files, parts), parts)
        for split in splits
        if (parts := tuple(path for _, path in sorted(found.get(split, {}).items())))
    }


def _split_of(path: Path, splits: Sequence[str]) -> str | None:
    if len(splits) == 1:
        return splits[0]
    named = [split for split in splits if names_split(path, split)]
    return named[0] if len(named) == 1 else None


def _of_hub(dataset: HubSet, splits: Sequence[str]) -> dict[str, Split]:
    dataset = pinned(dataset)
    loaded = load_splits(dataset)
    wanted = _rename_only(loaded, splits)
    found = {split: Split(wanted[split], dataset) for split in splits if split in wanted}
    if not found:
        raise DataError(f"{dataset}: must have the splits {', '.join(splits)}, has {', '.join(loaded)}")
    return found


def _rename_only(loaded: Mapping[str, Records], splits: Sequence[str]) -> Mapping[str, Records]:
    # Evaluation sets of one split are published as "train" as often as "test".
    return dict(zip(splits, loaded.values(), strict=True)) if len(splits) == len(loaded) == 1 else loaded
