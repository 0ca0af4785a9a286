"""Files that the configuration names, and what the data files hold."""

from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from groupwise.launch.paths import OUTPUTS, expanded, is_remote, named_files, unwritable


def find_faults(config: DictConfig) -> Iterator[str]:
    """Looks for files that do not exist, folders that cannot be written, and dumps that would overwrite one another."""
    for key in ("train_files", "val_files"):
        for file in named_files(config.data[key]):
            if not is_remote(file) and not expanded(file).is_file():
                yield (
                    f"data.{key} must name parquet files that exist, but there is no {file}; "
                    "bash scripts/prepare_data.sh or python -m data_prep.<set> writes such files, "
                    "DATA_DIR says where they are."
                )
    function = config.reward.custom_reward_function.path
    if function and not is_remote(function) and not expanded(function).is_file():
        yield f"reward.custom_reward_function.path must name a file that exists, but there is no {function}."
    for key in OUTPUTS:
        folder = OmegaConf.select(config, key)
        if folder and not is_remote(folder):
            reason = "is a file" if expanded(folder).is_file() else unwritable(expanded(folder))
            if reason is not None:
                yield f"{key} must be a folder that can be written, but {folder} {reason}; name another."
    trainer = config.trainer
    if trainer.rollout_data_dir and trainer.rollout_data_dir == trainer.validation_data_dir:
        yield (
            f"trainer.rollout_data_dir and trainer.validation_data_dir must be two folders, but both are "
            f"{trainer.rollout_data_dir}, where verl would name both dumps of a step <step>.jsonl; change one of them."
        )
