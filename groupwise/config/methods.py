"""Which methods a configuration asks for, and each built from its section `algorithm.<name>`."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from groupwise.method import METHODS, Method, build

NO_ENTROPIES = (
    "A method that needs entropies takes them from verl's pass over the old log-probs, which "
    "algorithm.rollout_correction.bypass_mode=true leaves out; set it to false."
)


def computed_methods(config: DictConfig) -> list[str]:
    """Names the methods that a run computes: the trained one first, then those of `algorithm.observe`."""
    algorithm = config.algorithm
    trained = [algorithm.adv_estimator] if algorithm.adv_estimator in METHODS else []
    return list(dict.fromkeys([*trained, *(algorithm.observe or ())]))


def settings_of(config: DictConfig, name: str) -> dict[str, Any]:
    """Gives what the configuration sets of a method, as plain containers."""
    section = OmegaConf.select(config, f"algorithm.{name}")
    return {} if section is None else OmegaConf.to_container(section, resolve=True)  # pyright: ignore[reportReturnType]


def build_configured(config: DictConfig, name: str, *, updates_per_step: int = 1) -> Method:
    """Builds a method as the configuration has it.

    Raises:
        ValueError: There is no such method, or a key of its section is unknown, missing or out of range.
    """
    return build(
        name,
        settings_of(config, name),
        normalize_by_std=config.algorithm.norm_adv_by_std_in_grpo,
        updates_per_step=updates_per_step,
    )
