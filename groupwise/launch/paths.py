"""Makes a run independent of where its processes start: Ray's workers on a cluster have another working directory."""

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

OUTPUTS = ("trainer.default_local_dir", "trainer.rollout_data_dir", "trainer.validation_data_dir")
INPUTS = (
    "data.train_files",
    "data.val_files",
    "actor_rollout_ref.model.path",
    "actor_rollout_ref.model.tokenizer_path",
    "actor_rollout_ref.model.hf_config_path",
    "reward.custom_reward_function.path",
    "trainer.resume_from_path",
)


def named_files(value: object) -> list[str]:
    """Lists the files of data.train_files or data.val_files, which hold one name or several."""
    return [str(file) for file in value] if isinstance(value, list | ListConfig) else [str(value)]


def is_remote(path: str) -> bool:
    """Says whether verl would fetch a path itself, such as hdfs://..."""
    return "://" in path


def expanded(path: object) -> Path:
    """Replaces a leading ~ by the home folder; the path as it stands where there is no such user."""
    try:
        return Path(str(path)).expanduser()
    except RuntimeError:
        return Path(str(path))


def unwritable(path: Path) -> str | None:
    """Says why a file or folder could not be written or made, None where it could.

    Args:
        path: It need not exist.

    Returns:
        Words that follow its name.
    """
    wanted = place = path.absolute()
    while not os.path.exists(place):
        place = place.parent
    if place != wanted and not place.is_dir():
        return f"would lie in {place}, which is a file"
    return None if os.access(place, os.W_OK) else f"is refused by the permissions of {place}"


def make_absolute(config: DictConfig) -> None:
    """Replaces relative paths by absolute ones, and interpolations by their values.

    Interpolations of environment variables must become values on the launching machine, since verl resolves them
    wherever Ray places its task runner. An input that does not exist is left as it is: it may be a name on the hub.

    Args:
        config: The composed configuration, changed in place.
    """
    with open_dict(config):
        OmegaConf.resolve(config)
        for key in OUTPUTS:
            value = OmegaConf.select(config, key)
            if value:
                OmegaConf.update(config, key, _absolute(value))
        for key in INPUTS:
            value = OmegaConf.select(config, key)
            if isinstance(value, list | ListConfig):
                OmegaConf.update(config, key, [_if_present(path) for path in value])
            elif value:
                OmegaConf.update(config, key, _if_present(value))


def _absolute(path: Any) -> str:
    return str(path) if is_remote(str(path)) else os.path.abspath(expanded(path))


def _if_present(path: Any) -> str:
    # Unlike Path.exists this is False for a name that is too long.
    return _absolute(path) if os.path.exists(expanded(path)) else str(path)
