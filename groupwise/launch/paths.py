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
    "actor_rollout_ref.model.lora_adapter_path",
    "actor_rollout_ref.rollout.agent.agent_loop_config_path",
    "actor_rollout_ref.rollout.multi_turn.tool_config_path",
    "actor_rollout_ref.rollout.multi_turn.function_tool_path",
    "data.custom_cls.path",
    "reward.custom_reward_function.path",
    "reward.reward_manager.module.path",
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
    """Says in words that follow its name why a file or folder could not be written or made; None where it could."""
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
    """

    def absolute(path: Any, *, is_output: bool) -> str:
        # Unlike Path.exists, os.path.exists is False for a name that is too long.
        is_place = not is_remote(str(path)) and (is_output or os.path.exists(expanded(path)))
        return os.path.abspath(expanded(path)) if is_place else str(path)

    with open_dict(config):
        OmegaConf.resolve(config)
        for key in (*OUTPUTS, *INPUTS):
            value, is_output = OmegaConf.select(config, key), key in OUTPUTS
            if isinstance(value, list | ListConfig):
                OmegaConf.update(config, key, [absolute(path, is_output=is_output) for path in value])
            elif value:
                OmegaConf.update(config, key, absolute(value, is_output=is_output))
