"""Control, random reward (arXiv:2512.16912): a coin in the place of the verdict; what it gains, no reward explains.

`r_i ~ Bernoulli(p)` whatever the answer, then GRPO. The coins follow from the seed and the step, so that a resumed run
throws the same.
"""

from dataclasses import dataclass

import torch

from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number


@dataclass(frozen=True)
class RandomRewardConfig:
    """The keys of `algorithm.random_reward`."""

    probability: float  # of a reward of 1, in [0, 1]
    seed: int  # at least 0

    def __post_init__(self) -> None:
        check_number("random_reward.probability", self.probability, 0, 1)
        check_number("random_reward.seed", self.seed, 0, whole=True)


class RandomReward(Neighbour):
    """Spurious rewards."""

    name, title, Config = "random_reward", "random reward", RandomRewardConfig
    works_on = "every group"

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's of the coins, thrown in row order."""
        generator = torch.Generator().manual_seed(1_000_003 * self.config.seed + whole.step)
        coin = torch.rand(len(whole.reward), generator=generator, dtype=torch.float64) < self.config.probability
        return Outcome(self.base(coin.double(), whole.groups))
