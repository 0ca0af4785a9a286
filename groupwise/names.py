"""The names that verl knows the framework by, and those of verl's that several checks name; cheap to import."""

from importlib.metadata import Distribution, entry_points
from typing import Final

PLUGIN: Final = "groupwise"
"""Our entry point of the group `verl.plugins`."""

REWARD_MANAGER: Final = "groupwise"
"""The value of reward.reward_manager.name."""

SESSIONS: Final = "bfcl_v3/multi_turn_"
"""What the data sources begin with whose rows are answered by a session of several requests."""

SESSION_LOOP: Final = "bfcl_sessions"
"""The value of actor_rollout_ref.rollout.agent.default_agent_loop that holds them in a validation."""

FSDP: Final = ("fsdp", "fsdp2")
"""The strategies of an actor or a critic that verl's FSDP engine trains."""

MERGE: Final = "python -m verl.model_merger merge --backend fsdp --local_dir {} --target_dir {}"
"""Makes a model in Hugging Face's format of the shards in the one folder, into the other."""

SESSION_TEXT: Final = "session"
"""The extra field of verl's in which the loop leaves what is judged of a session."""


def distribution() -> Distribution | None:
    """What the framework was installed with; None where it only lies in a folder."""
    return next((point.dist for point in entry_points(group="verl.plugins", name=PLUGIN)), None)
