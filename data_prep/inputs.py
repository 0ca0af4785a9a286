"""What `--input` may be: files named after their split, folders and patterns of such files, or a dataset on the hub."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import Final, NamedTuple

from data_prep.errors import DataError
from data_prep.files import GZIP, SUFFIXES, bare_name, kind_of
from data_prep.folders import TEST, TRAIN, VAL, find_in_folder, label_of, missing_parts, stands_for
from data_prep.hub import HubSet, is_on_hub, load_splits, pinned
from data_prep.records import Records, read_files

__all__ = ["SPLITS", "TEST", "TRAIN", "VAL", "Split", "check_file", "find_splits", "names_split"]

SPLITS: Final = (TRAIN, VAL, TEST)


class Split(NamedTuple):
    """The records of a split and what they are read from: files, or a dataset on the hub."""

    records: Records
    origin: tuple[Path, ...] | HubSet


def find_splits(
    inputs: Sequence[str],
    splits: Sequence[str],
    *,
    config: str | None,
    revision: str | None,
    default_config: str | None = None,
    tell: Callable[[str], object] | None = None,
) -> dict[str, Split]:
    """Finds at least one of the splits that a set has, in their order; those that the input lacks are left out.

    The inputs are files with their split in their names (train.jsonl, test-00000-of-00002.parquet), patterns of such
    files, one folder (see `folders.find_in_folder`), or one name on the hub. Where only one split is asked for, files
    may have any name. `config` names a configuration on the hub, or its folder in a download; None is `default_config`
    where the set has it. `tell` is told in a sentence which splits or parts are missing or not read.
    """
    first = Path(inputs[0])
    on_hub = is_on_hub(inputs)
    if not (on_hub or (len(inputs) == 1 and first.is_dir())):
        files = [path for name in inputs for path in _expanded(name)]
        if tell and (missing := list(missing_parts(files))):
            tell(f"--input has not all parts of {', '.join(missing)}")
        return _of_files(files, splits, once=not any(map(has_magic, inputs)))
    dataset = HubSet(inputs[0], config or default_config, revision)
    if on_hub:
        found, unread = _of_hub(dataset, splits, must_have_config=config is not None)
    else:
        found, unread = _of_folder(first, dataset, splits, must_have_config=config is not None)
    if tell and unread:
        tell(f"{inputs[0]} has more than is read: {', '.join(unread)}")
    if tell and (missing := [split for split in splits if split not in found]):
        tell(f"{inputs[0]} has no {' and no '.join(missing)} split, so that no file is made of it")
    return found


def names_split(path: Path, split: str) -> bool:
    """Says whether a data file's name has a split among its words, as rlla_4k_test.parquet and Train-0-of-2.csv do."""
    return kind_of(path) != "" and label_of(bare_name(path)) == split


def check_file(
    path: Path, wanted: str = "--input must be a folder, files or a name on the hub such as openai/gsm8k"
) -> None:
    if not path.is_file():
        raise DataError(f"{wanted}, but there is no file {path}")
    if not kind_of(path):
        kinds = ", ".join(suffix for suffix in SUFFIXES if not suffix.endswith(GZIP))
        raise DataError(f"{path}: the name must end in {kinds}, or these with .gz: rename or convert the file")


def _expanded(name: str) -> Sequence[Path]:
    if not has_magic(name) or Path(name).exists():
        return (Path(name),)
    found = sorted(Path(match) for match in glob(name, recursive=True))
    files = [path for path in found if path.is_file() and kind_of(path)]
    if not files:
        raise DataError(
            f"--input must be a pattern that matches data files, {name} matches none ({len(found)} other files)"
        )
    for missing in missing_parts(files):
        raise DataError(
            f"{name}: must match all parts of {missing}: complete them, or name the files to have these only"
        )
    return files


def _of_folder(
    folder: Path, dataset: HubSet, splits: Sequence[str], *, must_have_config: bool
) -> tuple[dict[str, Split], list[str]]:
    files, held = find_in_folder(folder, splits, dataset.config)
    if files:
        labels = {place.label for place in held for parts in files.values() if place.path in parts}
        unread = [str(place.path.relative_to(folder)) for place in held if place.label not in (None, *labels)]
        return {split: Split(partial(read_files, parts), parts) for split, parts in files.items()}, unread
    readme = folder / "README.md"
    if readme.is_file() and "configs" in readme.read_text("utf-8", "replace"):
        return _of_hub(HubSet(str(folder), dataset.config), splits, must_have_config=must_have_config)
    names = ", ".join(str(place.path.relative_to(folder)) for place in held[:10]) or "no data files"
    raise DataError(
        f"{folder}: must hold files or folders named after their split, {' or '.join(splits)} (as {splits[0]}.jsonl,"
        f" {splits[-1]}-00000-of-00002.parquet, {splits[0]}/data.csv), has {names}{', ...' * (len(held) > 10)}:"
        " rename them, or say with --split which one they are"
    )


def _of_files(files: Sequence[Path], splits: Sequence[str], *, once: bool) -> dict[str, Split]:
    """The splits of files; `once`: two files of one name are refused, as two copies of train.jsonl are one too many."""
    for path in files:
        check_file(path)
    labels = [label_of(bare_name(path)) for path in files]
    wanted = {stands_for(split, splits, labels): split for split in splits}
    found: dict[str, dict[str, Path]] = {}
    for path, label in zip(files, labels, strict=True):
        split = splits[0] if len(splits) == 1 else wanted.get(label or "")
        if split is None:
            raise DataError(
                f"{path}: must be named after its split, {' or '.join(splits)}: rename the file, or say with --split"
                " which one it is"
            )
        key = path.name if once else str(path)
        other = found.setdefault(split, {}).setdefault(key, path)
        if other is not path:
            raise DataError(f"--input must give each part of a split once, got {other} and {path}")
    return {
        split: Split(partial(read_files, parts), parts)
        for split in splits
        if (parts := tuple(path for _, path in sorted(found.get(split, {}).items())))
    }


def _of_hub(dataset: HubSet, splits: Sequence[str], *, must_have_config: bool) -> tuple[dict[str, Split], list[str]]:
    dataset = pinned(dataset)
    try:
        loaded = load_splits(dataset)
    except DataError as error:
        if must_have_config or "BuilderConfig" not in str(error):
            raise
        dataset = dataset._replace(config=None)  # a copy of a set has not always its configurations
        loaded = load_splits(dataset)
    wanted = _named(loaded, splits)
    found = {split: Split(wanted[split], dataset) for split in splits if split in wanted}
    if not found:
        raise DataError(f"{dataset}: must have the splits {', '.join(splits)}, has {', '.join(loaded)}")
    return found, [name for name, records in loaded.items() if records not in wanted.values()]


def _named(loaded: Mapping[str, Records], splits: Sequence[str]) -> Mapping[str, Records]:
    # Evaluation sets of one split are published as "train" as often as "test".
    if len(splits) == len(loaded) == 1:
        return dict(zip(splits, loaded.values(), strict=True))
    labels = {name: label_of(name) for name in loaded}
    named: dict[str, Records] = {}
    for split in splits:
        label = stands_for(split, splits, list(labels.values()))
        names = [split] if split in loaded else [name for name in loaded if labels[name] == label]
        if len(names) == 1:
            named[split] = loaded[names[0]]
    return named
