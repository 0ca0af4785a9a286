"""Keeps the number of checkpoints bounded over resumes.

verl removes what it has saved itself since it was started, and of that the folder `actor` alone
(verl/utils/checkpoint/checkpoint_manager.py, register_checkpoint), so that a run which is resumed now and then fills
the disk.
"""

import re
import shutil
from pathlib import Path

from groupwise.record.run_record import METHOD_FILE


def saved_checkpoints(folder: Path) -> list[Path]:
    """Lists the checkpoints of a run, the one saved longest ago first.

    Args:
        folder: `trainer.default_local_dir`.

    Returns:
        Its folders global_step_N that this recipe wrote; others are not its to remove.
    """
    found = [path for path in folder.glob("global_step_*") if re.fullmatch(r"global_step_\d+", path.name)]
    # By time, not by number: a run may have been set back to an earlier step.
    return sorted((path for path in found if (path / METHOD_FILE).is_file()), key=_saved_at)


def _saved_at(checkpoint: Path) -> tuple[int, int]:
    return (checkpoint / METHOD_FILE).stat().st_mtime_ns, int(checkpoint.name.removeprefix("global_step_"))


def remove_old_checkpoints(folder: Path, keep: int | None, *, in_use: Path | None) -> list[Path]:
    """Removes the checkpoints that were saved longest ago.

    Args:
        folder: `trainer.default_local_dir`.
        keep: How many to keep, `trainer.max_actor_ckpt_to_keep`; None or less than 1 keeps all.
        in_use: A checkpoint to keep beyond that, the one named by trainer.resume_from_path.

    Returns:
        The folders that were removed.
    """
    if keep is None or keep < 1:
        return []
    removed = [path for path in saved_checkpoints(folder)[:-keep] if in_use is None or path != in_use]
    for path in removed:
        shutil.rmtree(path)
    return removed
