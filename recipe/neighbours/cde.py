"""CDE's actor bonus (arXiv:2509.09675): surprising responses are rewarded, up to a share of the reward; then GRPO.

`r + w_t min(|r| / kappa, alpha B)`, B the negative mean log-prob (eq. 1, 2). Rewards are 1 and -1 (appendix D), by the
verdicts, in the place of graded ones too; as they are, a wrong answer's bonus is 0 where its reward is (`signed:
false`). w_t is best a staircase that removes the bonus abruptly (table 2); the paper gives neither its height nor its
step, so both are chosen. The critic's bonus needs PPO.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from groupwise.display import Metric
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_flag, check_number


@dataclass(frozen=True)
class CDEConfig:
    """The keys of `algorithm.cde`; weight 0 is GRPO, of the verdicts if `signed`."""

    kappa: float  # the bonus is at most |r| / kappa; at least 1
    alpha: float  # bonus per nat, at least 0
    weight: float  # w_t until the step, at least 0
    until_step: int  # first step without the bonus, at least 1
    signed: bool  # whether the verdicts are rewards of 1 and -1

    def __post_init__(self) -> None:
        check_number("cde.kappa", self.kappa, 1)
        check_number("cde.alpha", self.alpha, 0)
        check_number("cde.weight", self.weight, 0)
        check_number("cde.until_step", self.until_step, 1, whole=True)
        check_flag("cde.signed", self.signed)


class CDE(Neighbour):
    """Curiosity-driven exploration, the actor's half."""

    name, title, Config = "cde", "CDE", CDEConfig
    works_on = "groups that are all wrong or all right"
    metrics: ClassVar = {
        "weight": Metric("w_t", "0 from its step on"),
        "bonus": Metric("mean bonus, in units of reward, before the weight", "falls as the policy grows sure"),
        "capped_share": Metric("share of responses whose bonus is at its cap, where all get the same", "small"),
    }

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's of the shaped rewards."""
        reward = torch.where(whole.correct, 1.0, -1.0) if self.config.signed else whole.reward
        reward, curiosity = reward.double(), -self.config.alpha * whole.mean_log_prob
        weight = self.config.weight if whole.step < self.config.until_step else 0.0
        cap = reward.abs() / self.config.kappa
        bonus = torch.minimum(cap, curiosity)
        capped = (curiosity >= cap).double().mean().item()
        metrics = {"weight": weight, "bonus": bonus.mean().item(), "capped_share": capped}
        return Outcome(self.base(reward + weight * bonus, whole.groups), metrics)
