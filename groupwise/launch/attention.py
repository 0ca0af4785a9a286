"""Which attention trains: flash-attn's, which verl asks for by default, or torch's own where that is not installed."""

import importlib

from omegaconf import DictConfig, OmegaConf, open_dict
from verl.plugin.platform import get_platform

from groupwise.names import FSDP


def fall_back(config: DictConfig) -> None:
    """Chooses torch's attention on a GPU without flash-attn, for an actor of FSDP that none was chosen for.

    verl packs responses without padding for either. Without flash-attn it would compute the loss in a loop over single
    tokens (utils/torch_functional.py, logprobs_from_logits_v2); its fused kernels compute it in blocks.
    """
    strategy = OmegaConf.select(config, "actor_rollout_ref.actor.strategy")
    if get_platform().device_name != "cuda" or strategy not in FSDP or has_flash_attn():
        return
    options = OmegaConf.select(config, "actor_rollout_ref.model.override_config")
    # One that is no section is told by the checks.
    if OmegaConf.is_dict(options) and "attn_implementation" not in options:
        with open_dict(config):
            options.attn_implementation = "sdpa"
            config.actor_rollout_ref.model.use_fused_kernels = True


def has_flash_attn() -> bool:
    """Whether flash-attn imports: one that was built for another torch does not."""
    try:
        importlib.import_module("flash_attn")
    except ImportError:
        return False
    return True
