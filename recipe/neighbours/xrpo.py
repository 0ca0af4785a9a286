"""XRPO's novelty sharpening (arXiv:2510.06672): right answers that are unlikely for their group gain advantage.

`A_i + min(max(lambda (1 - eta_i), 0), kappa A_i)` for right answers, `eta_i = exp(s_i - mean s)` of the mean log-probs.
Two independent restatements have this form; lambda and kappa come from one. The paper's rollout allocator and its
seeding of hard prompts change what is sampled and are not here.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from groupwise.display import Metric
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number


@dataclass(frozen=True)
class XRPOConfig:
    """The keys of `algorithm.xrpo`; scale 0 is GRPO."""

    scale: float  # lambda, at least 0
    cap: float  # kappa, the share of the advantage that a bonus may reach, at least 0

    def __post_init__(self) -> None:
        check_number("xrpo.scale", self.scale, 0)
        check_number("xrpo.cap", self.cap, 0)


class XRPO(Neighbour):
    """Novelty-guided advantage sharpening."""

    name, title, Config = "xrpo", "XRPO", XRPOConfig
    metrics: ClassVar = {"bonus_share": Metric("share of responses with a bonus", "up to half of the right ones")}

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's, and more for unlikely right answers of mixed groups."""
        base = whole.base_advantage(normalize_by_std=self.normalize_by_std).double()
        novelty = (whole.mean_log_prob - whole.group_mean(whole.mean_log_prob)).exp()
        bonus = torch.minimum((self.config.scale * (1 - novelty)).clamp(min=0), self.config.cap * base)
        bonus = torch.where(whole.correct & (base > 0), bonus, 0.0)
        return Outcome(base + bonus, {"bonus_share": (bonus > 0).double().mean().item()})
