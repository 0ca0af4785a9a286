"""What verl itself refuses, before Ray starts: its registries are asked, its objects are built, its own check is made.

No rule of verl's stands here. Names are compared with what verl, or the engine that it starts, has under such names; of
an object that cannot be built the condition that failed is read from verl's source, for its keys and what it allows.
"""

import ast
import contextlib
import functools
import importlib
import importlib.util
import inspect
import io
import pickle
import re
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from verl.experimental.reward_loop.reward_manager.registry import REWARD_MANAGER
from verl.trainer.ppo.core_algos import POLICY_LOSS_REGISTRY, kl_penalty_forward
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils import torch_dtypes
from verl.utils.config import omega_conf_to_dataclass, validate_config
from verl.utils.device import auto_set_device
from verl.workers.config import build_optimizer
from verl.workers.rollout.base import _ROLLOUT_REGISTRY

from groupwise.preflight.notes import Note
from groupwise.spelling import did_you_mean

MODEL: Final = "actor_rollout_ref"
ACTOR: Final = f"{MODEL}.actor"
ROLLOUT: Final = f"{MODEL}.rollout"

NO_KEY: Final = object()
"""Stands for a key that there is not."""


def find_faults(config: DictConfig, *, has_model: bool) -> Iterator[str]:
    """Asks for each name, then builds what verl's workers build, the model's where its files are here."""
    asked = pickle.loads(pickle.dumps(config))  # a tenth of the time that deepcopy takes
    auto_set_device(asked)
    refused = {key: told for key, known in _names(asked) if (told := _refuse(asked, key, known))}
    yield from refused.values()
    for section, build in _objects(asked, has_model=has_model):
        if section and any(key.startswith(section) for key in refused):
            continue
        try:
            # verl prints that all is well, and warns at every estimator but GAE that no critic is used.
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                build()
        except Exception as error:  # noqa: BLE001 -- whatever verl's classes raise here ends the run there
            yield _tell(error, section, asked)


def _objects(config: DictConfig, *, has_model: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    """What verl builds or checks, each with the section from which it does."""
    sections = config.actor_rollout_ref
    yield ROLLOUT, lambda: omega_conf_to_dataclass(sections.rollout)
    if has_model:
        # The tokenizer is looked at elsewhere, and code of the user's own is not run.
        left_out = {"load_tokenizer": False, "custom_chat_template": None, "external_lib": None}
        yield f"{MODEL}.model", lambda: omega_conf_to_dataclass({**sections.model, **left_out})
    yield "", lambda: validate_config(config, need_reference_policy(config), need_critic(config))
    with contextlib.suppress(InstantiationException):  # which verl's check has told
        actor = omega_conf_to_dataclass(sections.actor)
        # verl sets the engine's strategy without the check that the engine's class makes.
        yield ACTOR, actor.engine.__post_init__
        if hasattr(actor.optim, "optimizer_impl"):
            weights = [torch.nn.Parameter(torch.zeros(1))]
            yield f"{ACTOR}.optim", lambda: build_optimizer(weights, actor.optim)


def _names(config: DictConfig) -> Iterator[tuple[str, Iterable[Any]]]:
    """Keys whose value is a name, with the names that there are; none of those that cannot be known here."""
    actor, rollout, manager = config.actor_rollout_ref.actor, config.actor_rollout_ref.rollout, "reward.reward_manager"
    yield f"{ROLLOUT}.name", dict.fromkeys(name for name, _ in _ROLLOUT_REGISTRY)
    yield f"{ROLLOUT}.mode", dict.fromkeys(mode for _, mode in _ROLLOUT_REGISTRY)
    yield f"{ACTOR}.policy_loss.loss_mode", POLICY_LOSS_REGISTRY
    if actor.use_kl_loss:
        yield f"{ACTOR}.kl_loss_type", _penalties()
    if config.algorithm.use_kl_in_reward:
        yield "algorithm.kl_penalty", _penalties()
    if OmegaConf.select(config, f"{manager}.source") == "register":
        yield f"{manager}.name", REWARD_MANAGER
    if rollout.multi_turn.enable:
        from verl.experimental.agent_loop.tool_parser import ToolParser

        yield f"{ROLLOUT}.multi_turn.format", ToolParser._registry
    dtypes = [*torch_dtypes.HALF_LIST, *torch_dtypes.FLOAT_LIST, *torch_dtypes.BFLOAT_LIST, None]
    yield f"{ACTOR}.fsdp_config.model_dtype", dtypes
    yield f"{ACTOR}.optim.optimizer", _optimizers(OmegaConf.select(config, f"{ACTOR}.optim.optimizer_impl"))
    if rollout.name == "vllm":
        yield f"{ROLLOUT}.dtype", assigned("vllm.config.model", "ModelDType")
        yield f"{ROLLOUT}.load_format", assigned("vllm.model_executor.model_loader", "LoadFormats")
        quantizations = assigned("verl.workers.rollout.vllm_rollout.vllm_async_server", "_SUPPORTED_QUANTIZATION")
        yield f"{ROLLOUT}.quantization", [*quantizations, None]


def _refuse(config: DictConfig, key: str, known: Iterable[Any]) -> str | None:
    known, value = list(known), OmegaConf.select(config, key, default=NO_KEY)
    if not known or value in known or value is NO_KEY:
        return None
    names = [name for name in known if isinstance(name, str)]
    cure = did_you_mean(value, names, "set it to one.")
    return f"{key} must be one of {', '.join(names)}, but is {'null' if value is None else repr(value)}; {cure}"


def _penalties() -> Iterator[str]:
    """The KL penalties that verl computes, out of those that its function tells apart."""
    zero = torch.zeros(1)
    tree = ast.parse(inspect.getsource(kl_penalty_forward))
    for name in (text for node in ast.walk(tree) if isinstance(node, ast.Compare) for text in _texts(node)):
        with contextlib.suppress(NotImplementedError):
            kl_penalty_forward(zero, zero, name)
            yield from (name, f"{name}+")


def _optimizers(module: str | None) -> list[str]:
    try:
        there = vars(importlib.import_module(str(module)))
    except ImportError:
        return []  # verl's function says so
    return [name for name, made in there.items() if isinstance(made, type) and issubclass(made, torch.optim.Optimizer)]


@functools.cache
def assigned(module: str, name: str) -> tuple[str, ...]:
    """The texts that a module assigns to a name, read without importing it; none where it is not installed."""
    package, *parts = module.split(".")
    found = importlib.util.find_spec(package)
    for place in (found.submodule_search_locations if found is not None else None) or ():
        for file in (Path(place, *parts).with_suffix(".py"), Path(place, *parts, "__init__.py")):
            if file.is_file():
                nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                found = (
                    node for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
                )
                return tuple(text for node in found for text in _texts(node))
    return ()


def _texts(tree: ast.AST) -> list[str]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _tell(error: Exception, section: str, config: DictConfig) -> str:
    """Puts what a class or function of verl's raised into a sentence, with the keys that it looked at."""
    if isinstance(error, InstantiationException):
        # Hydra's wrapper around what the class raised.
        section = (re.findall(r"full_key: (\S+)", str(error)) or [section])[0]
        error = error.__cause__ if isinstance(error.__cause__, Exception) else error
    values, allowed = _condition(error, section, config)
    if len(values) == 1 and allowed and (told := _refuse(config, *values, allowed)):
        return told
    if isinstance(error, TypeError):
        # It computes with numbers without a look whether they are there.
        values = {key: value for key, value in values.items() if value is None} or values
    if not values and (path := OmegaConf.select(config, f"{section}.path")):
        values = {f"{section}.path": path}
    said = " ".join(str(error).split())[:300].rstrip(".") or f"{type(error).__name__} without a word"
    found = ", ".join(f"{key} is {'null' if value is None else value}" for key, value in values.items())
    where = f" ({found})" if found else f" (in {section})" if section else ""
    sentence = f"verl refuses this configuration: {said}{where}; correct {'it' if len(values) < 2 else 'one of them'}."
    origin = error.__cause__ or error
    missing = str(origin.name).partition(".")[0] if isinstance(origin, ModuleNotFoundError) else None
    # What is not installed here may be where the run starts.
    return Note(sentence) if missing and importlib.util.find_spec(missing) is None else sentence


def _condition(error: Exception, section: str, config: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """Reads the condition that failed off the line that raised: keys with values, and the texts that it allows."""
    frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(frame.f_code)))
    except (OSError, SyntaxError):
        return {}, []  # no function of a file
    line -= frame.f_code.co_firstlineno - 1
    around = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno]
    parts: list[ast.AST] = [*around[-1:]]
    if isinstance(around[-1], ast.Raise):
        parts += [node.test for node in around if isinstance(node, ast.If)][-1:]
    names = {node.id for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)}
    assigns = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and node.lineno < line]
    parts += [node.value for node in assigns if ast.unparse(node.targets[0]) in names]
    values, allowed = {}, []
    for node in (node for part in parts for node in ast.walk(part)):
        if found := re.fullmatch(
            r"(?:self|config)\.([\w.]+)", ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        ):
            key = f"{section}.{found[1]}".lstrip(".")
            value = OmegaConf.select(config, key, default=NO_KEY)
            if value is not NO_KEY and not OmegaConf.is_config(value):
                values[key] = value
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            named = frame.f_locals.get(ast.unparse(node.comparators[0]))
            allowed += [text for text in named or () if isinstance(text, str)] or _texts(node.comparators[0])
    return values, allowed
