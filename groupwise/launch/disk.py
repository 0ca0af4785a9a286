"""How large checkpoints are, and whether there is room for them."""

import os
import shutil

from groupwise.launch.paths import expanded

ADAM_BYTES_PER_PARAMETER = 12
"""A verl checkpoint holds float32 weights and Adam's two moments."""


def checkpoint_bytes(model_path: str) -> int:
    """Estimates the size of one checkpoint of a model.

    Args:
        model_path: Folder of the model in Hugging Face's format, or a name on the hub.

    Returns:
        Bytes; 0 where the weights do not lie on this machine.
    """
    weights = sum(file.stat().st_size for file in expanded(model_path).glob("*.safetensors"))
    # Published weights are 2 bytes a parameter; for float32 ones the estimate is twice too high, on the safe side.
    return weights // 2 * ADAM_BYTES_PER_PARAMETER


def space_fault(folder: str | os.PathLike[str], needed: int, *, what: str = "a checkpoint") -> str | None:
    """Says in a sentence that checkpoints would not fit, None where they would.

    Args:
        folder: Where checkpoints go; need not exist yet.
        needed: Bytes that must be free.
        what: What needs them.
    """
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
