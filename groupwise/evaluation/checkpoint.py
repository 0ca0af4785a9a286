"""What is evaluated: a model in Hugging Face's format, or a checkpoint of verl's FSDP workers, whose shards are merged.

Merging is verl's (`verl.model_merger`), in a process of its own: it holds all shards in memory and prints. It writes
bfloat16 whatever the checkpoint holds, so what is evaluated are the weights as vLLM had them in training, not the
float32 ones of the optimizer. The result lies in the checkpoint's own folder, and is deleted with it.

A shard is a pickle, which may run code when it is loaded, and verl's merger lets it; torch's own variable does not.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.names import MERGE
from groupwise.record.latest import LATEST_FILE as LATEST

HUB_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
HUB_FILES: Final = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
WEIGHTS: Final = ("*.safetensors", "pytorch_model*.bin")
MERGED: Final = "merged"
MARKER: Final = "merged_from.json"
DESCRIPTIONS: Final = ("*.json", "*.txt", "*.model", "*.jinja")


class Source(NamedTuple):
    """A model to evaluate."""

    folder: Path  # its configuration and tokenizer, and its weights where there are no shards
    shards: tuple[Path, ...]  # files of an FSDP checkpoint, one a rank; empty for a model in Hugging Face's format
    output: Path  # where its evaluation goes unless the user says otherwise


def find(argument: str) -> Source:
    """Finds what the user named; shards are not merged yet.

    It is a model's folder; a checkpoint (`global_step_N`, or `actor` within it); the folder of a run's checkpoints,
    which stands for the latest; or a model's name on the hub, which is downloaded.

    Raises:
        GroupwiseError: It is none of these, or it is not whole.
    """
    place = Path(argument).expanduser()
    if not place.exists() and HUB_NAME.fullmatch(argument):
        return _download(argument)
    if not place.is_dir():
        raise GroupwiseError(
            f"What is evaluated must be a folder (a model, a checkpoint or a run's checkpoints) or a name on the hub, "
            f"but {argument} is neither; correct the path."
        )
    place = place.absolute()
    if (place / "config.json").is_file():
        _check_whole(place)
        return Source(place, (), Path("outputs", "evaluation", place.name))
    step = _latest(place)
    actor = step / "actor" if (step / "actor").is_dir() else step
    home = actor.parent if actor.name == "actor" else actor
    return _find_checkpoint(actor, output=home / "evaluation")


def _download(name: str) -> Source:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        folder = Path(snapshot_download(name, allow_patterns=list(HUB_FILES)))
    except (OSError, HfHubHTTPError, HFValidationError, httpx.HTTPError) as error:
        raise GroupwiseError(
            f"What is evaluated must be a folder that exists or a model's name on the hub, but there is no folder "
            f"{name}, and the hub answers: {first_line(error)}"
        ) from error
    _check_whole(folder)
    return Source(folder, (), Path("outputs", "evaluation", name))


def _check_whole(folder: Path) -> None:
    from verl.model_merger.output_validation import validate_hf_model_output

    try:
        validate_hf_model_output(folder)
    except RuntimeError as error:
        raise GroupwiseError(f"A model must have its configuration and all its weights; {error}") from error


def _latest(place: Path) -> Path:
    steps = sorted(folder.name for folder in place.glob("global_step_*"))
    if not steps:
        return place
    if not (place / LATEST).is_file():
        raise GroupwiseError(
            f"A run's checkpoints must say in {LATEST} which is the latest, but {place} has no such file; "
            f"name one of them: {', '.join(steps)}."
        )
    number = (place / LATEST).read_text().strip()
    if f"global_step_{number}" not in steps:
        raise GroupwiseError(
            f"{place / LATEST} must name a checkpoint that is there, but names {number!r}; "
            f"name one of them: {', '.join(steps)}."
        )
    return place / f"global_step_{number}"


def _find_checkpoint(actor: Path, *, output: Path) -> Source:
    described = actor / "huggingface"
    if (actor / "dist_ckpt").is_dir() or (actor / "model" / "huggingface").is_dir():
        raise GroupwiseError(
            f"{actor} is a Megatron checkpoint, and only FSDP's are merged here; run `python -m verl.model_merger "
            f"merge --backend megatron --local_dir {actor} --target_dir DIR` and evaluate DIR."
        )
    missing = [path for path in (actor / "fsdp_config.json", described / "config.json") if not path.is_file()]
    if missing:
        raise GroupwiseError(
            f"A model must have config.json, and an FSDP checkpoint fsdp_config.json and huggingface/config.json, but "
            f"{missing[0]} is not there; name a model's folder, a global_step_N, or a run's folder that holds those."
        )
    if _weights(described):
        _check_whole(described)
        return Source(described, (), output)
    return Source(described, _shards(actor), output)


def _weights(folder: Path) -> list[Path]:
    return sorted(file for pattern in WEIGHTS for file in folder.glob(pattern))


def _shards(actor: Path) -> tuple[Path, ...]:
    try:
        ranks = json.loads((actor / "fsdp_config.json").read_text())["world_size"]
        shards = tuple(actor / f"model_world_size_{ranks}_rank_{rank}.pt" for rank in range(int(ranks)))
    except (ValueError, KeyError, TypeError) as error:
        raise GroupwiseError(
            f"{actor / 'fsdp_config.json'} must give world_size, the number of ranks that wrote the checkpoint, but "
            f"cannot be read ({first_line(error)}); evaluate another checkpoint."
        ) from error
    missing = [shard.name for shard in shards if not shard.is_file() or shard.stat().st_size == 0]
    if missing or not shards:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise GroupwiseError(
            f"An FSDP checkpoint of {ranks} ranks must have a file of each, but {actor} lacks {len(missing)}: {shown}; "
            "copy them from the nodes that wrote them, or evaluate another checkpoint."
        )
    return shards


def identify(source: Source) -> dict[str, Any]:
    """Says what was evaluated, so that responses of one model are never taken for another's.

    It is the path, a hash over configuration and tokenizer, and size and time of change of each file of weights: of the
    shards where there are some, so that merging them anew changes nothing.
    """
    digest = hashlib.sha256()
    for file in sorted(file for pattern in DESCRIPTIONS for file in source.folder.glob(pattern)):
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    weights = source.shards or _weights(source.folder)
    # The user's name for a checkpoint is its folder, not that of the configuration within it.
    path = source.shards[0].parent if source.shards else source.folder
    return {"path": str(path), "configuration": digest.hexdigest(), "weights": stamps(weights)}


def stamps(files: Iterable[Path]) -> dict[str, list[int]]:
    """Gives each file's size and time of change, by its name."""
    return {file.name: [file.stat().st_size, file.stat().st_mtime_ns] for file in files}


def first_line(error: Exception) -> str:
    """The first line of an error's text, for a sentence."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def load(source: Source) -> Path:
    """Gives a model's folder in Hugging Face's format; merges the shards where that was not done before.

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
        _add_adapter(partial)
        (partial / MARKER).write_text(json.dumps(wanted))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _add_adapter(folder: Path) -> None:
    """Adds a LoRA adapter to the weights, beside which verl's merger leaves it: they are the base model's."""
    adapter = folder / "lora_adapter"
    if not adapter.is_dir():
        return
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(folder)
    shutil.rmtree(adapter)


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
            f"it, run `{MERGE.format(actor, 'DIR')}` and evaluate DIR"
        )
    raise GroupwiseError(f"verl's merger could not make a model of {actor}: {said}.")
