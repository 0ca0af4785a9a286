"""Says what is wrong with the set-up. verl and vLLM both go on without a plug-in that failed to load."""

import importlib.metadata
import os
import shutil

# vLLM refuses to open a queue of 240 MiB with less than that free; a bucket of weights has 256 MiB (config/device).
SHARED_MEMORY_BYTES = 512 << 20
_ENTRY_POINTS = {
    "verl.plugins": ("verl_cpu.plugin", "VERL_USE_EXTERNAL_PLUGINS"),
    "vllm.general_plugins": ("verl_cpu.vllm_plugin:register", "VLLM_PLUGINS"),
}


def check() -> list[str]:
    """Look whether verl and vLLM will run on this machine's CPU.

    Returns:
        One sentence for each thing that is wrong; empty if all is well, and on a machine with an accelerator.
    """
    problems = [problem for group in _ENTRY_POINTS for problem in _check_entry_point(group)]
    return problems + _check_machine()


def _check_entry_point(group: str) -> list[str]:
    value, variable = _ENTRY_POINTS[group]
    names = {entry.name for entry in importlib.metadata.entry_points(group=group) if entry.value == value}
    if not names:
        return [f"The entry point {value} of group {group} must be installed and is not; install this package again."]
    allowed = os.environ.get(variable)
    if allowed is not None and not names & _listed(group, allowed):
        return [f"{variable} must be unset or name {min(names)}, and is {allowed!r}; unset it."]
    return []


def _listed(group: str, allowed: str) -> set[str]:
    """Names as verl and vLLM read them: only verl trims and lowers them, and takes "auto" for all."""
    if group != "verl.plugins":
        return set(allowed.split(","))
    names = {name.strip() for name in allowed.lower().split(",")}
    return {"verl_cpu"} if names == {"auto"} else names


def _check_machine() -> list[str]:
    # verl first: it loads the plug-in, and that imports the modules used below.
    import verl  # noqa: F401

    from verl_cpu.platform import accelerator_present

    return [] if accelerator_present() else _check_selection() + _check_vllm() + _check_shared_memory()


def _check_selection() -> list[str]:
    import torch.distributed
    from verl.plugin.platform import PlatformRegistry, get_platform

    from verl_cpu import platform
    from verl_cpu.replacing import is_patched

    if PlatformRegistry.get(platform.PLATFORM_NAME) is not platform.PlatformCPU:
        return ["verl must have loaded verl_cpu.plugin and has not; import verl_cpu.plugin by hand to see the error."]
    problems = []
    if not isinstance(get_platform(), platform.PlatformCPU):
        problems.append(
            f"verl must use the platform cpu here and uses {type(get_platform()).__name__}; leave VERL_PLATFORM unset."
        )
    if not is_patched(torch.distributed.init_process_group):
        problems.append("The patches of verl_cpu must be applied and are not; import verl_cpu.plugin to see the error.")
    return problems


def _check_vllm() -> list[str]:
    try:
        from vllm.platforms import current_platform

        from verl_cpu import vllm_plugin

        vllm_plugin.register()
    except (ImportError, RuntimeError) as error:
        return [f"vLLM must import and take its plug-in on this machine and does not: {error}"]
    if not current_platform.is_cpu():
        return [f"vLLM must be a CPU build here and is one for {current_platform.device_name}; install the pinned set."]
    return []


def _check_shared_memory() -> list[str]:
    free = shutil.disk_usage("/dev/shm").free
    if free < SHARED_MEMORY_BYTES:
        return [
            f"/dev/shm must have {SHARED_MEMORY_BYTES >> 20} MiB free for vLLM's queues and the weights, and has "
            f"{free >> 20} MiB; in a container start it with --shm-size=2g."
        ]
    return []
