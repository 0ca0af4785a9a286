"""What the two perplexity controls share: one response of each group without variance is set apart."""

from dataclasses import dataclass

import torch

from groupwise.maths.groups import GroupKind
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour
from recipe.neighbours.within import rank


@dataclass(frozen=True)
class PeakConfig:
    """The key of both; alpha 0 is GRPO."""

    alpha: float  # weight of these rewards beside the verified ones, at least 0


class Peak(Neighbour):
    """Gives the response of highest perplexity of each group without variance another reward than the others."""

    works_on = "groups that are all wrong or all right"

    def reallocated(self, whole: Responses, *, rewarded: bool) -> Outcome:
        """GRPO's of the verified rewards, and alpha times GRPO's of 1 for it and 0 for the others, or the reverse."""
        groups = whole.groups
        is_peak = rank(whole.perplexity, groups) == groups.size[groups.number] - 1
        reward = torch.where(whole.kind != GroupKind.MIXED, (is_peak == rewarded).double(), 0.0)
        verified = whole.base_advantage(normalize_by_std=self.normalize_by_std).double()
        return Outcome(verified + self.config.alpha * self.base(reward, groups))
