"""Entry point of the group `verl.plugins`: every process that imports verl gets the methods and the reward manager.

The only module of the framework whose import has an effect.
"""

# The platform must be known before anything below asks verl for it, whatever the order in which plug-ins are loaded.
import verl_cpu.plugin  # noqa: F401 -- imported for its registration
from groupwise.hook import estimator, reward_manager

__all__ = ["estimator", "reward_manager"]

estimator.register()
