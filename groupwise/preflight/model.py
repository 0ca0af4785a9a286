"""The model that a configuration names: whether it is here whole, loads as verl loads it, and can be trained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from groupwise.launch.paths import expanded, is_remote
from groupwise.names import MERGE
from groupwise.preflight import parallel
from groupwise.preflight.notes import Note

MODEL: Final = "actor_rollout_ref.model"
SHARDS: Final = "model_world_size_*_rank_*.pt"
"""Weights as verl saves them, one file a GPU (verl/utils/checkpoint/fsdp_checkpoint_manager.py)."""


def find_model(model: DictConfig) -> tuple[Any | None, Any | None, str | None]:
    """Loads configuration and tokenizer as verl does (verl/workers/config/model.py), or says why the model is no good.

    All are None where only verl can fetch it.
    """
    path = str(model.path)
    if is_remote(path):
        return None, None, None
    folder = expanded(path)
    if not is_hub_name(path):
        fault = merge_fault(folder) or (None if (folder / "config.json").is_file() else _no_model("path", path))
    else:
        fault = hub_fault(path)
    if fault:
        return None, None, fault
    hf_config, fault = _load(model, "hf_config_path")
    if hf_config is not None and (fault := _override_fault(model, hf_config)):
        hf_config = None
    tokenizer, tokenizer_fault = _load(model, "tokenizer_path")
    if tokenizer is not None:
        tokenizer_fault = _files_fault(model, tokenizer)
        if model.custom_chat_template is not None:
            tokenizer.chat_template = model.custom_chat_template
    fault = fault or tokenizer_fault or (None if is_hub_name(path) else missing_weights(folder))
    return hf_config, None if tokenizer_fault else tokenizer, fault


def is_hub_name(path: str) -> bool:
    """Whether a path can only be a name on the hub."""
    return re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", path) is not None and not expanded(path).exists()


def _load(model: DictConfig, key: str) -> tuple[Any | None, str | None]:
    """Loads configuration or tokenizer from the place that `key` names, the model's own where it is null."""
    from transformers import AutoConfig
    from verl.utils import hf_tokenizer

    own = "path" if model[key] is None else key
    path, what, loader = str(model[own]), "configuration", AutoConfig.from_pretrained
    if key == "tokenizer_path":
        what, loader = "tokenizer", hf_tokenizer
    if is_remote(path):
        return None, None
    if own == key and not is_hub_name(path) and not expanded(path).is_dir():
        return None, _no_model(own, path)
    try:
        loaded: Any = loader(
            str(expanded(path)) if expanded(path).exists() else path, trust_remote_code=model.trust_remote_code
        )
    except Exception as error:  # noqa: BLE001 -- transformers raises anything for a damaged folder; it is told
        reason = (str(error).strip().splitlines() or [""])[0][:300]
        cure = "name another model (MODEL_PATH)" if own == "path" else f"correct {MODEL}.{own}, or leave it out"
        if "trust_remote_code" in str(error):
            cure = f"set {MODEL}.trust_remote_code=true, if you trust the code that it brings"
        elif isinstance(error, ImportError):
            cure = "install what it imports"
        return None, (
            f"{MODEL}.{own}={path} must hold a {what} that transformers reads, but loading it ends with "
            f"{type(error).__name__}: {reason}; {cure}."
        )
    return loaded, None


def _files_fault(model: DictConfig, tokenizer: Any) -> str | None:
    """Without a tokenizer's files transformers makes one of a handful of tokens, in silence."""
    key = "path" if model.tokenizer_path is None else "tokenizer_path"
    folder = expanded(model[key])
    files = [name for name in type(tokenizer).vocab_files_names.values() if isinstance(name, str)]
    if not files or not folder.is_dir() or any((folder / name).exists() for name in files):
        return None
    return (
        f"{MODEL}.{key}={folder} must hold the tokenizer's files, such as {files[-1]}, but has none; copy them there, "
        f"or name a folder that has them in {MODEL}.tokenizer_path."
    )


def _override_fault(model: DictConfig, hf_config: Any) -> str | None:
    from verl.utils.model import update_model_config

    override: Any = OmegaConf.to_container(model.override_config, resolve=True)
    try:
        update_model_config(hf_config, override.get("model_config", override))
    except Exception as error:  # noqa: BLE001 -- a configuration may refuse a value in any way
        return (
            f"{MODEL}.override_config must change keys that the model's configuration has, but verl's update ends with "
            f"{type(error).__name__}: {error}; correct it, or leave it out."
        )
    return None


def _no_model(key: str, path: str) -> str:
    cure = "correct the name (MODEL_PATH)" if key == "path" else "correct it, or leave it out"
    what = "a model's folder (with config.json) or a name on the hub"
    return f"{MODEL}.{key} must be {what}, but {path} is neither; {cure}."


def merge_fault(folder: Path) -> str | None:
    """Says that a folder is a checkpoint of verl's, whose weights are no model before they are merged."""
    for place in (folder, folder / "actor", folder.parent):
        if any(place.glob(SHARDS)) and not any(folder.glob("*.safetensors")):
            return (
                f"{MODEL}.path={folder} must be a model in Hugging Face's format, but is part of a checkpoint of "
                f"verl's, with a file for each GPU; merge these by `{MERGE.format(place, 'MERGED')}` and name MERGED."
            )
    return None


def find_faults(config: DictConfig, hf_config: Any | None, fault: str | None) -> Iterator[str]:
    """Tells why the model cannot be used, and what of a model that loads cannot be trained."""
    if fault is not None:
        yield fault
    if hf_config is None:
        return
    name = f"{MODEL}.path={config.actor_rollout_ref.model.path}"
    if getattr(hf_config, "is_encoder_decoder", False):
        yield (
            f"{name} must be a decoder, which verl trains, but is an encoder with a decoder ({hf_config.model_type}); "
            "name another model (MODEL_PATH)."
        )
    quantized = getattr(hf_config, "quantization_config", None)
    if quantized:
        method = (
            quantized.get("quant_method") if isinstance(quantized, dict) else getattr(quantized, "quant_method", "")
        )
        sentence = (
            f"{name} must have weights in floating point, which a training changes, but is quantized ({method}); name "
            "the model that it was made from."
        )
        # Megatron's bridges read some of them.
        yield sentence if parallel.is_fsdp(config) else Note(sentence)


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
