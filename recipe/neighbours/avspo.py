"""AVSPO (arXiv:2605.21125, ICML 2026): where too many groups have no variance, virtual rewards give them one.

ACR is the share of groups without variance (eq. 11). Where it exceeds the threshold tau, each of them gets `K = max(1,
min(n, ceil(n ACR^alpha)))` virtual rewards in its mean and standard deviation (eq. 9, 13, 14): `r (1 - k / (K + 1))`
where all are right, `r + anchor (K - k + 1) / K` where all are wrong. tau moves by `rate sign(J_t - J_t-1) (ACR_t -
tau)` within [0.1, 0.9] (eq. 12), J the mean reward of the batch.

Equations are those of the earlier version in the released repository's history; its virtual rewards (eq. 10) are all 0
in an all-wrong group, so both of the above are from a note on the published version. The released code does neither: it
adds one reward of the other kind where *all* rewards of a batch are 0, or all 1.

Deviation: the paper has rewards of 0 and 1 and tells the kinds by them; here the verdicts do, and r, which is 0 there,
stands before the anchor: wrong answers that all have 0.1 for their format, or -1, lose as those of 0 do.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from groupwise.display import Metric
from groupwise.maths.groups import GroupKind, group_amax
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number
from recipe.neighbours.within import advantage_beside

BOUNDS = (0.1, 0.9)
"""Between which the threshold moves (appendix A)."""


@dataclass(frozen=True)
class AVSPOConfig:
    """The keys of `algorithm.avspo`; where the threshold is not exceeded it is GRPO."""

    threshold: float  # tau in the first step, in [0.1, 0.9]
    rate: float  # of tau's steps, in [0, 1]
    sensitivity: float  # alpha, above 0 and at most 1
    anchor: float  # how far the highest virtual reward of an all-wrong group lies above its own, above 0

    def __post_init__(self) -> None:
        check_number("avspo.threshold", self.threshold, *BOUNDS)
        check_number("avspo.rate", self.rate, 0, 1)
        check_number("avspo.sensitivity", self.sensitivity, 0, 1, above=True)
        check_number("avspo.anchor", self.anchor, 0, above=True)


class AVSPO(Neighbour):
    """Adaptive virtual sample policy optimization."""

    name, title, Config = "avspo", "AVSPO", AVSPOConfig
    works_on = "groups that are all wrong or all right"
    metrics: ClassVar = {
        "threshold": Metric("tau, the collapse rate above which virtual rewards are added", "settles"),
        "virtual": Metric("virtual rewards a response of a group without variance; 0 where none are added", "falls"),
    }

    def __init__(self, config: AVSPOConfig, *, normalize_by_std: bool, updates_per_step: int = 1) -> None:
        super().__init__(config, normalize_by_std=normalize_by_std, updates_per_step=updates_per_step)
        self.threshold = self.next_threshold = config.threshold
        self.collapse, self.last_reward = 0.0, None

    def observe(self, known: Responses) -> None:
        """Measures the collapse rate, and moves the threshold that the next batch meets."""
        if len(known.reward) == 0:
            return
        self.threshold, reward = self.next_threshold, known.reward.double().mean().item()
        self.collapse = _is_constant(known).double().mean().item()
        gain = 0.0 if self.last_reward is None else reward - self.last_reward
        step = self.config.rate * ((gain > 0) - (gain < 0)) * (self.collapse - self.threshold)
        self.next_threshold, self.last_reward = min(max(self.threshold + step, BOUNDS[0]), BOUNDS[1]), reward

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's, with virtual rewards in groups without variance where there are too many of these."""
        groups = whole.groups
        advantage = whole.base_advantage(normalize_by_std=self.normalize_by_std).double()
        kind, virtual = group_amax(whole.kind, groups), 0.0
        dead = kind != GroupKind.MIXED
        if self.collapse > self.threshold:
            share = self.collapse**self.config.sensitivity
            count = (groups.size * share - 1e-9).ceil().long().clamp(min=1).minimum(groups.size) * dead
            reward, number = group_amax(whole.reward.double(), groups), count.double()
            step = torch.where(
                kind == GroupKind.EASY, -reward.abs() / (number + 1), self.config.anchor / number.clamp(min=1)
            )
            # Relative to the group's own reward, where the virtual ones are 1 to K steps.
            total = step * number * (number + 1) / 2
            squares = step.square() * number * (number + 1) * (2 * number + 1) / 6
            found = advantage_beside(
                torch.zeros_like(whole.reward),
                groups,
                count=count,
                total=total,
                squares=squares,
                normalize_by_std=self.normalize_by_std,
            )
            advantage = torch.where((count > 0)[groups.number], found, advantage)
            virtual = share if bool(dead.any()) else 0.0
        return Outcome(advantage, {"threshold": self.threshold, "virtual": virtual})

    def state_dict(self) -> dict[str, Any]:
        """The threshold, and the mean reward that the next one is compared with."""
        return {"threshold": self.next_threshold, "reward": math.nan if self.last_reward is None else self.last_reward}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes them up."""
        self.next_threshold = state["threshold"]
        self.last_reward = None if math.isnan(state["reward"]) else state["reward"]


def _is_constant(responses: Responses) -> torch.Tensor:  # (G,) bool
    groups = responses.groups
    return (group_amax(responses.reward, groups) == -group_amax(-responses.reward, groups)) & (groups.size > 1)
