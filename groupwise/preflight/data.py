"""The data files as a training will read them: `data_prep.validate` on all of them together."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from omegaconf import OmegaConf

from data_prep import validate
from groupwise.launch.paths import expanded, is_remote, named_files
from groupwise.names import REWARD_MANAGER
from groupwise.preflight.facts import Facts
from groupwise.preflight.notes import Note

VERLS_MANAGERS: Final = ("naive", "dapo", "gdpo", "rate_limited", "remote")
"""Reward managers of verl's own, which give a reward function the row's data source and ground truth."""


def find_faults(facts: Facts) -> Iterator[str]:
    """Validates the data files that lie on this machine; without a tokenizer prompts are not rendered."""
    config = facts.config
    if judge(facts) == "verifiers":
        yield from validate.load_verifiers(OmegaConf.select(config, "reward.reward_kwargs.imports") or ())
    local = [Path(file).expanduser() for file in facts.local_data_files]
    if not local or OmegaConf.select(config, "data.custom_cls.path"):
        return  # A dataset class of the user's own reads what it likes.
    tokenizer = facts.tokenizer if facts.tokenizer is not None and facts.tokenizer.chat_template else None
    template_options = OmegaConf.to_container(config.data.apply_chat_template_kwargs, resolve=True)
    # verl drops prompts that are too long where it was told to; otherwise it would stop at the first one.
    limit = None if config.data.filter_overlong_prompts or config.data.truncation != "error" else facts.prompt_limit
    if tokenizer is None:
        limit = None
    for file in _evaluated_too(facts):
        yield (
            f"data.train_files and data.val_files must not name the same file, but both name {file}; hold questions "
            "out (--val-share of python -m data_prep.qa), or evaluate on another file."
        )
    found = validate.examine(
        _roles(facts, local),
        _reading(facts, tokenizer, template_options),
        measure=None if limit is None else validate.make_measure(tokenizer, template_options),
        max_prompt_length=limit,
    )
    yield from found.faults
    yield from map(Note, found.notes)
    if judge(facts) == "function" and not config.reward.custom_reward_function.path:
        yield from _unknown_to_verl({name for audit in found.audits for name in audit.sources})


def judge(facts: Facts) -> validate.Judge:
    """Says who rewards the responses of a run (verl/experimental/reward_loop/reward_loop.py)."""
    reward = facts.config.reward
    if not reward.custom_reward_function.path and reward.reward_model.enable:
        return "model"
    if reward.reward_manager.name == REWARD_MANAGER:
        return "function" if reward.custom_reward_function.path else "verifiers"
    return "function" if reward.reward_manager.name in VERLS_MANAGERS else "model"


def _roles(facts: Facts, local: list[Path]) -> dict[Path, bool | None]:
    trained = {Path(file).expanduser() for file in named_files(facts.config.data.train_files)}
    return {file: file in trained for file in local}


def _evaluated_too(facts: Facts) -> list[Path]:
    data = facts.config.data
    trained, evaluated = (
        {expanded(file).resolve() for file in named_files(files) if not is_remote(file)}
        for files in (data.train_files, data.val_files)
    )
    return sorted(trained & evaluated)


def _reading(facts: Facts, tokenizer: Any, template_options: Any) -> validate.Reading:
    data, agent = facts.config.data, facts.config.actor_rollout_ref.rollout.agent
    return validate.Reading(
        judge(facts),
        data.prompt_key,
        (data.image_key, data.video_key, data.audio_key),
        render=None if tokenizer is None else validate.Rendering(tokenizer, template_options),
        takes_media=None if tokenizer is None else cache(lambda: _has_processor(facts.config.actor_rollout_ref.model)),
        agents=None if agent.agent_loop_config_path else cache(_agents),
    )


def _has_processor(model: Mapping[str, Any]) -> bool:
    from verl.utils import hf_processor

    path = Path(str(model["path"])).expanduser()
    place = str(path) if path.exists() else str(model["path"])
    return hf_processor(place, trust_remote_code=model["trust_remote_code"]) is not None


def _agents() -> frozenset[str]:
    from verl.experimental.agent_loop.agent_loop import _agent_loop_registry

    return frozenset(_agent_loop_registry)


def _unknown_to_verl(sources: set[str]) -> Iterator[str]:
    from verl.utils.reward_score import default_compute_score

    for source in sorted(sources):
        try:
            default_compute_score(source, "", "")
        except NotImplementedError:
            yield (
                "Every data source must have a reward function in verl where reward.reward_manager.name is not "
                f"{REWARD_MANAGER}, but {source!r} has none; set "
                "reward.custom_reward_function.path=pkg://reward_score, or name another."
            )
        except Exception:  # noqa: BLE001, S112 -- it knows the source, and finds no fault but with what was made up
            continue
