"""The engines that this machine has room for: how many, with which GPUs, and with which arguments."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from groupwise.errors import GroupwiseError
from groupwise.evaluation.options import Options


def environments(*, gpus: int | None, tensor_parallel_size: int) -> list[dict[str, str]]:
    """Divides the machine among engines.

    Args:
        gpus: How many GPUs are used, the first visible ones; None for all. On a CPU how many engines there are.
        tensor_parallel_size: GPUs of an engine.

    Returns:
        The environment variables of each engine, which name its GPUs.

    Raises:
        GroupwiseError: There are fewer GPUs.
    """
    from verl.plugin.platform import get_platform

    platform = get_platform()
    # vLLM would fork its engine process, which would then hold the pipe open after its parent's end.
    common = {**platform.rollout_env_vars(), "VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn"}
    name = platform.visible_devices_envvar()
    if platform.device_name == "cpu":
        devices = [""] * (gpus or tensor_parallel_size)
    elif name in os.environ:
        devices = [device for device in os.environ[name].split(",") if device.strip()]
    else:
        devices = [str(index) for index in range(platform.device_count())]
    used = devices[:gpus]
    if len(used) < max(gpus or 1, tensor_parallel_size):
        raise GroupwiseError(
            f"--gpus {gpus or len(used)} with --tensor-parallel-size {tensor_parallel_size} needs "
            f"{max(gpus or 1, tensor_parallel_size)} GPUs, but {len(devices)} are visible; lower them."
        )
    slices = [
        used[first : first + tensor_parallel_size]
        for first in range(0, len(used) - tensor_parallel_size + 1, tensor_parallel_size)
    ]
    return [common | ({name: ",".join(part)} if all(part) else {}) for part in slices]


def engine_arguments(options: Options, model: Path, *, max_model_len: int) -> dict[str, Any]:
    """Puts vLLM's engine arguments together.

    Args:
        options: What the user asked for.
        model: The model's folder.
        max_model_len: Tokens of the longest prompt with its response.

    Returns:
        The arguments: on a GPU bfloat16, as verl's rollouts; on a CPU those of verl_cpu.
    """
    from verl.plugin.platform import get_platform

    arguments: dict[str, Any] = {
        "model": str(model),
        "max_model_len": max_model_len,
        "tensor_parallel_size": options.tensor_parallel_size,
        "seed": options.seed,
    }
    if get_platform().device_name == "cpu":
        rollout = OmegaConf.load(str(files("verl_cpu.config") / "device" / "cpu.yaml")).actor_rollout_ref.rollout
        arguments |= {"dtype": rollout.dtype, "enforce_eager": rollout.enforce_eager, **rollout.engine_kwargs.vllm}
    else:
        arguments |= {"dtype": "bfloat16", "gpu_memory_utilization": options.gpu_memory_utilization}
    return arguments | dict(options.engine_option)
