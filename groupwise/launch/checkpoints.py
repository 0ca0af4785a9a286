"""Checkpoints: how large they are, whether there is room for them, and that their number stays bounded over resumes.

verl removes what it has saved itself since it was started, and of that the folder `actor` alone
(verl/utils/checkpoint/checkpoint_manager.py, register_checkpoint), so that a run which is resumed now and then fills
the disk.
"""

import os
import re
import shutil
from pathlib import Path

from groupwise.launch.paths import expanded
from groupwise.record.run_record import METHOD_FILE

ADAM_BYTES_PER_PARAMETER = 12
"""A verl checkpoint holds float32 weights and Adam's two moments."""


def saved_checkpoints(folder: Path) -> list[Path]:
    """Lists the folders global_step_N that we wrote in a checkpoint folder, the one saved longest ago first."""
    found = [path for path in folder.glob("global_step_*") if re.fullmatch(r"global_step_\d+", path.name)]

    def saved_at(checkpoint: Path) -> tuple[int, int]:
        # By time, not by number: a run may have been set back to an earlier step.
        return (checkpoint / METHOD_FILE).stat().st_mtime_ns, int(checkpoint.name.removeprefix("global_step_"))

    return sorted((path for path in found if (path / METHOD_FILE).is_file()), key=saved_at)


def remove_old_checkpoints(folder: Path, keep: int | None, *, in_use: Path | None) -> list[Path]:
    """Removes the checkpoints that were saved longest ago, and says which.

    Args:
        folder: `trainer.default_local_dir`.
        keep: How many to keep, `trainer.max_actor_ckpt_to_keep`; None or less than 1 keeps all.
        in_use: A checkpoint to keep beyond that, the one named by trainer.resume_from_path.
    """
    if keep is None or keep < 1:
        return []
    removed = [path for path in saved_checkpoints(folder)[:-keep] if in_use is None or path != in_use]
    for path in removed:
        shutil.rmtree(path)
    return removed


def checkpoint_bytes(model_path: str) -> int:
    """Estimates the size of one checkpoint of a model in Hugging Face's format; 0 where no weights lie here."""
    weights = sum(file.stat().st_size for file in expanded(model_path).glob("*.safetensors"))
    # Published weights are 2 bytes a parameter; for float32 ones the estimate is twice too high, on the safe side.
    return weights // 2 * ADAM_BYTES_PER_PARAMETER


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
