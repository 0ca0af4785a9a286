"""Unlikeliness reward (arXiv:2506.02355): of the right answers the likelier ones are rewarded less; then GRPO.

`r_i (1 - beta (n - rank_i) / n)`, rank 0 for the likeliest by mean log-prob (paper). The released code (revision
ca1cff0) has `r_i (1 - beta rank_i / n)` with rank 0 for the least likely, which is beta / n more for each right answer
(`released`).

Deviations: wrong answers keep their reward. The paper's is 0; of -1 the rule would reward confident errors. And groups
that are all right stay in the batch, where the rule gives them a gradient; the released script drops them, and those
that are all wrong (`lean.advantage_threshold`), which `algorithm.filter_groups.enable=true` does here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_flag, check_number
from recipe.neighbours.within import rank


@dataclass(frozen=True)
class UnlikelinessConfig:
    """The keys of `algorithm.unlikeliness`; beta 0 is GRPO."""

    beta: float  # share of the reward that the likeliest right answer loses, in [0, 1]
    released: bool  # the released code's ranks

    def __post_init__(self) -> None:
        check_number("unlikeliness.beta", self.beta, 0, 1)
        check_flag("unlikeliness.released", self.released)


class Unlikeliness(Neighbour):
    """Rewards right answers by how unlikely they were."""

    name, title, Config = "unlikeliness", "Unlikeliness", UnlikelinessConfig
    works_on = "groups that are all right"

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's of the shaped rewards."""
        likelier = rank(whole.mean_log_prob, whole.groups) + (0 if self.config.released else 1)
        share = self.config.beta * likelier / whole.groups.size[whole.groups.number]
        reward = whole.reward.double()
        return Outcome(self.base(torch.where(whole.correct, reward * (1 - share), reward), whole.groups))

    @classmethod
    def faults(cls, config: Any) -> Iterator[str]:
        """None: dynamic sampling is the released script's own setting."""
        yield from ()
