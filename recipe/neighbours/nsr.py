"""W-REINFORCE (arXiv:2506.01347): wrong answers get -1, right ones a small lambda, without a baseline.

lambda 0 is NSR, negative sample reinforcement alone; lambda 1 is REINFORCE with rewards of 1 and -1.

Deviation: the released code (revision a5d4e7c) drops right responses from NSR's batch. Here they stay with advantage 0,
so that a loss that is averaged over tokens is averaged over theirs too.
"""

from dataclasses import dataclass

import torch

from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number


@dataclass(frozen=True)
class NSRConfig:
    """The keys of `algorithm.nsr`."""

    positive: float  # lambda, the advantage of a right answer, in [0, 1]

    def __post_init__(self) -> None:
        check_number("nsr.positive", self.positive, 0, 1)


class NSR(Neighbour):
    """Weighted REINFORCE; negative sample reinforcement with `positive` 0."""

    name, title, Config = "nsr", "W-REINFORCE", NSRConfig
    works_on = "groups that are all wrong, or all right"

    def advantages(self, whole: Responses) -> Outcome:
        """lambda and -1, by the verdict alone."""
        return Outcome(torch.where(whole.correct, self.config.positive, -1.0))
