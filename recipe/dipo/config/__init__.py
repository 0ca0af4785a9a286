"""The recipe's configuration: its checked sections, and the YAML files that hold every default."""

from recipe.dipo.config.dipo_config import DiPOConfig
from recipe.dipo.config.launch_config import PreflightConfig, ResumeConfig
from recipe.dipo.config.reward_config import RewardConfig

__all__ = ["DiPOConfig", "PreflightConfig", "ResumeConfig", "RewardConfig"]
