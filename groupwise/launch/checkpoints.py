"""Checkpoints: how large they are, whether there is room for them, and that their number stays bounded over resumes.

verl removes what it has saved itself since it was started, and of that the folder `actor` alone
(verl/utils/checkpoint/checkpoint_manager.py, register_checkpoint), so that a run which is resumed now and then fills
the disk.
"""

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig
from verl.utils.torch_dtypes import PrecisionType

from groupwise.launch.paths import expanded
from groupwise.names import FSDP
from groupwise.record.latest import by_step, latest
from groupwise.record.run_record import METHOD_FILE

logger = logging.getLogger(__name__)


def saved_checkpoints(folder: Path) -> list[Path]:
    """Lists the folders global_step_N that we wrote in a checkpoint folder, by step; links are the user's."""
    found = by_step(folder).values()
    return [path for path in found if not path.is_symlink() and (path / METHOD_FILE).is_file()]


def remove_old_checkpoints(folder: Path, keep: int | None, *, in_use: Iterable[Path]) -> list[Path]:
    """Removes all checkpoints but those of the highest steps, and says which; warns of what cannot be removed.

    `keep` says how many (`trainer.max_actor_ckpt_to_keep`); None or less than 1 keeps all. `in_use` are kept beyond
    that, as is the one that verl would resume: the one just saved, which is of a lower step than others where a run was
    set back, and the one named by trainer.resume_from_path.
    """
    if keep is None or keep < 1:
        return []
    kept = {path.resolve() for path in (latest(folder), *in_use) if path is not None}
    removed = []
    for path in saved_checkpoints(folder)[:-keep]:
        if path.resolve() not in kept:
            try:
                shutil.rmtree(path)
                removed.append(path)
            except OSError as error:
                logger.warning("The old checkpoint %s could not be removed: %s", path, error)
    return removed


def bytes_per_parameter(config: DictConfig) -> int:
    """What a checkpoint of the actor holds of each parameter (verl/utils/checkpoint/fsdp_checkpoint_manager.py).

    With LoRA the moments are those of the adapters, which are as good as nothing.
    """
    actor, model = config.actor_rollout_ref.actor, config.actor_rollout_ref.model
    saved = actor.checkpoint.save_contents
    has_lora = model.lora_rank > 0 or model.lora_adapter_path is not None
    is_fsdp = actor.strategy in FSDP
    # Other engines keep float32 beside the weights, with the moments.
    width = PrecisionType.to_dtype(actor.fsdp_config.model_dtype or "fp32").itemsize if is_fsdp else 2
    weights = 0 if has_lora and actor.checkpoint.get("save_lora_only", False) else width
    moments = 0 if has_lora else 2 * width if is_fsdp else 12
    parts = {"model": weights, "optimizer": moments, "hf_model": width}
    return sum(size for part, size in parts.items() if part in saved)


def checkpoint_bytes(config: DictConfig, parameters: int | None = None) -> int:
    """Estimates the size of one checkpoint; 0 where neither the parameters are known nor weights lie here."""
    if parameters is None:
        files = expanded(config.actor_rollout_ref.model.path).glob("*.safetensors")
        # Published weights are 2 bytes a parameter; for float32 ones the estimate is twice too high.
        parameters = sum(file.stat().st_size for file in files) // 2
    return parameters and parameters * bytes_per_parameter(config)


def space_fault(folder: str | os.PathLike[str], needed: int, *, what: str = "a checkpoint") -> str | None:
    """Says in a sentence that so many bytes do not fit into a folder, which need not exist; None where they do."""
    place = expanded(folder).absolute()
    while not os.path.exists(place):
        place = place.parent
    free = shutil.disk_usage(place).free
    if free >= needed:
        return None
    return (
        f"trainer.default_local_dir={folder} must have room for {what} of about {needed / 2**30:.2f} GiB, "
        f"but {free / 2**30:.2f} GiB are free; free some, name another folder, or set trainer.save_freq=-1."
    )
