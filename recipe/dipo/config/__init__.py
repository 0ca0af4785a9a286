"""The recipe's configuration: `DiPOConfig`, and the YAML files that hold every default."""

from recipe.dipo.config.dipo_config import DiPOConfig

__all__ = ["DiPOConfig"]
