"""The machine: whether it has what the configuration names, and whether the model fits on its GPUs."""

from collections.abc import Iterator

from omegaconf import DictConfig
from verl.plugin.platform import get_platform

import verl_cpu
from groupwise.preflight import memory, memory_report
from groupwise.preflight.facts import Facts


def kind() -> str:
    """Names the set of versions that this machine needs: cpu or gpu."""
    return "cpu" if get_platform().device_name == "cpu" else "gpu"


def find_device_faults(config: DictConfig) -> Iterator[str]:
    """Looks whether this machine has what `trainer.device` names."""
    if kind() == "cpu" and config.trainer.device != "cpu":
        yield (
            f"trainer.device={config.trainer.device} needs an accelerator, but none is found here; "
            "add +device=cpu, or run where nvidia-smi shows a GPU."
        )


def find_memory_faults(facts: Facts) -> Iterator[str]:
    """Looks whether the run fits in a GPU's memory, by an estimate."""
    card, actor = memory.card_bytes(facts.config), facts.config.actor_rollout_ref.actor
    if facts.config.trainer.device == "cpu" or card is None or facts.parameters is None:
        return
    if not actor.use_dynamic_bsz and actor.ppo_micro_batch_size_per_gpu is None:
        return  # verl demands one, and what a whole batch would take says nothing
    yield from memory_report.find_faults(facts.config, facts.hf_config, facts.parameters, card)


def describe_memory(facts: Facts) -> list[str]:
    """Makes the table that a dry run shows of the GPU's memory, or a line that says why there is none."""
    if facts.config.trainer.device == "cpu":
        return ["GPU memory: none is used (trainer.device=cpu)"]
    card = memory.card_bytes(facts.config)
    if card is None:
        return ["GPU memory: not estimated, there is no GPU here; preflight.gpu_memory_gib=80 tells how much there is"]
    if facts.parameters is None:
        return ["GPU memory: not estimated, the model is not known here"]
    try:
        return memory_report.describe(memory.estimate(facts.config, facts.hf_config, facts.parameters, card), card)
    except ValueError as error:
        return [f"GPU memory: not estimated: {error}"]


def find_cpu_faults(config: DictConfig) -> Iterator[str]:
    """Looks for what is missing to run without an accelerator: verl and vLLM would go on without a failed plug-in."""
    if config.trainer.device == "cpu":
        yield from verl_cpu.check()
