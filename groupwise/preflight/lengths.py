"""Tokens of a prompt and its response against every limit on them.

verl and vLLM shorten silently what a limit leaves no room for: prompts from the left (verl/experimental/agent_loop),
responses at the end (verl/workers/rollout/vllm_rollout/vllm_async_server.py).
"""

import json
import os
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from groupwise.launch.paths import expanded
from groupwise.preflight import parallel


def find_faults(config: DictConfig, hf_config: Any | None) -> Iterator[str]:
    """Checks the lengths, against the model's where its configuration, with or without `override_config`, is known."""
    rollout = config.actor_rollout_ref.rollout
    for key, data_key in (("prompt_length", "max_prompt_length"), ("response_length", "max_response_length")):
        if rollout[key] != config.data[data_key]:
            yield (
                f"actor_rollout_ref.rollout.{key} must equal data.{data_key} ({config.data[data_key]}), but is "
                f"{rollout[key]}; set data.{data_key} alone, which it follows."
            )
    total = rollout.prompt_length + rollout.response_length
    yield from _budget_faults(config, total)
    if hf_config is None:
        limit = None
    else:
        limit = _model_limit(config, hf_config)
        yield from _model_faults(config, limit, total)
    yield from _engine_faults(config, limit, total)
    yield from _overlong_faults(config)


def _budget_faults(config: DictConfig, total: int) -> Iterator[str]:
    model = config.actor_rollout_ref
    budgets: dict[str, tuple[int | None, int]] = {}
    if model.actor.use_dynamic_bsz:
        size = parallel.sequence_parallel_size(config, "actor") if parallel.is_fsdp(config) else 1
        budgets["actor.ppo_max_token_len_per_gpu"] = (model.actor.ppo_max_token_len_per_gpu, size)
        budgets["rollout.log_prob_max_token_len_per_gpu"] = (model.rollout.log_prob_max_token_len_per_gpu, size)
    if parallel.has_reference(config) and model.ref.log_prob_use_dynamic_bsz and parallel.is_fsdp(config):
        size = parallel.sequence_parallel_size(config, "ref")
        budgets["ref.log_prob_max_token_len_per_gpu"] = (model.ref.log_prob_max_token_len_per_gpu, size)
    small = {key: value for key, (value, size) in budgets.items() if value is None or value * size < total}
    if small:
        least = max(-(-total // budgets[key][1]) for key in small)
        found = ", ".join(f"actor_rollout_ref.{key} is {value}" for key, value in small.items())
        yield (
            f"A micro-batch must have room for the longest prompt and response ({total} tokens, divided by "
            f"ulysses_sequence_parallel_size), but {found}; raise to at least {least}, or shorten "
            "data.max_prompt_length or data.max_response_length."
        )


def _model_limit(config: DictConfig, hf_config: Any) -> int | None:
    """The model's longest sequence, as verl reckons it: override_config counts, and so does a nested text_config."""
    override = config.actor_rollout_ref.model.override_config
    for place, part in (("", hf_config), ("text_config.", getattr(hf_config, "text_config", None))):
        value = OmegaConf.select(override, f"{place}max_position_embeddings")
        value = getattr(part, "max_position_embeddings", None) if value is None else value
        if value is not None:
            return int(value)
    return None


def _model_faults(config: DictConfig, limit: int | None, total: int) -> Iterator[str]:
    if limit is not None and total > limit:
        yield (
            f"data.max_prompt_length + data.max_response_length must fit the model's {limit} positions, but are "
            f"{total} tokens; shorten either, or use a copy of the model whose config.json has a larger "
            "max_position_embeddings and the rope_scaling that makes use of it (YaRN, for instance)."
        )
    own, asked = _published_limit(config), config.actor_rollout_ref.rollout.max_model_len or limit
    is_allowed = os.environ.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN") == "1" or OmegaConf.select(
        config, "actor_rollout_ref.rollout.engine_kwargs.vllm.hf_overrides"
    )
    if own is not None and limit is not None and asked is not None and own < asked <= limit and not is_allowed:
        yield (
            "actor_rollout_ref.model.override_config.max_position_embeddings must not exceed what the model's "
            f"config.json says ({own}), which vLLM reads instead, but vLLM would be asked for {asked} and refuse; "
            "raise it in config.json, with rope_scaling, or set actor_rollout_ref.rollout.max_model_len to at most "
            f"{own}."
        )


def _published_limit(config: DictConfig) -> int | None:
    """What vLLM allows by the model's config.json; None where that is elsewhere, or scales the rope.

    With a scaled rope vLLM has rules of its own, which differ between its versions.
    """
    file = expanded(config.actor_rollout_ref.model.path) / "config.json"
    if not file.is_file():
        return None
    published = json.loads(file.read_text())
    rope = published.get("rope_parameters") or published.get("rope_scaling")
    is_plain = not rope or rope.get("rope_type") == "default"
    return published.get("max_position_embeddings") if is_plain else None


def _engine_faults(config: DictConfig, limit: int | None, total: int) -> Iterator[str]:
    rollout = config.actor_rollout_ref.rollout
    length = rollout.max_model_len
    if length is not None and length < total:
        yield (
            "actor_rollout_ref.rollout.max_model_len must be at least data.max_prompt_length + "
            f"data.max_response_length = {total}, or long responses are cut short, but is {length}; raise it, or "
            "leave it out."
        )
    elif length is not None and limit is not None and length > limit:
        yield (
            f"actor_rollout_ref.rollout.max_model_len must be at most the model's {limit} positions, but is {length}; "
            f"{total} are enough here."
        )
    if rollout.name == "vllm" and rollout.max_num_batched_tokens < rollout.max_num_seqs:
        yield (
            "actor_rollout_ref.rollout.max_num_batched_tokens must be at least max_num_seqs "
            f"({rollout.max_num_seqs}), one token for each response, but is {rollout.max_num_batched_tokens}; raise it."
        )


def _overlong_faults(config: DictConfig) -> Iterator[str]:
    settings, response = config.reward.reward_kwargs, config.data.max_response_length
    overlong = OmegaConf.select(settings, "overlong_buffer_cfg")
    if overlong is None or not overlong.enable:
        return
    if settings.max_resp_len != response:
        yield (
            f"reward.reward_kwargs.max_resp_len must equal data.max_response_length ({response}) for overlong shaping, "
            f"but is {settings.max_resp_len}; leave it out, and it follows."
        )
    elif not 0 < overlong.len <= response:
        yield (
            "reward.reward_kwargs.overlong_buffer_cfg.len must be between 1 and data.max_response_length "
            f"({response}), but is {overlong.len}; set it to a part of that (DAPO: a fifth)."
        )
