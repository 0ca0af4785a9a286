"""verl's way in (entry-point group ``verl.plugins``): every process that imports verl imports this module.

verl logs a failing plug-in at DEBUG only, so a failure is logged here as an error before it is passed on.
"""

import logging
import os

logger = logging.getLogger(__name__)


def activate() -> bool:
    """Register the platform and apply the patches, if verl finds no accelerator on this host.

    Returns:
        Whether the CPU platform is in use.
    """
    from verl.plugin.platform import PlatformRegistry

    from verl_cpu.patches import apply_patches
    from verl_cpu.platform import PLATFORM_NAME, PlatformCPU, accelerator_present

    if accelerator_present():
        return False
    if PlatformRegistry.get(PLATFORM_NAME) is None:
        PlatformRegistry.register(PLATFORM_NAME)(PlatformCPU)
    # verl's own variable for choosing an engine by another device's name (verl/workers/engine/base.py,
    # EngineRegistry.get_engine_cls, which reads it at each look-up). The FSDP engines are registered for cuda and npu
    # and run on any device; registering them here would import transformers in every process.
    os.environ.setdefault("VERL_ENGINE_DEVICE", "cuda")
    apply_patches()
    return True


try:
    ACTIVE = activate()
except Exception:
    logger.exception("verl_cpu could not set verl up for a machine without an accelerator; no training can run here")
    raise
