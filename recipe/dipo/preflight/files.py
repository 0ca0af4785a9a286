"""Files that the configuration names, and what the data files hold."""

from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from recipe.dipo.paths import is_remote, named_files


def find_faults(config: DictConfig) -> Iterator[str]:
    """Looks for files that do not exist, and for dumps that would overwrite one another.

    Args:
        config: The composed configuration.

    Yields:
        One sentence for each.
    """
    for key in ("train_files", "val_files"):
        for file in named_files(config.data[key]):
            if not is_remote(file) and not Path(file).expanduser().is_file():
                yield (
                    f"data.{key} must name parquet files that exist, but there is no {file}; "
                    "bash scripts/prepare_data.sh or python -m data_prep.<set> writes such files, "
                    "DATA_DIR says where they are."
                )
    function = config.reward.custom_reward_function.path
    if function and not is_remote(function) and not Path(function).expanduser().is_file():
        yield f"reward.custom_reward_function.path must name a file that exists, but there is no {function}."
    trainer = config.trainer
    if trainer.rollout_data_dir and trainer.rollout_data_dir == trainer.validation_data_dir:
        yield (
            f"trainer.rollout_data_dir and trainer.validation_data_dir must be two folders, but both are "
            f"{trainer.rollout_data_dir}, where verl would name both dumps of a step <step>.jsonl; change one of them."
        )
