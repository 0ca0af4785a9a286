"""The checks for a command line of verl's own trainer, which knows nothing of this framework."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from groupwise.errors import GroupwiseError
from groupwise.launch.command_line import ease
from groupwise.method import METHODS
from groupwise.preflight import Fault, Findings, examine, hardware
from groupwise.preflight.verl_schema import VERL, own_keys, walk

MODULE = "verl.trainer.main_ppo"
CONFIG = VERL / "trainer" / "config"
OPTION = re.compile(r"(?:--config-(?P<long>name|path)|-c(?P<short>[np]))(?:=(?P<value>.*))?", re.DOTALL)

FRAMEWORKS_OWN = ("versions", "registrations", "environment", "method")
"""Checks of what only a run of this framework has."""

MACHINES = ("device", "cpu", "cluster", "disk", "loggers", "files", "model", "resume", "code", "data")
"""Checks of the machine that starts the run, and of what lies on it."""


def compose_command(words: Sequence[str]) -> DictConfig:
    """Composes the configuration as verl's trainer will, from its overrides or the whole command before them.

    Raises:
        GroupwiseError: The command is one of another module's, or has another configuration than verl's.
        HydraException: Hydra refuses it.
    """
    words = list(words)
    if "-m" in words[:-1]:
        start = words.index("-m")
        if words[start + 1] != MODULE:
            raise GroupwiseError(
                f"The command must be one of {MODULE}, but is of {words[start + 1]}; give a command of that, or its "
                "overrides alone."
            )
        words = words[start + 2 :]
    name, overrides, left = "ppo_trainer", [], iter(words)
    for word in left:
        option = OPTION.fullmatch(word)
        if option is None:
            overrides.append(ease(word))
            continue
        value = option["value"] if option["value"] is not None else next(left, "")
        if "name" in word or "-cn" in word:
            name = value.removesuffix(".yaml")
        elif value not in ("config", "./config"):
            raise GroupwiseError(
                f"The configuration must be verl's own (--config-path=config), but is of {value}; leave the option out."
            )
    if not (CONFIG / f"{name}.yaml").is_file():
        raise GroupwiseError(f"--config-name must be one of verl's configurations, but there is no {name} in {CONFIG}.")
    with initialize_config_dir(str(CONFIG), version_base=None):
        return compose(name, overrides=overrides)


def examine_plain(
    config: DictConfig, *, elsewhere: bool = False, skip: Sequence[str] = (), gpu_memory: float | None = None
) -> Findings:
    """Looks for what stops or spoils a run of verl's own trainer, on another machine if `elsewhere`.

    `skip` names checks to leave out; `gpu_memory` is in GiB of a GPU, None asks nvidia-smi.
    """
    with open_dict(config):
        whole = OmegaConf.merge(own_keys(), config, {"preflight": {"skip": list(skip), "gpu_memory_gib": gpu_memory}})
    assert isinstance(whole, DictConfig)
    leave_out = {*FRAMEWORKS_OWN, *(MACHINES if elsewhere else ())}
    if hardware.kind() == "cpu" and whole.trainer.device != "cpu":
        leave_out |= {"device", "cluster"}
    elif whole.trainer.nnodes > 1:
        # Inside of `ray job submit` the cluster is known; from here it is not.
        leave_out.add("cluster")
    found = examine(whole, leave_out=leave_out, is_plain=True)
    # verl's own check loads a critic's configuration, from the hub where it is not here.
    faults = [fault for fault in found.faults if not (elsewhere and "critic.model.path" in fault.sentence)]
    return found._replace(faults=[*_plain_faults(config), *faults])


def _plain_faults(config: DictConfig) -> Iterator[Fault]:
    values: Any = OmegaConf.to_container(config)
    for key, value in walk(values):
        if value == "???" and not key.startswith("reward.reward_model."):
            yield Fault("values", f"{key} must be set, since verl has no default for it; set it.")
    if config.algorithm.adv_estimator in METHODS:
        yield Fault(
            "estimator",
            f"algorithm.adv_estimator must be one of verl's own here, but {config.algorithm.adv_estimator} is computed "
            "by this project's trainer; start the run by its entry point (README).",
        )
