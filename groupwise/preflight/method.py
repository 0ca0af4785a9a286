"""What the method itself refuses, and the options of the reward."""

import dataclasses
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from groupwise.config import ResumeConfig, RewardConfig
from groupwise.config.methods import NO_ENTROPIES, build_configured, computed_methods, settings_of
from groupwise.config.reward_config import KEYS as REWARD_KEYS
from groupwise.method import METHODS
from groupwise.names import REWARD_MANAGER
from groupwise.preflight import verl_schema
from groupwise.preflight.code import VERLS_MANAGERS
from groupwise.preflight.notes import Note
from groupwise.spelling import check_keys, did_you_mean


def find_faults(config: DictConfig) -> Iterator[str]:
    """Looks for what a method cannot do, and for mistyped or impossible values of our own keys."""
    computed = computed_methods(config)
    for name in computed:
        try:
            build_configured(config, name)
        except ValueError as error:
            yield str(error)
        else:
            if "entropies" in METHODS[name].needs and config.algorithm.rollout_correction.bypass_mode:
                yield f"algorithm.{name}: {NO_ENTROPIES}"
    for name in METHODS:
        if name not in computed and (given := settings_of(config, name)):
            known = [field.name for field in dataclasses.fields(METHODS[name].Config)]
            try:
                check_keys(given, known, section=f"algorithm.{name}", cure=None)
            except ValueError as error:
                yield str(error)
    try:
        ResumeConfig.from_mapping(OmegaConf.to_container(config.resume, resolve=True))
    except ValueError as error:
        yield str(error)
    yield from _reward_faults(config)
    if config.algorithm.adv_estimator in METHODS:
        yield from METHODS[config.algorithm.adv_estimator].faults(config)
        yield from _contradictions(config)


def find_estimator_faults(name: object) -> Iterator[str]:
    """Looks whether verl has an estimator of that name."""
    known = verl_schema.estimators()
    if name not in known:
        cure = did_you_mean(name, known, f"they are {', '.join(known)}.")
        yield (
            "algorithm.adv_estimator must be an estimator that verl or a plug-in of its has registered, but is "
            f"{name!r}; {cure}"
        )


def _contradictions(config: DictConfig) -> Iterator[str]:
    name = config.algorithm.adv_estimator
    if config.actor_rollout_ref.rollout.n < 2:
        yield (
            f"The method {name} compares the responses of a group, so actor_rollout_ref.rollout.n must be at least 2, "
            f"but is {config.actor_rollout_ref.rollout.n}."
        )
    if config.algorithm.use_kl_in_reward:
        yield (
            "algorithm.use_kl_in_reward=true gives every response a reward of its own, so that no group is without "
            f"variance, and {name} would not see it; use actor_rollout_ref.actor.use_kl_loss=true instead."
        )
    reward = config.reward
    if reward.reward_manager.name in VERLS_MANAGERS and not reward.custom_reward_function.path:
        yield Note(
            f"reward.reward_manager.name={reward.reward_manager.name} rewards by verl's own functions, whose failures "
            f"only the log tells; where they give no `acc`, {name} takes the score for the verdict and stops at one "
            f"that is neither 0 nor 1. reward.reward_manager.name={REWARD_MANAGER} takes this project's verifiers."
        )
    if reward.reward_model.enable and not reward.custom_reward_function.path:
        yield (
            f"The method {name} needs a verdict `acc` for each response, which reward.reward_model.enable=true does "
            "not give; give a reward.custom_reward_function that returns score and acc."
        )


def _reward_faults(config: DictConfig) -> Iterator[str]:
    values = OmegaConf.to_container(config.reward.reward_kwargs, resolve=True)
    if config.reward.reward_manager.name != REWARD_MANAGER:
        # Another manager may have keys of its own; the share that the trainer stops at is read all the same.
        values = {key: value for key, value in values.items() if key in REWARD_KEYS}
    try:
        RewardConfig.from_mapping(values)
    except ValueError as error:
        yield str(error)
