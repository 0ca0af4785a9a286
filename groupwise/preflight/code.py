"""Code of the user's own that the configuration names: loaded as verl will load it, in a process of its own.

What it defines is looked at and never called. What a file does when it is imported it does in verl as well; here it can
neither end the checks, nor hold them up, nor change what they see.
"""

import inspect
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

from omegaconf import DictConfig, OmegaConf

from groupwise.names import REWARD_MANAGER
from groupwise.preflight.facts import Facts
from groupwise.preflight.notes import Note

LIMIT_S: Final = 60.0
"""Seconds for one file: vLLM takes half of them to import."""

VERLS_MANAGERS: Final = ("naive", "dapo", "gdpo", "rate_limited", "remote")
"""Reward managers of verl's own, which give a reward function the row's data source and ground truth."""

ARGUMENTS: Final = ("data_source", "solution_str", "ground_truth", "extra_info")
"""What these and ours call a reward function with, by name."""

MULTI_TURN: Final = "actor_rollout_ref.rollout.multi_turn"


def find_faults(facts: Facts) -> Iterator[str]:
    """Loads what the configuration names, each file by the function by which verl loads it."""
    config = facts.config
    for key, load in LOADERS.items():
        path = OmegaConf.select(config, key)
        if path and (said := _in_a_child(load, config)):
            sentence = f"{key} must name code that verl can load, but {path} {said}"
            yield Note(sentence) if said.startswith("is not loaded") else sentence
    manager = config.reward.reward_manager
    if manager.source == "importlib" and not manager.module.path:
        yield "reward.reward_manager.module.path must name a file where reward.reward_manager.source=importlib; set it."
    yield from _unused_tools(facts)


def _in_a_child(load: Callable[[DictConfig], str | None], config: DictConfig) -> str | None:
    """Gives what is wrong, in words that follow the path; None where nothing is."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_tell, args=(load, config, sender))
    with warnings.catch_warnings():
        # Python warns that threads are not forked; nothing of theirs is used.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    sender.close()
    try:
        if receiver.poll(LIMIT_S):
            return receiver.recv_bytes().decode() or None
        return (
            f"is not loaded after {LIMIT_S:.0f} seconds: it waits for something, or imports much; verl would wait too."
        )
    except EOFError:
        return "ends the process that imports it; correct it."
    finally:
        with suppress(ProcessLookupError):
            # Whatever it has started as well.
            os.killpg(child.pid or 0, signal.SIGKILL)
        child.kill()
        child.join()


def _tell(load: Callable[[DictConfig], str | None], config: DictConfig, sender: Any) -> None:
    os.setsid()
    sys.stdout = sys.stderr = nowhere = open(os.devnull, "r+")  # noqa: SIM115 -- until the process ends
    for stream in (0, 1, 2):
        os.dup2(nowhere.fileno(), stream)
    try:
        said = load(config) or ""
    except BaseException as error:  # noqa: BLE001 -- a file of the user's may raise anything, SystemExit too
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:300] or "no reason is given"
        said = f"ends with {type(cause).__name__}: {reason}; correct it, or the keys beside it."
    sender.send_bytes(said.encode())
    os._exit(0)


def _reward_function(config: DictConfig) -> str | None:
    from verl.trainer.ppo.reward import get_custom_reward_fn

    reward = config.reward
    if reward.custom_reward_function.name is None:
        return "is to be searched for null; set reward.custom_reward_function.name."
    # A partial of verl's own function, around the user's and its reward_kwargs.
    function, settings = get_custom_reward_fn(config).args
    if reward.reward_manager.name not in (*VERLS_MANAGERS, REWARD_MANAGER):
        return None
    given = dict.fromkeys((*ARGUMENTS, *settings))
    if reward.reward_model.enable:
        given |= dict.fromkeys(("reward_router_address", "reward_model_tokenizer"))
    try:
        inspect.signature(function).bind(**given)
    except TypeError as error:
        return (
            f"has a {reward.custom_reward_function.name} that cannot be called as verl does, with {', '.join(given)} "
            f"by name ({error}); give it these arguments, or **kwargs."
        )
    return None


def _reward_manager(config: DictConfig) -> str | None:
    from verl.trainer.ppo.reward import resolve_reward_manager_cls

    if config.reward.reward_manager.source != "importlib":
        return "is not read, and another manager rewards; set reward.reward_manager.source=importlib."
    resolve_reward_manager_cls(config)
    return None


def _dataset(config: DictConfig) -> None:
    from verl.utils.dataset.rl_dataset import get_dataset_class

    get_dataset_class(config.data)


def _sampler(config: DictConfig) -> None:
    from verl.utils.import_utils import load_extern_object

    named = config.trainer.v1.sampler.custom_sampler
    load_extern_object(named.path, named.name)


def _tools(config: DictConfig) -> None:
    """Loads the tools, their classes too, but makes none: a constructor may start Ray or ask a service."""
    from verl.tools import tool_registry
    from verl.utils.import_utils import resolve_config_path

    load_class = tool_registry.get_tool_class

    def stand_in(name: str) -> Callable[..., SimpleNamespace]:
        load_class(name)
        return lambda config, tool_schema: SimpleNamespace(name=tool_schema and tool_schema.function.name)

    paths = (OmegaConf.select(config, f"{MULTI_TURN}.{key}") for key in ("tool_config_path", "function_tool_path"))
    with mock.patch.object(tool_registry, "get_tool_class", stand_in):
        tool_registry.load_all_tools(*(resolve_config_path(path) if path else None for path in paths))


def _agent_loops(config: DictConfig) -> str | None:
    from hydra.utils import get_class
    from verl.experimental.agent_loop.agent_loop import _agent_loop_registry
    from verl.utils.import_utils import resolve_config_path

    agent = config.actor_rollout_ref.rollout.agent
    loops: Any = OmegaConf.load(resolve_config_path(agent.agent_loop_config_path))
    names = [loop.name for loop in loops]
    for loop in loops:
        get_class(loop._target_)
    if agent.default_agent_loop not in (*names, *_agent_loop_registry):
        return (
            f"has {', '.join(names)}, but no {agent.default_agent_loop}; set the default_agent_loop beside it to one."
        )
    return None


LOADERS: Final[dict[str, Callable[[DictConfig], str | None]]] = {
    "reward.custom_reward_function.path": _reward_function,
    "reward.reward_manager.module.path": _reward_manager,
    "data.custom_cls.path": _dataset,
    "trainer.v1.sampler.custom_sampler.path": _sampler,
    f"{MULTI_TURN}.tool_config_path": _tools,
    f"{MULTI_TURN}.function_tool_path": _tools,
    "actor_rollout_ref.rollout.agent.agent_loop_config_path": _agent_loops,
}
"""By the key of the path, what loads it."""


def _unused_tools(facts: Facts) -> Iterator[str]:
    rollout = facts.config.actor_rollout_ref.rollout
    named = [key for key in ("tool_config_path", "function_tool_path") if rollout.multi_turn[key]]
    single = "single_turn_agent"
    loops = {rollout.agent.default_agent_loop, *(row.get("agent_name", single) for row in facts.sample)}
    if named and loops == {single}:
        yield Note(
            f"{MULTI_TURN}.{named[0]} names tools, which {single}, the loop of the rows, does not give to the model; "
            "set actor_rollout_ref.rollout.agent.default_agent_loop=tool_agent, or leave the tools out."
        )
