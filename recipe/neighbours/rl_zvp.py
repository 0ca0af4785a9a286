"""RL-ZVP (arXiv:2509.21880): groups without variance are rewarded or punished token by token, by entropy.

Eq. 5: `A_it = alpha H_it` in all-right groups, `A_it = -alpha (max_t H_it - H_it)` in all-wrong ones, GRPO in the
others; H is the entropy over the vocabulary, detached.

Deviations: the entropies are those of the policy that the update takes as pi_old, where the paper's are the current
one's at each of a step's updates (eq. 5, algorithm 1); and the paper tells the two kinds by the sign of the reward,
here the verdicts do.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from groupwise.display import Metric
from groupwise.maths.groups import GroupKind
from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number


@dataclass(frozen=True)
class RLZVPConfig:
    """The keys of `algorithm.rl_zvp`; alpha 0 is GRPO."""

    alpha: float  # advantage per nat, at least 0

    def __post_init__(self) -> None:
        check_number("rl_zvp.alpha", self.alpha, 0)


class RLZVP(Neighbour):
    """Reinforcement learning with zero-variance prompts."""

    name, title, Config = "rl_zvp", "RL-ZVP", RLZVPConfig
    needs = frozenset({"entropies"})
    works_on = "groups that are all wrong or all right"
    metrics: ClassVar = {"entropy/dead": Metric("mean entropy of groups without variance, nats a token", "falls")}

    def advantages(self, whole: Responses) -> Outcome:
        """(B, T): GRPO's over the tokens, and by entropy where it has none."""
        mask, kind = whole.tokens.mask, whole.kind
        advantage = whole.base_advantage(normalize_by_std=self.normalize_by_std).unsqueeze(-1) * mask
        dead = kind != GroupKind.MIXED
        entropy, of_dead = whole.entropies[dead], mask[dead]
        shift = torch.where(kind[dead] == GroupKind.HARD, entropy.amax(dim=-1), 0.0).unsqueeze(-1)
        advantage[dead] = torch.where(of_dead, self.config.alpha * (entropy - shift), 0.0)
        tokens = of_dead.sum().item()
        return Outcome(advantage, {"entropy/dead": entropy.sum().item() / tokens} if tokens else {})
