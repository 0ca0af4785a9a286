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
    return str(path) if is_remote(str(path)) else os.path.abspath(Path(str(path)).expanduser())


def _if_present(path: Any) -> str:
    return _absolute(path) if Path(str(path)).expanduser().exists() else str(path)
