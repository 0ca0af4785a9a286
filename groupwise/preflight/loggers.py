"""Whether every logger of `trainer.logger` can start. verl creates them after Ray, models and vLLM are up."""

import importlib.util
import netrc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

from omegaconf import DictConfig, OmegaConf
from verl.utils.tracking import Tracking

from groupwise.launch.paths import expanded, unwritable
from groupwise.record.metrics_file import metrics_path

PACKAGES: Final = {
    "wandb": "wandb",
    "mlflow": "mlflow",
    "swanlab": "swanlab",
    "vemlp_wandb": "volcengine_ml_platform",
    "tensorboard": "tensorboard",
    "clearml": "clearml",
    "trackio": "trackio",
    "rl_insight": "rl_insight",
}
"""By logger, the module that verl imports for it (verl/utils/tracking.py)."""

WANDB_WITHOUT_LOGIN: Final = ("offline", "disabled", "dryrun")


def find_faults(config: DictConfig) -> Iterator[str]:
    """Checks the names, the packages, the log-in and the folders of the loggers.

    The environment is that of this process; Ray's workers have the same, unless a cluster was started elsewhere.
    """
    value = config.trainer.logger
    names = [value] if isinstance(value, str) else list(value or ())
    # verl's older word for it.
    names = ["wandb" if name == "tracking" else name for name in names]
    for name in dict.fromkeys(names):
        if name not in Tracking.supported_backend:
            yield (
                f"trainer.logger must name loggers of verl, any of {', '.join(Tracking.supported_backend)}, "
                f"but names {name!r}; correct it."
            )
        elif name in PACKAGES and importlib.util.find_spec(PACKAGES[name]) is None:
            yield (
                f"The logger {name} of trainer.logger needs the package {PACKAGES[name]}, which is not installed; "
                f"install it, or take {name} out of trainer.logger."
            )
        elif name == "wandb":
            yield from _wandb_faults(config)
        elif name in ("file", "tensorboard"):
            yield from _place_faults(name, config)


def _wandb_faults(config: DictConfig) -> Iterator[str]:
    given = OmegaConf.select(config, "ray_kwargs.ray_init.runtime_env.env_vars")
    environment = {**os.environ, **(given or {})}
    if environment.get("WANDB_MODE") in WANDB_WITHOUT_LOGIN or environment.get("WANDB_API_KEY"):
        return
    if not environment.get("WANDB_IDENTITY_TOKEN_FILE") and not _is_logged_in(environment):
        yield (
            "The logger wandb of trainer.logger needs a log-in, without which it stops the run at its start, but there "
            "is neither WANDB_API_KEY nor an entry in ~/.netrc; run `wandb login`, set WANDB_MODE=offline, or take "
            "wandb out of trainer.logger."
        )


def _is_logged_in(environment: Mapping[str, str]) -> bool:
    host = urlparse(environment.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    named = environment.get("NETRC")
    files = [expanded(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    for file in files:
        try:
            if host is not None and netrc.netrc(file).authenticators(host) is not None:
                return True
        except (OSError, netrc.NetrcParseError):
            # Not there, or not to be read: no log-in.
            continue
    return False


def _place_faults(name: str, config: DictConfig) -> Iterator[str]:
    # Where the user names no place, the launch sends both to the checkpoint folder, and makes that.
    folder = expanded(config.trainer.default_local_dir)
    if name == "file":
        is_placed = any(os.environ.get(f"VERL_FILE_LOGGER_{word}") is not None for word in ("PATH", "ROOT"))
        path, cure = metrics_path(config) if is_placed else folder / "metrics.jsonl", "set VERL_FILE_LOGGER_PATH"
        reason = "is a folder" if path.is_dir() else unwritable(path)
        if reason is None and os.environ.get("VERL_FILE_LOGGER_PATH") and not path.parent.is_dir():
            # verl makes the folder of VERL_FILE_LOGGER_ROOT alone.
            reason = None if path.parent.absolute() == folder.absolute() else "would lie in a folder that is not there"
    else:
        path, cure = Path(os.environ.get("TENSORBOARD_DIR", folder / "tensorboard")), "set TENSORBOARD_DIR"
        reason = "is a file" if path.is_file() else unwritable(path)
    if reason is not None:
        yield f"The logger {name} of trainer.logger must be able to write {path}, but it {reason}; {cure}."
