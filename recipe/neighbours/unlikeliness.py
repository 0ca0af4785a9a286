"""Unlikeliness reward (arXiv:2506.02355): of the right answers the likelier ones are rewarded less; then GRPO.

`r_i (1 - beta (n - rank_i) / n)`, rank 0 for the likeliest by mean log-prob (paper). The released code (revision
ca1cff0) has `r_i (1 - beta rank_i / n)` with rank 0 for the least likely, which is beta / n more for each right answer
(`released`).

Groups that are all right or all wrong are skipped, by the paper (section 4.1) and by the released script
(`lean.advantage_threshold`), so that the reward still sets the sign. `easy` lets the rule rank all-right groups too: as
GRPO's division follows, with advantages of full size.

Deviation: wrong answers keep their reward. The paper's is 0; of -1 the rule would reward confident errors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from groupwise.maths.groups import GroupKind
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_flag, check_number
from recipe.neighbours.within import rank


@dataclass(frozen=True)
class UnlikelinessConfig:
    """The keys of `algorithm.unlikeliness`; beta 0 is GRPO."""

    beta: float  # share of the reward that the likeliest right answer loses, in [0, 1]
    released: bool  # the released code's ranks
    easy: bool  # whether all-right groups, which the paper skips, are ranked as well

    def __post_init__(self) -> None:
        check_number("unlikeliness.beta", self.beta, 0, 1)
        check_flag("unlikeliness.released", self.released)
        check_flag("unlikeliness.easy", self.easy)


class Unlikeliness(Neighbour):
    """Rewards right answers by how unlikely they were."""

    name, title, Config = "unlikeliness", "Unlikeliness", UnlikelinessConfig

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's of the shaped rewards."""
        likelier = rank(whole.mean_log_prob, whole.groups) + (0 if self.config.released else 1)
        share = self.config.beta * likelier / whole.groups.size[whole.groups.number]
        reward = whole.reward.double()
        ranked = whole.correct if self.config.easy else whole.correct & (whole.kind != GroupKind.EASY)
        return Outcome(self.base(torch.where(ranked, reward * (1 - share), reward), whole.groups))

    @classmethod
    def faults(cls, config: Any) -> Iterator[str]:
        """Dynamic sampling takes away the groups that `easy` is about; without it, it is the paper's own way."""
        if cls.settings(config)["easy"] and config.algorithm.filter_groups.enable:
            yield (
                "algorithm.filter_groups.enable=true (dynamic sampling) drops the all-right groups that "
                "algorithm.unlikeliness.easy=true works on; set one of them to false."
            )
