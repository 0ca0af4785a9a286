"""Finds what a run left in its folder: metrics, tensorboard's events, the configuration, and rollout dumps.

verl and this framework lay a run out in several ways; all are accepted:
- scripts/train.sh: `metrics.jsonl`, `tensorboard/`, `config.yaml` and `runs.jsonl` in one folder.
- `python -m groupwise.demo.launch`: `metrics.jsonl` in the folder, the configuration in `checkpoints/` below it.
- verl's file logger: `PROJECT/EXPERIMENT.jsonl`, named itself or by its folder where there is no other.
- verl's tensorboard logger alone: a folder with events.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from groupwise.errors import GroupwiseError
from groupwise.json_lines import read_objects
from groupwise.record.run_log import parts_of

MAX_LEVELS = 50
"""Of settings in settings; verl's have seven at most."""
METRICS, RECORDS, CONFIG = "metrics.jsonl", "runs.jsonl", "config.yaml"
CONFIG_FOLDERS = (".", "checkpoints")
DATA_KEYS = ("train_files", "val_files")
DUMPS = "rollouts"
"""Folder of rollout dumps inside a run's folder, where the configuration names none that exists."""

PART = re.compile(r"(?P<name>.+)\.\d+")


class NoMetricsYet(GroupwiseError):
    """The folder is a run's, but the run has logged nothing so far."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} must hold metrics, but the run has logged none yet; wait for its first step (--follow does), or "
            "look at the run's log."
        )


class Settings(NamedTuple):
    """What a run was, as far as anything says it."""

    config: dict[str, Any] | None = None  # by full name (`algorithm.adv_estimator`), sections flattened
    data: dict[str, frozenset[str]] | None = None  # of `train_files` and `val_files` the hashes, else the names


class RunFiles(NamedTuple):
    """What there is of a run."""

    path: Path  # what the user named
    metrics: Path | None = None  # the newest part of verl's JSON lines file
    events: Sequence[Path] = ()  # tensorboard's event files
    settings: Settings = Settings()
    dumps: Path | None = None  # folder of rollout dumps


def find_run(path: Path) -> RunFiles:
    """Finds the files of a run by its folder, or its metrics file, or an event file of tensorboard.

    Raises:
        NoMetricsYet: It is the folder of a run that has logged nothing.
        GroupwiseError: There is no such path, it is no run's, or it holds several runs.
    """
    if path.is_file():
        return _of_file(path)
    if not path.is_dir():
        raise GroupwiseError(f"A run must be a folder or a metrics file, but there is no {path}; correct the path.")
    metrics = _metrics_in(path)
    events = sorted([*path.glob("events.out.tfevents*"), *path.glob("tensorboard/**/events.out.tfevents*")])
    folders = [path / name for name in CONFIG_FOLDERS]
    configured = [folder for folder in folders if (folder / RECORDS).is_file() or (folder / CONFIG).is_file()]
    if metrics is None and not events:
        if configured or not any(path.iterdir()):
            raise NoMetricsYet(path)
        raise GroupwiseError(
            f"{path} must be a run's folder, with {METRICS}, another JSON lines file of verl's logger, or events of "
            "tensorboard, but holds none of these; name the folder of trainer.default_local_dir, or the file itself."
        )
    settings = read_settings(configured[0]) if configured else Settings()
    named = (settings.config or {}).get("trainer.rollout_data_dir")
    # A run that was copied from elsewhere lies in another place than its configuration says.
    folders = [Path(named), path / Path(named).name] if isinstance(named, str) else []
    dumps = next((found for found in (*folders, path / DUMPS) if found.is_dir()), None)
    return RunFiles(path, metrics, events, settings, dumps)


def _of_file(path: Path) -> RunFiles:
    if path.name.startswith("events.out.tfevents"):
        return RunFiles(path, events=[path])
    if path.suffix != ".jsonl" or path.name == RECORDS:
        raise GroupwiseError(
            f"A run's metrics must be a JSON lines file of verl's logger or an event file of tensorboard, but got "
            f"{path}; name the run's folder."
        )
    if path.name == METRICS:
        return find_run(path.parent)
    return RunFiles(path, metrics=path)


def _metrics_in(folder: Path) -> Path | None:
    """Finds the newest part of the folder's metrics; files with a number for a name are verl's rollouts."""
    if parts_of(folder / METRICS):
        return folder / METRICS
    files = [file for file in folder.glob("*.jsonl") if file.name != RECORDS and not file.stem.isdecimal()]
    runs = {file.with_stem(m["name"]) if (m := PART.fullmatch(file.stem)) else file for file in files}
    if len(runs) > 1:
        raise GroupwiseError(
            f"{folder} must hold the metrics of one run, but holds those of {len(runs)} "
            f"({', '.join(sorted(file.name for file in runs))}); name the files themselves."
        )
    return next(iter(runs), None)


class _WithoutAliases(yaml.SafeLoader):
    """Reads YAML as runs write it: a few aliases of aliases would stand for more settings than there is memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it holds an alias (*name), which no run writes")
        return super().compose_node(parent, index)


def read_settings(folder: Path) -> Settings:
    """Reads the latest start of a run from `runs.jsonl`, else `config.yaml`, as far as they hold it.

    Raises:
        GroupwiseError: `config.yaml` cannot be read.
    """
    records = [record for _, record in read_objects(folder / RECORDS)] if (folder / RECORDS).is_file() else []
    for record in reversed(records):
        # The last line that was written whole.
        if record is not None and isinstance(record.get("config"), dict):
            return Settings(_flatten(record["config"]), _data_of_record(record))
    file = folder / CONFIG
    if not file.is_file():
        return Settings()
    try:
        config = yaml.load(file.read_text(encoding="utf-8"), _WithoutAliases)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise GroupwiseError(
            f"{file} must be the run's configuration, but cannot be read ({error}); remove it."
        ) from None
    if not isinstance(config, dict):
        raise GroupwiseError(f"{file} must be the run's configuration, but holds no keys; remove it.")
    flat = _flatten(config)
    return Settings(flat, _data_of_config(flat))


def _flatten(section: dict[str, Any], prefix: str = "", levels: int = MAX_LEVELS) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in section.items():
        is_section = isinstance(value, dict) and levels > 0
        flat |= _flatten(value, f"{prefix}{name}.", levels - 1) if is_section else {f"{prefix}{name}": value}
    return flat


def _data_of_record(record: dict[str, Any]) -> dict[str, frozenset[str]] | None:
    data = record.get("data")
    if not isinstance(data, dict) or not all(isinstance(data.get(key), dict) for key in DATA_KEYS):
        return None
    return {key: frozenset(digest or Path(file).name for file, digest in data[key].items()) for key in DATA_KEYS}


def _data_of_config(config: dict[str, Any]) -> dict[str, frozenset[str]] | None:
    named = {key: config.get(f"data.{key}") for key in DATA_KEYS}
    if not all(named.values()):
        return None
    return {
        key: frozenset(Path(str(file)).name for file in (files if isinstance(files, list) else [files]))
        for key, files in named.items()
    }
