"""Control of DiPO's figure 5 (arXiv:2604.13902): of every group without variance the least sure response is penalised.

Its reward is 0 and the others' 1, hard group or easy, without a threshold; weighted by alpha beside the verified
rewards, as DiPO's are. Entropy falls under it in the paper. The figure's own weight is not known.
"""

from dataclasses import dataclass

from groupwise.method import Outcome, Responses
from recipe.neighbours.common import check_number
from recipe.neighbours.peak import Peak, PeakConfig


@dataclass(frozen=True)
class MaxPPLPenaltyConfig(PeakConfig):
    """The keys of `algorithm.max_ppl_penalty`."""

    def __post_init__(self) -> None:
        check_number("max_ppl_penalty.alpha", self.alpha, 0)


class MaxPPLPenalty(Peak):
    """Maximum-perplexity penalty."""

    name, title, Config = "max_ppl_penalty", "maximum-PPL penalty", MaxPPLPenaltyConfig

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's, and alpha times that of the rewards set apart."""
        return self.reallocated(whole, rewarded=False)
