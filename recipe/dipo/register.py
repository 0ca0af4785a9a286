"""Entry point of the group `verl.plugins`: every process that imports verl gets the estimator and the reward manager.

The only module of the recipe whose import has an effect.
"""

# The platform must be known before anything below asks verl for it, whatever the order in which plug-ins are loaded.
import verl_cpu.plugin  # noqa: F401 -- imported for its registration
from recipe.dipo import estimator, reward_manager

__all__ = ["estimator", "reward_manager"]
