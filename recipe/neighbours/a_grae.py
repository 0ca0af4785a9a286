"""A-GRAE (arXiv:2602.05548, eq. 11 to 13): advantages are weighted by the group's success rate p and by the batch's, w.

`A (w/2 / sqrt(p) + (1-w)/2 / sqrt(1-p))`, and above 0 times `min(1, w / alpha)`: hard prompts count the more the better
the policy is, and right answers the less the worse it is. Released code (revision 5f129ef) has `1 - sqrt(p)` for
`sqrt(1-p)`.

Deviation: p and w are shares of right answers, where w is the mean reward (eq. 11): the same for rewards of 0 and 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from groupwise.display import Metric
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_flag, check_number


@dataclass(frozen=True)
class AGRAEConfig:
    """The keys of `algorithm.a_grae`."""

    alpha: float  # success rate of the batch from which right answers count in full, above 0 and at most 1
    released: bool  # the released code's weight of easy prompts

    def __post_init__(self) -> None:
        check_number("a_grae.alpha", self.alpha, 0, 1, above=True)
        check_flag("a_grae.released", self.released)


class AGRAE(Neighbour):
    """Asymmetric group-relative advantage estimation."""

    name, title, Config = "a_grae", "A-GRAE", AGRAEConfig
    metrics: ClassVar = {"gate": Metric("min(1, w / alpha), the weight of advantages above 0", "grows to 1")}

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's, weighted; groups without variance have none."""
        rate, share = whole.success_rate, whole.correct.double().mean()
        easy = 1 - rate.sqrt() if self.config.released else (1 - rate).sqrt()
        weight = share / 2 / rate.sqrt() + (1 - share) / 2 / easy
        weight = weight.masked_fill((rate == 0) | (rate == 1), 1.0)
        gate = (share / self.config.alpha).clamp(max=1.0)
        advantage = whole.base_advantage(normalize_by_std=self.normalize_by_std).double() * weight
        return Outcome(torch.where(advantage > 0, gate * advantage, advantage), {"gate": gate.item()})
