"""What a run was: its resolved configuration, and the data that it read."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from groupwise.errors import GroupwiseError
from groupwise.json_lines import read_objects

DATA_KEYS = ("train_files", "val_files")


class Settings(NamedTuple):
    """A run's settings.

    Attributes:
        config: Values by full name (`algorithm.adv_estimator`), sections flattened; None where nothing says them.
        data: For `train_files` and `val_files`, what tells the files apart: hashes, or names where a file was not
            hashed; None where nothing says it.
    """

    config: dict[str, Any] | None
    data: dict[str, frozenset[str]] | None


def read_settings(folder: Path) -> Settings:
    """Reads the latest start of a run from `runs.jsonl`, else `config.yaml`.

    Args:
        folder: The folder that holds one of them.

    Returns:
        The settings; nothing is known where there is neither a whole record nor the other file.

    Raises:
        GroupwiseError: `config.yaml` cannot be read.
    """
    record = _last_record(folder / "runs.jsonl")
    if record is not None:
        return Settings(_flatten(record["config"]), _data_of_record(record))
    file = folder / "config.yaml"
    if not file.is_file():
        return Settings(None, None)
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GroupwiseError(
            f"{file} must be the run's configuration, but cannot be read ({error}); remove it."
        ) from None
    if not isinstance(config, dict):
        raise GroupwiseError(f"{file} must be the run's configuration, but holds no keys; remove it.")
    flat = _flatten(config)
    return Settings(flat, _data_of_config(flat))


def _last_record(file: Path) -> dict[str, Any] | None:
    """The last line that was written whole."""
    records = [record for _, record in read_objects(file)] if file.is_file() else []
    whole = (record for record in reversed(records) if record is not None and isinstance(record.get("config"), dict))
    return next(whole, None)


def _flatten(section: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
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
