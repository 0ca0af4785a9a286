"""What must hold before Ray starts: every fault of a configuration at once, each as a sentence with its cure."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf
from verl.plugin.platform import get_platform

from recipe.dipo.config import DiPOConfig, RewardConfig
from recipe.dipo.config.reward_config import KEYS as REWARD_KEYS

TRAINER_MODES = ("sync", "colocate_async", "separate_async")
"""verl's names for its V1 trainers; verl's own registry is filled by an import that takes seconds."""

ADAM_BYTES_PER_PARAMETER = 12
"""A verl checkpoint holds float32 weights and Adam's two moments."""


def find_faults(config: DictConfig) -> list[str]:
    """Looks for everything that would stop or spoil a run of this configuration.

    Args:
        config: verl's configuration, composed from dipo_trainer.yaml.

    Returns:
        One sentence for each fault; empty where none was found.
    """
    return [
        *_method_faults(config),
        *_reward_faults(config),
        *_trainer_faults(config),
        *_data_faults(config),
        *_model_faults(config),
        *_disk_faults(config),
    ]


def _method_faults(config: DictConfig) -> Iterator[str]:
    try:
        DiPOConfig.from_mapping(OmegaConf.to_container(config.algorithm.dipo, resolve=True))
    except ValueError as error:
        yield str(error)
    if config.algorithm.adv_estimator != "dipo":
        return
    if config.algorithm.filter_groups.enable:
        yield (
            "algorithm.filter_groups.enable=true (dynamic sampling) drops exactly the groups that DiPO works on; "
            "set it to false, or algorithm.adv_estimator=grpo."
        )
    if config.actor_rollout_ref.rollout.n < 2:
        yield (
            "DiPO compares the responses of a group, so actor_rollout_ref.rollout.n must be at least 2, "
            f"but is {config.actor_rollout_ref.rollout.n}."
        )
    if config.algorithm.use_kl_in_reward:
        yield (
            "algorithm.use_kl_in_reward=true gives every response a reward of its own, so that no group is without "
            "variance and DiPO never acts; use actor_rollout_ref.actor.use_kl_loss=true instead."
        )
    reward = config.reward
    if reward.reward_model.enable and not reward.custom_reward_function.path:
        yield (
            "DiPO needs a verdict `acc` for each response, which the reward model of reward.reward_model.enable=true "
            "does not give; give a reward.custom_reward_function that returns score and acc."
        )


def _reward_faults(config: DictConfig) -> Iterator[str]:
    values = OmegaConf.to_container(config.reward.reward_kwargs, resolve=True)
    if config.reward.reward_manager.name != "dipo":
        # Another manager may have keys of its own; the share that the trainer stops at is read all the same.
        values = {key: value for key, value in values.items() if key in REWARD_KEYS}
    try:
        RewardConfig.from_mapping(values)
    except ValueError as error:
        yield str(error)


def _trainer_faults(config: DictConfig) -> Iterator[str]:
    if not config.trainer.use_v1:
        yield "DiPO runs in verl's V1 trainers, but trainer.use_v1 is false; set it to true."
    mode = config.trainer.v1.trainer_mode
    if mode not in TRAINER_MODES:
        yield f"trainer.v1.trainer_mode must be one of {', '.join(TRAINER_MODES)}, but is {mode!r}."
    if get_platform().device_name == "cpu" and config.trainer.device != "cpu":
        yield (
            f"trainer.device={config.trainer.device} needs an accelerator, but none is found here; "
            "add +device=cpu, or run where nvidia-smi shows a GPU."
        )


def _data_faults(config: DictConfig) -> Iterator[str]:
    for key in ("train_files", "val_files"):
        value = config.data[key]
        files = value if isinstance(value, list | ListConfig) else [value]
        for file in files:
            if "://" not in str(file) and not Path(file).expanduser().is_file():
                yield (
                    f"data.{key} must name parquet files that exist, but there is no {file}; "
                    "python -m data_prep.gsm8k --help and its neighbours write such files."
                )
    function = config.reward.custom_reward_function.path
    if function and "://" not in function and not Path(function).expanduser().is_file():
        yield f"reward.custom_reward_function.path must name a file that exists, but there is no {function}."


def _model_faults(config: DictConfig) -> Iterator[str]:
    path = str(config.actor_rollout_ref.model.path)
    folder = Path(path).expanduser()
    is_hub_name = re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", path) is not None and not folder.exists()
    if is_hub_name or "://" in path:
        return
    if not (folder / "config.json").is_file():
        yield (
            "actor_rollout_ref.model.path must be a model's folder (with config.json) or a name on the hub, "
            f"but {path} is neither."
        )


def checkpoint_bytes(model_path: str) -> int:
    """Estimates the size of one checkpoint of a model.

    Args:
        model_path: Folder of the model in Hugging Face's format, or a name on the hub.

    Returns:
        Bytes; 0 where the weights do not lie on this machine.
    """
    weights = sum(file.stat().st_size for file in Path(model_path).expanduser().glob("*.safetensors"))
    # Published weights are 2 bytes a parameter; for float32 ones the estimate is twice too high, on the safe side.
    return weights // 2 * ADAM_BYTES_PER_PARAMETER


def space_fault(folder: str | os.PathLike[str], needed: int) -> str | None:
    """Says in a sentence that a checkpoint would not fit, None where it would.

    Args:
        folder: Where checkpoints go; need not exist yet.
        needed: Bytes of one checkpoint.
    """
    place = Path(folder).expanduser().absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free >= needed:
        return None
    return (
        f"trainer.default_local_dir={folder} must have room for a checkpoint of about {needed / 2**30:.2f} GiB, "
        f"but {free / 2**30:.2f} GiB are free; free some, name another folder, or set trainer.save_freq=-1."
    )


def _disk_faults(config: DictConfig) -> Iterator[str]:
    if config.trainer.save_freq <= 0:
        return
    fault = space_fault(config.trainer.default_local_dir, checkpoint_bytes(str(config.actor_rollout_ref.model.path)))
    if fault:
        yield fault
