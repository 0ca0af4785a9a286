"""LENS (arXiv:2510.08696): a wrong answer costs more the surer the policy was of it; all-wrong groups included.

`c_i = r_i - (1 - v_i) / n * q_i / (D - q_i)`, q the length-normalised likelihood (eq. 10, section 5.1). In mixed groups
GRPO of c with `D = max(D_imp, 2 max q)`, `1 / D_imp = mean(v / q)` (eq. 14); in all-wrong ones `alpha (c - mean c)`
with `D = 2 max q`.

Deviations: D_imp is of q, where eq. 14 prints the likelihood itself, though the text and the formulas around it have q.
Shaped rewards stay in c, where the paper has the verdict.
"""

from dataclasses import dataclass

import torch

from groupwise.maths.groups import GroupKind, group_amax
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_flag, check_number


@dataclass(frozen=True)
class LENSConfig:
    """The keys of `algorithm.lens`; alpha 0 without `mixed` is GRPO."""

    alpha: float  # weight of all-wrong groups, at least 0
    mixed: bool  # whether wrong answers of mixed groups are weighted too

    def __post_init__(self) -> None:
        check_number("lens.alpha", self.alpha, 0)
        check_flag("lens.mixed", self.mixed)


class LENS(Neighbour):
    """Likelihood estimation with negative samples."""

    name, title, Config = "lens", "LENS", LENSConfig
    works_on = "groups that are all wrong"

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO of the calibrated rewards, and in all-wrong groups alpha times what they differ by."""
        groups, right, sure = whole.groups, whole.correct.double(), whole.mean_log_prob.exp()
        inverse = whole.group_mean(right / sure)
        difficulty = torch.where(inverse > 0, 1 / inverse, 0.0)
        difficulty = difficulty.maximum(2 * group_amax(sure, groups)[groups.number])
        penalty = (1 - right) / groups.size[groups.number] * sure / (difficulty - sure)
        calibrated = whole.reward.double() - penalty
        verified = whole.base_advantage(normalize_by_std=self.normalize_by_std).double()
        mixed = self.base(calibrated, groups) if self.config.mixed else verified
        hard = self.config.alpha * (calibrated - whole.group_mean(calibrated))
        return Outcome(torch.where(whole.kind == GroupKind.HARD, hard, mixed))
