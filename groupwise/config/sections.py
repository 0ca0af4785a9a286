"""Hydra's source of `algorithm.<name>`: the settings of every method that there is when a configuration is composed.

Importing it makes the scheme `methods://` known to Hydra, whose search path a recipe's configuration sets.
"""

import logging
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf

NAME = "method_sections"

logger = logging.getLogger(__name__)


def sections() -> dict[str, dict[str, Any]]:
    """The defaults of all methods by name; a method that cannot be imported is left out, with a warning."""
    from groupwise.method import METHODS  # imports torch, which composing alone does not need before this

    found: dict[str, dict[str, Any]] = {}
    for name in METHODS:
        try:
            found[name] = METHODS[name].defaults()
        except Exception as error:  # noqa: BLE001 -- one package from outside must not keep all runs from starting
            logger.warning("The method %s must be importable, but fails with %r; reinstall its package.", name, error)
    return found


class MethodSections(ConfigSource):
    """One configuration, `method_sections`, made from `groupwise.method.METHODS` each time that it is asked for."""

    @staticmethod
    def scheme() -> str:
        """The scheme of its place in a search path."""
        return "methods"

    def available(self) -> bool:
        """It always is."""
        return True

    def is_group(self, config_path: str) -> bool:
        """It has no groups."""
        return config_path == ""

    def is_config(self, config_path: str) -> bool:
        """It has one configuration."""
        return self._normalize_file_name(config_path) == f"{NAME}.yaml"

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Names what there is."""
        return [NAME] if config_path == "" and results_filter is not ObjectType.GROUP else []

    def load_config(self, config_path: str) -> ConfigResult:
        """Composes the sections."""
        config = OmegaConf.create({"algorithm": sections()})
        return ConfigResult(self.provider, f"{self.scheme()}://", config, header={"package": None})


Plugins.instance().register(MethodSections)
