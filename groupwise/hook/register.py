"""Entry point of the group `verl.plugins`: every process that imports verl gets the methods and the reward manager.

The only module of the framework whose import has an effect.
"""

# The platform must be known before anything below asks verl for it, whatever the order in which plug-ins are loaded.
import verl_cpu.plugin  # noqa: F401 -- imported for its registration
from groupwise.hook import estimator, reward_manager, weight_transfer
from groupwise.names import SESSION_LOOP
from verl_cpu.after_import import after_import

SESSION_LOOP_CLASS = "groupwise.hook.session_loop.SessionLoop"

__all__ = ["estimator", "reward_manager"]

estimator.register()
weight_transfer.patch()
# Its module is imported by the processes that hold sessions, and by no other.
after_import(
    "verl.experimental.agent_loop.agent_loop",
    lambda module: module._agent_loop_registry.update({SESSION_LOOP: {"_target_": SESSION_LOOP_CLASS}}),
)
