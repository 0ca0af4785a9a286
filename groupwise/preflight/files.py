"""Files that the configuration names, and what the data files hold."""

from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from groupwise.launch.paths import OUTPUTS, expanded, is_remote, named_files, unwritable
from groupwise.preflight.model import is_hub_name


def find_faults(config: DictConfig) -> Iterator[str]:
    """Looks for files that do not exist, folders that cannot be written, and dumps that would overwrite one another."""
    for key in ("train_files", "val_files"):
        if not named_files(config.data[key]):
            yield f"data.{key} must name at least one file, at which verl stops, but is empty; name one."
        for file in named_files(config.data[key]):
            if not is_remote(file) and not expanded(file).is_file():
                yield (
                    f"data.{key} must name parquet files that exist, but there is no {file}; "
                    "bash scripts/prepare_data.sh or python -m data_prep.<set> writes such files, "
                    "DATA_DIR says where they are."
                )
    yield from _adapter_faults(config.actor_rollout_ref.model.lora_adapter_path)
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


def _adapter_faults(adapter: str | None) -> Iterator[str]:
    if not adapter or is_remote(adapter) or is_hub_name(adapter):
        return
    for names in (("adapter_config.json",), ("adapter_model.safetensors", "adapter_model.bin")):
        if not any((expanded(adapter) / name).is_file() for name in names):
            yield (
                "actor_rollout_ref.model.lora_adapter_path must be the folder of a LoRA adapter, but "
                f"{adapter} has no {names[0]}; name another, or leave it out."
            )
            return
