"""What several checks need to know, found out once: the model's configuration and tokenizer, the data's rows."""

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from omegaconf import DictConfig, OmegaConf
from pyarrow.lib import ArrowException

from groupwise.launch.paths import expanded, is_remote, named_files

SAMPLED_ROWS = 64
"""Rows of each data file that the checks of the tokenizer look at."""


class Facts:
    """Lazily loaded facts about a configuration. What cannot be loaded is None; the checks of the same name say why."""

    def __init__(self, config: DictConfig):
        self.config = config

    @property
    def model_path(self) -> str:
        """actor_rollout_ref.model.path."""
        return str(self.config.actor_rollout_ref.model.path)

    @property
    def prompt_limit(self) -> int:
        """Tokens that a prompt may have."""
        return self.config.data.max_prompt_length

    @property
    def local_data_files(self) -> list[str]:
        """Data files that exist on this machine, each once, as named."""
        named = [file for key in ("train_files", "val_files") for file in named_files(self.config.data[key])]
        return [file for file in dict.fromkeys(named) if not is_remote(file) and expanded(file).is_file()]

    @property
    def model_fault(self) -> str | None:
        """Why the model cannot be used, None where it can."""
        return self._model[2]

    @property
    def hf_config(self) -> Any | None:
        """transformers' configuration of the model with verl's override_config, None where it cannot be loaded."""
        return self._model[0]

    @property
    def tokenizer(self) -> Any | None:
        """The tokenizer as verl loads it, None where it cannot be loaded."""
        return self._model[1]

    @cached_property
    def parameters(self) -> int | None:
        """The number of the model's parameters, None where it cannot be loaded or is no language model."""
        if self.hf_config is None:
            return None
        return count_parameters(self.hf_config, trust_remote_code=self.config.actor_rollout_ref.model.trust_remote_code)

    @cached_property
    def train_rows(self) -> int | None:
        """Rows of the training files, None where one of them cannot be read here."""
        files = named_files(self.config.data.train_files)
        if any(file not in self.local_data_files for file in files):
            return None
        try:
            return sum(pq.ParquetFile(expanded(file)).metadata.num_rows for file in files)
        except (ArrowException, OSError):
            return None

    @cached_property
    def sample(self) -> list[dict[str, Any]]:
        """The first rows of each data file that can be read."""
        rows = []
        for file in self.local_data_files:
            try:
                batches = pq.ParquetFile(expanded(file)).iter_batches(SAMPLED_ROWS)
                rows += next(batches).to_pylist()
            except (ArrowException, OSError, StopIteration):
                # The validation of the data says what is wrong with the file.
                continue
        return rows

    @cached_property
    def _model(self) -> tuple[Any | None, Any | None, str | None]:
        path = self.model_path
        if is_remote(path):
            return None, None, None
        folder = expanded(path)
        is_hub_name = re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", path) is not None and not folder.exists()
        if not is_hub_name and not (folder / "config.json").is_file():
            return (
                None,
                None,
                "actor_rollout_ref.model.path must be a model's folder (with config.json) or a name on the hub, "
                f"but {path} is neither.",
            )
        if is_hub_name and (fault := hub_fault(path)):
            return None, None, fault
        try:
            hf_config, tokenizer = load_model(self.config.actor_rollout_ref.model)
        except Exception as error:  # noqa: BLE001 -- transformers raises anything for a damaged folder; it is told
            reason = (str(error).strip().splitlines() or [""])[0][:300]
            fault = (
                f"actor_rollout_ref.model.path={path} must hold a configuration and a tokenizer that transformers "
                f"reads, but loading them ends with {type(error).__name__}: {reason}; name another model (MODEL_PATH)."
            )
            return None, None, fault
        return hf_config, tokenizer, None if is_hub_name else missing_weights(folder)


def hub_fault(name: str) -> str | None:
    """Says why a model cannot come from the hub, None where it can or lies in the local cache.

    transformers would find out as well, after half a minute of attempts.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import RepositoryNotFoundError

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return None
    try:
        HfApi().model_info(name, timeout=10)
    except RepositoryNotFoundError:
        return (
            f"actor_rollout_ref.model.path={name} must be a model's folder or a name on the hub, but the hub has no "
            "such model, or shows it only to users who log in (hf auth login); correct the name (MODEL_PATH)."
        )
    except Exception as error:  # noqa: BLE001 -- a network fails in many ways, all of which mean the same here
        return (
            f"actor_rollout_ref.model.path={name} is not in the local cache of the hub and the hub does not answer "
            f"({type(error).__name__}); set MODEL_PATH to a folder that holds the model."
        )
    return None


def load_model(model: DictConfig) -> tuple[Any, Any]:
    """Loads a model's configuration and tokenizer as verl does (verl/workers/config/model.py, HFModelConfig)."""
    from transformers import AutoConfig
    from verl.utils import hf_tokenizer
    from verl.utils.model import update_model_config

    def place(path: str) -> str:
        return str(expanded(path)) if expanded(path).exists() else path

    trusted = model.trust_remote_code
    hf_config = AutoConfig.from_pretrained(place(model.hf_config_path or model.path), trust_remote_code=trusted)
    update_model_config(hf_config, OmegaConf.to_container(model.override_config, resolve=True))
    tokenizer = hf_tokenizer(place(model.tokenizer_path or model.path), trust_remote_code=trusted)
    if model.custom_chat_template is not None:
        tokenizer.chat_template = model.custom_chat_template
    return hf_config, tokenizer


def count_parameters(hf_config: Any, *, trust_remote_code: bool) -> int | None:
    """Counts a model's parameters without making them, tied ones once; None where it is no language model."""
    import torch
    from transformers import AutoModelForCausalLM

    # A tensor is made on this device without memory; accelerate's init_empty_weights makes each on the CPU first.
    with torch.device("meta"):
        try:
            model = AutoModelForCausalLM.from_config(hf_config, trust_remote_code=trust_remote_code)
        except Exception:  # noqa: BLE001 -- a model's own code may raise anything; then there is nothing to reckon with
            return None
    # Parameters that were made empty one by one are not tied any more.
    model.tie_weights()
    return sum(parameter.numel() for parameter in model.parameters())


def missing_weights(folder: Path) -> str | None:
    """Says which of a model's weight files are not there, as after an interrupted download; None where all are."""
    for index in sorted(folder.glob("*.index.json")):
        try:
            shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError):
            return f"{index} must be the index of the model's weights, but cannot be read; download the model again."
        lost = [shard for shard in shards if not (folder / shard).is_file()]
        if lost:
            return (
                f"{folder} must hold all weights that {index.name} names, but lacks {len(lost)} of {len(shards)} files,"
                f" such as {lost[0]}; download the model again."
            )
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin")):
        return f"{folder} must hold a model's weights (*.safetensors), but has none; download the model again."
    return None
