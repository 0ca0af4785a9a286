"""Control of DiPO's figure 5 (arXiv:2604.13902): of every group without variance the least sure response is rewarded.

Its reward is 1 and the others' 0, hard group or easy, without a threshold; weighted by alpha beside the verified
rewards, as DiPO's are. Entropy rises under it in the paper. The figure's own weight is not known.
"""

from dataclasses import dataclass

from groupwise.method import Outcome, Responses
from recipe.neighbours.common import check_number
from recipe.neighbours.peak import Peak, PeakConfig


@dataclass(frozen=True)
class MaxPPLRewardConfig(PeakConfig):
    """The keys of `algorithm.max_ppl_reward`."""

    def __post_init__(self) -> None:
        check_number("max_ppl_reward.alpha", self.alpha, 0)


class MaxPPLReward(Peak):
    """Maximum-perplexity reward."""

    name, title, Config = "max_ppl_reward", "maximum-PPL reward", MaxPPLRewardConfig

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's, and alpha times that of the rewards set apart."""
        return self.reallocated(whole, rewarded=True)
