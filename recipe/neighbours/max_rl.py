"""MaxRL (arXiv:2602.02710): the group's mean divides in the place of its deviation, so that hard prompts count more.

`(r_i - mean) / (mean + eps)` (released code, revision c0698eb; SkyRL and prime-rl have the same). A group of mean 0 or
below has none: the rule is for rewards of 0 and 1.
"""

from dataclasses import dataclass

import torch

from groupwise.method import EPSILON, Outcome, Responses
from recipe.neighbours.common import Neighbour


@dataclass(frozen=True)
class MaxRLConfig:
    """It has no keys."""


class MaxRL(Neighbour):
    """Maximum likelihood reinforcement learning."""

    name, title, Config = "max_rl", "MaxRL", MaxRLConfig

    def advantages(self, whole: Responses) -> Outcome:
        """What the reward is above the group's mean, over that mean."""
        mean = whole.group_mean(whole.reward.double())
        is_live = (mean > 0) & (whole.base_advantage(normalize_by_std=False) != 0)
        return Outcome(torch.where(is_live, (whole.reward - mean) / (mean + EPSILON), 0.0))
