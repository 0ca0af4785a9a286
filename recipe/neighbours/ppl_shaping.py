"""Perplexity-based advantage shaping (arXiv:2508.07534): in its group a response of low perplexity counts more.

`A (1 - alpha z)`, z the response's log perplexity, standardised in its group. From the released code (revision
834e1b7): mean and standard deviation without outliers by the interquartile rule, and the weight kept in [0.8, 1.2].
That code computes this weight and never applies it; what it applies with `use_ppl_high` is `1 + alpha z` (`favour:
high`).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from groupwise.display import Metric
from groupwise.maths.groups import group_sum
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_choice, check_number
from recipe.neighbours.within import quantile

LOW, HIGH = 0.8, 1.2
"""Between which the released code keeps the weight."""


@dataclass(frozen=True)
class PPLShapingConfig:
    """The keys of `algorithm.ppl_shaping`; alpha 0 is GRPO."""

    alpha: float  # weight lost per standard deviation of log perplexity, in [0, 1]
    favour: str  # responses of low or of high perplexity

    def __post_init__(self) -> None:
        check_number("ppl_shaping.alpha", self.alpha, 0, 1)
        check_choice("ppl_shaping.favour", self.favour, ("low", "high"))


class PPLShaping(Neighbour):
    """Perplexity-based advantage shaping."""

    name, title, Config = "ppl_shaping", "PPL shaping", PPLShapingConfig
    metrics: ClassVar = {"weight_std": Metric("standard deviation of the weight", "about alpha")}

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's, weighted; groups without variance have none."""
        groups, value = whole.groups, -whole.mean_log_prob
        low, high = (quantile(value, groups, share)[groups.number] for share in (0.25, 0.75))
        reach = 1.5 * (high - low)
        kept = ((value >= low - reach) & (value <= high + reach)).double()
        count = group_sum(kept, groups)[groups.number]
        mean = group_sum(kept * value, groups)[groups.number] / count
        std = (group_sum(kept * (value - mean).square(), groups)[groups.number] / count).sqrt()
        z = (value - mean) / torch.where(std > 1e-6, std, 1.0)
        sign = -1 if self.config.favour == "low" else 1
        weight = (1 + sign * self.config.alpha * z).clamp(LOW, HIGH)
        advantage = whole.base_advantage(normalize_by_std=self.normalize_by_std) * weight
        return Outcome(advantage, {"weight_std": weight.std(correction=0).item()})
