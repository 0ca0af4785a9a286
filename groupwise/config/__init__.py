"""Settings of the framework, checked where they are read."""

from groupwise.config.launch_config import PreflightConfig, ResumeConfig
from groupwise.config.reward_config import RewardConfig

__all__ = ["PreflightConfig", "ResumeConfig", "RewardConfig"]
