"""Control, entropy minimisation (arXiv:2512.16912, section on entropy; arXiv:2505.15134): sure responses are rewarded.

The reward is the negative mean entropy of the response's tokens, then GRPO; verdicts are not used.
"""

from dataclasses import dataclass

from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour


@dataclass(frozen=True)
class EntropyMinConfig:
    """It has no keys."""


class EntropyMin(Neighbour):
    """Entropy minimisation as a reward."""

    name, title, Config = "entropy_min", "entropy minimisation", EntropyMinConfig
    needs = frozenset({"entropies"})
    works_on = "every group"

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's of the negative mean entropies."""
        return Outcome(self.base(-whole.mean_entropy, whole.groups))
