"""The settings of a replay: those given, completed by the run's own, or by this recipe's defaults."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

import recipe.dipo.config as config_package
from recipe.dipo.config import DiPOConfig
from recipe.dipo.dumps import Dump
from recipe.dipo.errors import DiPOError


class Chosen(NamedTuple):
    """Settings of a replay.

    Attributes:
        config: The hyper-parameters.
        normalize_by_std: Whether the base estimator divides by the group's standard deviation.
        source: Where what was not given on the command line comes from.
        is_the_runs: Whether all of it is what the run itself decided with.
    """

    config: DiPOConfig
    normalize_by_std: bool
    source: str
    is_the_runs: bool

    def as_dict(self) -> dict[str, Any]:
        """All settings by name, as a dump holds them."""
        return {**dataclasses.asdict(self.config), "normalize_by_std": self.normalize_by_std}


def choose(first: Dump, given: dict[str, Any]) -> Chosen:
    """Completes the settings that were given by those of the run, or by this recipe's defaults.

    Args:
        first: The first dump.
        given: Keys of `algorithm.dipo` that were given, and `normalize_by_std`.

    Returns:
        The settings.

    Raises:
        DiPOError: A value is out of its range.
    """
    if first.decided is not None:
        known, source = dict(first.decided["settings"]), "the run"
    else:
        defaults = OmegaConf.load(Path(config_package.__file__).with_name("dipo_trainer.yaml"))
        known = {**OmegaConf.to_container(defaults.algorithm.dipo), "normalize_by_std": True}
        source = "this recipe's defaults"
    merged = known | given
    normalize_by_std = merged.pop("normalize_by_std")
    try:
        config = DiPOConfig.from_mapping(merged)
    except ValueError as error:
        raise DiPOError(str(error)) from None
    chosen = Chosen(config, normalize_by_std, source, is_the_runs=False)
    return chosen._replace(is_the_runs=first.decided is not None and chosen.as_dict() == known)
