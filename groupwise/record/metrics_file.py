"""Keeps the metrics of the part of a run that came before a resume.

verl's file logger opens its JSON lines file for writing from the start, also when the run resumes
(verl/utils/tracking.py, FileLogger).
"""

import os
from pathlib import Path

from omegaconf import DictConfig


def metrics_path(config: DictConfig) -> Path:
    """The file that verl's file logger will write, by its own rule."""
    named = os.environ.get("VERL_FILE_LOGGER_PATH")
    if named:
        return Path(named)
    root = Path(os.environ.get("VERL_FILE_LOGGER_ROOT", ".")).expanduser()
    return root / config.trainer.project_name / f"{config.trainer.experiment_name}.jsonl"


def keep_earlier_metrics(config: DictConfig) -> Path | None:
    """Moves an existing metrics file aside, to `<name>.<number>.jsonl`, so that a resumed run does not erase it.

    Returns where it lies now; None where there was none.
    """
    logger = config.trainer.logger
    file = metrics_path(config)
    if "file" not in ([logger] if isinstance(logger, str) else logger) or not file.is_file() or not file.stat().st_size:
        return None
    number = 1
    while (kept := file.with_suffix(f".{number}{file.suffix}")).exists():
        number += 1
    return file.rename(kept)
