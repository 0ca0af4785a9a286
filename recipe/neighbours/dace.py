"""DACE (arXiv:2509.00125): certainty is rewarded on easy prompts and punished on hard ones, before GRPO's division.

`r + scale * sgn(threshold - d) * C`, d the group's share of wrong answers and C the response's mean log-prob; then
GRPO. That the division follows makes the bonus of full size in groups without variance, whatever its scale.

The direction is confirmed by two notes, the two numbers come from one; third-party code has 0.1 and 0.5.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from groupwise.display import Metric
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number


@dataclass(frozen=True)
class DACEConfig:
    """The keys of `algorithm.dace`; scale 0 is GRPO."""

    scale: float  # reward per nat of mean log-prob, at least 0
    threshold: float  # share of wrong answers above which certainty is punished, in [0, 1]

    def __post_init__(self) -> None:
        check_number("dace.scale", self.scale, 0)
        check_number("dace.threshold", self.threshold, 0, 1)


class DACE(Neighbour):
    """Difficulty-aware certainty-guided exploration."""

    name, title, Config = "dace", "DACE", DACEConfig
    works_on = "groups that are all wrong or all right"
    metrics: ClassVar = {
        "explored_share": Metric("share of responses whose certainty is punished", "falls in training")
    }

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's of the shaped rewards."""
        sign = torch.sign(self.config.threshold - (1 - whole.success_rate))
        shaped = whole.reward.double() + self.config.scale * sign * whole.mean_log_prob
        return Outcome(self.base(shaped, whole.groups), {"explored_share": (sign < 0).double().mean().item()})
