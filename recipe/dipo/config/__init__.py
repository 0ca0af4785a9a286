"""The recipe's configuration: `DiPOConfig`, `RewardConfig`, and the YAML files that hold every default."""

from recipe.dipo.config.dipo_config import DiPOConfig
from recipe.dipo.config.reward_config import RewardConfig

__all__ = ["DiPOConfig", "RewardConfig"]
