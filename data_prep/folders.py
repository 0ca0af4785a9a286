"""The splits of a folder: files by name or by folder, shards, what `datasets` saves, the hub's cache and downloads."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from data_prep.errors import DataError
from data_prep.files import bare_name, kind_of

TRAIN: Final = "train"
VAL: Final = "val"
TEST: Final = "test"

_WORDS: Final = {
    TRAIN: frozenset(("train", "training")),
    VAL: frozenset(("val", "valid", "validation", "dev")),
    TEST: frozenset(("test", "testing")),
}
"""What publishers call a split, in capitals or not."""
_WEAK: Final = frozenset(("eval", "evaluation"))
"""Says "val" where no other word says a split: there is train_eval.jsonl too."""

_NO_DATA: Final = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")
_SHARD: Final = re.compile(r"(.*)-([0-9]+)-of-([0-9]+)")
_DEPTH: Final = 5


class Place(NamedTuple):
    """A data file, the split that it or a folder of it is named after, and the set it belongs to: the other folders."""

    path: Path
    label: str | None
    set_name: str


def label_of(name: str) -> str | None:
    """Returns the split that something is named after, None where no word of its name says one, or words say two."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    named = [split for split, known in _WORDS.items() if not known.isdisjoint(words)]
    if not named and not _WEAK.isdisjoint(words):
        return VAL
    return named[0] if len(named) == 1 else None


def stands_for(split: str, splits: Sequence[str], there: Sequence[str | None]) -> str:
    """Says which of the splits that are there serves as `split`, one of the `splits` wanted.

    That is the split itself; a set without "test" has "val" in its place, where that is not wanted itself.
    """
    return VAL if split == TEST and TEST not in there and VAL not in splits else split


def find_in_folder(
    folder: Path, splits: Sequence[str], config: str | None
) -> tuple[dict[str, tuple[Path, ...]], tuple[Place, ...]]:
    """Finds the files of the wanted splits of a folder, in order, and all data files that it holds.

    Files, or folders at any of a few levels, are named after their split; or `datasets` saved or cached the folder; or
    it is one of the hub's cache, of which the snapshot of `main` counts, or a snapshot. Where only one split is wanted
    and none is recognised, it is all data files there are. `config` chooses among several sets in folders of their
    names.
    """
    places = _places(_snapshot(folder), splits)
    chosen = _one_set(folder, places, config)
    there = [place.label for place in chosen]
    files: dict[str, tuple[Path, ...]] = {}
    for split in splits:
        label = stands_for(split, splits, there)
        if found := _parts(folder, [place.path for place in chosen if place.label == label]):
            files[split] = found
    if not files and len(splits) == 1:
        unlabelled = [place for place in places if place.label is None]
        if unlabelled or len(set(there)) == 1:
            files[splits[0]] = _parts(folder, [place.path for place in unlabelled or chosen])
    return files, tuple(places)


def _snapshot(folder: Path) -> Path:
    """The folder itself, or of the hub's cache (datasets--OWNER--NAME) the commit that it has for `main`."""
    cache = folder.parent if folder.name == "snapshots" else folder
    snapshots = cache / "snapshots"
    if not snapshots.is_dir():
        return folder
    main = cache / "refs" / "main"
    commits = sorted(path for path in snapshots.iterdir() if path.is_dir())
    wanted = snapshots / main.read_text("utf-8").strip() if main.is_file() else None
    if wanted in commits:
        return wanted
    if len(commits) != 1:
        raise DataError(
            f"{folder}: must hold one snapshot, or one that refs/main names, has {len(commits)} others: name one"
        )
    return commits[0]


def _places(root: Path, splits: Sequence[str]) -> list[Place]:
    """All data files; those of subfolders where the ones at the top are not what is wanted."""
    saved = _saved_split(root)
    top = [Place(path, label_of(bare_name(path)) or saved, "") for path in _data_files(root)]
    labels = [place.label for place in top]
    if any(stands_for(split, splits, labels) in labels for split in splits) or (top and len(splits) == 1):
        return top
    nested = [_nested(path, root, parent) for parent in _subfolders(root) for path in _data_files(parent)]
    return nested if any(place.label for place in nested) else [*top, *nested]


def _nested(path: Path, root: Path, parent: Path) -> Place:
    folders = parent.relative_to(root).parts
    named = next((number for number in reversed(range(len(folders))) if label_of(folders[number])), len(folders))
    label = label_of(bare_name(path)) or (label_of(folders[named]) if named < len(folders) else _saved_split(parent))
    return Place(path, label, "/".join(folders[:named]))


def _subfolders(root: Path) -> Iterator[Path]:
    for name, folders, _ in os.walk(root):
        folder = Path(name)
        deep = len(folder.relative_to(root).parts) >= _DEPTH
        folders[:] = [] if deep else sorted(one for one in folders if not one.startswith((".", "__")))
        if folder != root:
            yield folder


def _data_files(folder: Path) -> list[Path]:
    # `datasets` leaves results of computations beside what it saved.
    files = [path for path in folder.iterdir() if kind_of(path) and not path.name.startswith(".") and path.is_file()]
    saved = json.dumps(_state(folder).get("_data_files"))
    if whole := sorted(path for path in files if json.dumps(path.name) in saved):
        return whole
    return sorted(path for path in files if path.name not in _NO_DATA)


def _state(folder: Path) -> Mapping[str, Any]:
    try:
        state = json.loads((folder / "state.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", state) if isinstance(state, dict) else {}


def _saved_split(folder: Path) -> str | None:
    split = _state(folder).get("_split")
    return label_of(split) if isinstance(split, str) else None


def _one_set(folder: Path, places: Sequence[Place], config: str | None) -> list[Place]:
    labelled = [place for place in places if place.label] or places
    names = sorted({place.set_name for place in labelled})
    if len(names) <= 1 or not any(place.label for place in places):
        return list(labelled)
    wanted = [name for name in names if config and config in name.split("/")]
    if len(wanted) != 1:
        raise DataError(
            f"{folder}: must hold one set, has {', '.join(names[:10])}: give the folder of one, or name it with"
            " --hub-config"
        )
    return [place for place in labelled if place.set_name == wanted[0]]


def _parts(folder: Path, files: Sequence[Path]) -> tuple[Path, ...]:
    """The files of a split: the one of its bare name (train.jsonl); else its shards (train-0-of-2); else all."""
    names = {path: bare_name(path).lower() for path in files}
    exact = [path for path in files if any(names[path] in words for words in _WORDS.values())]
    if len(exact) > 1:
        raise DataError(f"{folder}: must hold each split once, has {', '.join(path.name for path in exact)}: name one")
    shards = {path: match for path in files if (match := _SHARD.fullmatch(names[path]))}
    proper = [path for path, match in shards.items() if any(match[1] in words for words in _WORDS.values())]
    chosen = exact or proper or list(files)
    for missing in missing_parts(chosen):
        raise DataError(
            f"{folder}: must hold all parts of {missing}: complete the folder, or name the files to have these only"
        )
    return tuple(chosen)


def missing_parts(files: Sequence[Path]) -> Iterator[str]:
    """Yields which splits have shards that are not among some files: "train, has 1 of 2"."""
    shards = filter(None, (_SHARD.fullmatch(bare_name(path)) for path in files))
    for (name, total), there in Counter((shard[1], shard[3]) for shard in shards).items():
        if there < int(total):
            yield f"{name}, has {there} of {int(total)}"
