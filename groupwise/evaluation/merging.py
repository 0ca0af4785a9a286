"""From the shards of an FSDP checkpoint to a model that vLLM loads.

Merging is verl's (`verl.model_merger`), in a process of its own: it holds all shards in memory and prints. It writes
bfloat16 whatever the checkpoint holds, so what is evaluated are the weights as vLLM had them in training, not the
float32 ones of the optimizer. The result lies in the checkpoint's own folder, and is deleted with it.

A shard is a pickle, which may run code when it is loaded, and verl's merger lets it; torch's own variable does not.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from groupwise.errors import GroupwiseError
from groupwise.evaluation.checkpoint import Source, stamps

MERGED: Final = "merged"
MARKER: Final = "merged_from.json"


def load(source: Source) -> Path:
    """Gives a folder in Hugging Face's format, for vLLM; merges the shards where that was not done before.

    Raises:
        GroupwiseError: The disk has no room, or verl's merger fails; the sentence has its last words.
        OSError: The checkpoint's folder cannot be written to.
    """
    if not source.shards:
        return source.folder
    actor = source.folder.parent
    target, wanted = actor / MERGED, stamps(source.shards)
    if (target / MARKER).is_file() and json.loads((target / MARKER).read_text()) == wanted:
        return target
    # Another node's may be at work on the same file system; a name of the host's own tells them apart.
    host = socket.gethostname()
    for stale in actor.glob(f".{MERGED}.{host}.*"):
        if not Path("/proc", stale.suffix[1:]).exists():
            shutil.rmtree(stale)
    # Half of the float32 shards; of others it is too little, and the merger finds out.
    _check_room(actor, sum(size for size, _ in wanted.values()) // 2)
    partial = actor / f".{MERGED}.{host}.{os.getpid()}"
    try:
        _merge(actor, partial)
        (partial / MARKER).write_text(json.dumps(wanted))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise GroupwiseError(
            f"The merged weights need about {needed / 2**30:.2f} GiB in {folder}, but {free / 2**30:.2f} GiB are free; "
            "free some, or copy the checkpoint to another disk and evaluate it there."
        )


def _merge(actor: Path, target: Path) -> None:
    command = [sys.executable, "-m", "verl.model_merger", "merge", "--backend", "fsdp"]
    command += ["--local_dir", str(actor), "--target_dir", str(target)]
    environment = {**os.environ, "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}
    environment.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
    )
    if done.returncode == 0:
        return
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    said = lines[-1].strip() if lines else "it said nothing"
    if done.returncode < 0:
        said = f"it was ended by signal {-done.returncode}, as for want of memory: it holds all shards at once"
    if "No space left on device" in done.stdout or "PytorchStreamWriter" in done.stdout:
        said = "the disk is full; free some space"
    if "Weights only load failed" in done.stdout:
        said = (
            "it holds more than tensors, and loading that runs code which came with it; only if you trust whoever made "
            f"it, run `python -m verl.model_merger merge --backend fsdp --local_dir {actor} --target_dir DIR` and "
            "evaluate DIR"
        )
    raise GroupwiseError(f"verl's merger could not make a model of {actor}: {said}.")
