"""Finds what a run left in its folder: metrics, tensorboard's events, the configuration, and rollout dumps.

verl and this recipe lay a run out in several ways; all are accepted:
- scripts/train.sh: `metrics.jsonl`, `tensorboard/`, `config.yaml` and `runs.jsonl` in one folder.
- `python -m groupwise.demo.launch`: `metrics.jsonl` in the folder, the configuration in `checkpoints/` below it.
- verl's file logger: `PROJECT/EXPERIMENT.jsonl`, named itself or by its folder where there is no other.
- verl's tensorboard logger alone: a folder with events.
"""

import re
from pathlib import Path
from typing import NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.record.run_log import parts_of
from groupwise.report.settings import Settings, read_settings

METRICS = "metrics.jsonl"
RECORDS = "runs.jsonl"
CONFIG_FOLDERS = (".", "checkpoints")
DUMPS = "rollouts"
"""Folder of rollout dumps inside a run's folder, where the configuration names none that exists."""

PART = re.compile(r"(?P<name>.+)\.\d+")


class NoMetricsYet(GroupwiseError):
    """The folder is a run's, but the run has logged nothing so far.

    Args:
        path: The run.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} must hold metrics, but the run has logged none yet; wait for its first step (--follow does), or "
            "look at the run's log."
        )


class RunFiles(NamedTuple):
    """What there is of a run.

    Attributes:
        path: What the user named.
        metrics: The newest part of verl's JSON lines file; None where there is none.
        events: Tensorboard's event files.
        settings: What the run was; its fields are None where nothing says it.
        dumps: Folder of rollout dumps; None where there is none.
    """

    path: Path
    metrics: Path | None
    events: list[Path]
    settings: Settings
    dumps: Path | None


def find_run(path: Path) -> RunFiles:
    """Finds the files of a run.

    Args:
        path: The run's folder, or its metrics file, or an event file of tensorboard.

    Returns:
        The files.

    Raises:
        NoMetricsYet: It is the folder of a run that has logged nothing.
        GroupwiseError: There is no such path, it is no run's, or it holds several runs.
    """
    if path.is_file():
        return _of_file(path)
    if not path.is_dir():
        raise GroupwiseError(f"A run must be a folder or a metrics file, but there is no {path}; correct the path.")
    metrics, events = _metrics_in(path), _events_in(path)
    configured = [path / name for name in CONFIG_FOLDERS if _is_configured(path / name)]
    if metrics is None and not events:
        if configured or not any(path.iterdir()):
            raise NoMetricsYet(path)
        raise GroupwiseError(
            f"{path} must be a run's folder, with {METRICS}, another JSON lines file of verl's logger, or events of "
            "tensorboard, but holds none of these; name the folder of trainer.default_local_dir, or the file itself."
        )
    settings = read_settings(configured[0]) if configured else Settings(None, None)
    return RunFiles(path, metrics, events, settings, _dumps_of(path, settings))


def _of_file(path: Path) -> RunFiles:
    if path.name.startswith("events.out.tfevents"):
        return RunFiles(path, None, [path], Settings(None, None), None)
    if path.suffix != ".jsonl" or path.name == RECORDS:
        raise GroupwiseError(
            f"A run's metrics must be a JSON lines file of verl's logger or an event file of tensorboard, but got "
            f"{path}; name the run's folder."
        )
    if path.name == METRICS:
        return find_run(path.parent)
    return RunFiles(path, path, [], Settings(None, None), None)


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


def _events_in(folder: Path) -> list[Path]:
    return sorted([*folder.glob("events.out.tfevents*"), *folder.glob("tensorboard/**/events.out.tfevents*")])


def _is_configured(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (RECORDS, "config.yaml"))


def _dumps_of(folder: Path, settings: Settings) -> Path | None:
    named = (settings.config or {}).get("trainer.rollout_data_dir")
    # A run that was copied from elsewhere lies in another place than its configuration says.
    candidates = [Path(named), folder / Path(named).name] if isinstance(named, str) else []
    return next((found for found in (*candidates, folder / DUMPS) if found.is_dir()), None)
