"""EBPO (arXiv:2602.05165): each group's mean is shrunk towards the mean of all rewards so far, as empirical Bayes has
it.

`V_q = (1 - S_q) mean_q + S_q mean_all` (eq. 2), `S_q = (sigma^2 / n) / (sigma^2 / n + tau^2)` (eq. 3), sigma^2 the
variance of all rewards and tau^2 that of all group means, both over the whole run and updated with each batch before it
is used (Welford, algorithm 1); `A = (r - V - mean) / (std + eps)` over the batch (eq. 4).

Equations by a detailed note on version 3 of the paper; no code was released.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from groupwise.display import Metric
from groupwise.maths.groups import group_sum
from groupwise.method import EPSILON, Outcome, Responses
from recipe.neighbours.common import Neighbour
from recipe.neighbours.within import Running


@dataclass(frozen=True)
class EBPOConfig:
    """It has no keys."""


class EBPO(Neighbour):
    """Empirical Bayes policy optimization."""

    name, title, Config = "ebpo", "EBPO", EBPOConfig
    works_on = "groups that are all wrong or all right"
    metrics: ClassVar = {
        "shrinkage": Metric("S, the weight of the mean of all rewards in a group's baseline", "below 0.5"),
        "reward": Metric("the mean of all rewards so far", "grows"),
    }

    def __init__(self, config: EBPOConfig, *, normalize_by_std: bool, updates_per_step: int = 1) -> None:
        super().__init__(config, normalize_by_std=normalize_by_std, updates_per_step=updates_per_step)
        self.rewards, self.means = Running(), Running()

    def observe(self, known: Responses) -> None:
        """Adds the batch to the statistics of the run."""
        if len(known.reward) > 0:
            reward = known.reward.double()
            self.rewards = self.rewards.with_(reward)
            self.means = self.means.with_(group_sum(reward, known.groups) / known.groups.size)

    def advantages(self, whole: Responses) -> Outcome:
        """What the reward is above the shrunk baseline, over the batch's deviation of it."""
        reward = whole.reward.double()
        within = self.rewards.variance / whole.groups.size.double()
        share = within / (within + self.means.variance).clamp(min=torch.finfo(torch.float64).tiny)
        shrunk = share[whole.groups.number] * (self.rewards.mean - whole.group_mean(reward))
        above = reward - whole.group_mean(reward) - shrunk
        advantage = above - above.mean()
        if self.normalize_by_std:
            advantage = advantage / (above.std() + EPSILON if len(above) > 1 else 1.0)
        return Outcome(advantage, {"shrinkage": share.mean().item(), "reward": self.rewards.mean})

    def state_dict(self) -> dict[str, Any]:
        """The statistics of the run."""
        return {"rewards": list(self.rewards), "means": list(self.means)} if self.rewards.count else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes them up."""
        self.rewards, self.means = Running(*state["rewards"]), Running(*state["means"])
