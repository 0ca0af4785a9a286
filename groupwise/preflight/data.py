"""The data files as a training will read them: `data_prep.validate` on all of them together."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from data_prep import validate
from groupwise.launch.paths import expanded, is_remote, named_files
from groupwise.names import REWARD_MANAGER
from groupwise.preflight import steps
from groupwise.preflight.code import VERLS_MANAGERS
from groupwise.preflight.facts import Facts
from groupwise.preflight.notes import Note


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
    drops = config.data.filter_overlong_prompts
    measures = tokenizer is not None and (drops or config.data.truncation == "error")
    # Most prompts are so short that their bytes say they fit: half the limit is room enough for any template.
    room = facts.prompt_limit // 2 if drops else 0
    for file in _evaluated_too(facts):
        yield (
            f"data.train_files and data.val_files must not name the same file, but both name {file}; hold questions "
            "out (--val-share of python -m data_prep.qa), or evaluate on another file."
        )
    found = validate.examine(
        _roles(facts, local),
        _reading(facts, tokenizer, template_options),
        measure=validate.make_measure(tokenizer, template_options, exact_from=room) if measures else None,
        max_prompt_length=facts.prompt_limit if measures and not drops else None,
    )
    yield from found.faults
    if measures and drops:
        yield from _dropped_faults(facts, found)
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


def _dropped_faults(facts: Facts, found: validate.Findings) -> Iterator[str]:
    config, limit = facts.config, facts.prompt_limit
    rows, dropped = {True: 0, False: 0}, {True: 0, False: 0}
    for audit in found.audits:
        rows[bool(audit.trained_on)] += audit.rows
        lengths = (length for source in audit.sources.values() for length in source.lengths)
        dropped[bool(audit.trained_on)] += sum(length > limit for length in lengths)
    why = f"data.filter_overlong_prompts drops {{}} prompts of more than data.max_prompt_length={limit} tokens"
    all_rows = facts.train_rows
    is_short = all_rows is None or config.trainer.val_only or any(steps.epoch_faults(config, all_rows))
    if dropped[True] and all_rows is not None and not is_short:
        for fault in steps.epoch_faults(config, all_rows - dropped[True]):
            yield f"{fault.removesuffix('.')}; {why.format(dropped[True])}."
    if dropped[False] and dropped[False] == rows[False]:
        yield f"data.val_files must have a row that is left, but {why.format('all')}; raise data.max_prompt_length."


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
