"""EDGE-GRPO's entropy-driven advantage (arXiv:2507.21848, eq. 3, 6, 7): sure responses count more, right or wrong.

`A_i / (P_i / mean P)`, P the mean entropy of a response, its mean taken over the group.

Deviations: entropies of the policy that the update takes as pi_old, where the paper takes the current one's at each
loss; and no response counts more than `1 / floor` times (the released code, revision cbe13ca, has such a bound
commented out, and takes the mean over all responses of a step, padding included). Its guided error correction rewrites
answers and is not here.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from groupwise.display import Metric
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number


@dataclass(frozen=True)
class EDGEConfig:
    """The keys of `algorithm.edge_eda`; floor 1 leaves sure responses as they are."""

    floor: float  # smallest P_i / mean P that is divided by, above 0 and at most 1

    def __post_init__(self) -> None:
        check_number("edge_eda.floor", self.floor, 0, 1, above=True)


class EDGE(Neighbour):
    """Entropy-driven advantage."""

    name, title, Config = "edge_eda", "EDGE (EDA)", EDGEConfig
    needs = frozenset({"entropies"})
    metrics: ClassVar = {"floored_share": Metric("share of responses that the floor holds", "small")}

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's over the relative entropies; groups without variance have none."""
        of_group = whole.group_mean(whole.mean_entropy)
        relative = torch.where(of_group > 0, whole.mean_entropy / of_group, 1.0)
        base = whole.base_advantage(normalize_by_std=self.normalize_by_std).double()
        floored = (relative < self.config.floor).double().mean().item()
        return Outcome(base / relative.clamp(min=self.config.floor), {"floored_share": floored})
