"""Position-based advantage shaping (arXiv:2508.07534): late tokens of a response count more, for a part of the run.

`A_t = A + sign(A) min(gamma sigmoid(15 (t/T - 1/2)), |A| / 2)`, t the tokens before this one and T all of the
response's (released code, revision 834e1b7, whose trainer turns it on between steps 200 and 300, both excluded).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number

STEEPNESS = 15.0
"""Of the sigmoid; the released code's."""


@dataclass(frozen=True)
class PositionShapingConfig:
    """The keys of `algorithm.position_shaping`; gamma 0 is GRPO, and so are the steps outside."""

    gamma: float  # largest addition, at least 0
    from_step: int  # first step with it, at least 1
    to_step: int  # first step without it again

    def __post_init__(self) -> None:
        check_number("position_shaping.gamma", self.gamma, 0)
        check_number("position_shaping.from_step", self.from_step, 1, whole=True)
        check_number("position_shaping.to_step", self.to_step, self.from_step + 1, whole=True)


class PositionShaping(Neighbour):
    """Position-based advantage shaping."""

    name, title, Config = "position_shaping", "position shaping", PositionShapingConfig
    needs = frozenset({"log_probs"})

    def advantages(self, whole: Responses) -> Outcome:
        """(B, T): GRPO's over the tokens, and more for late ones; groups without variance have none."""
        mask = whole.tokens.mask
        base = whole.base_advantage(normalize_by_std=self.normalize_by_std).unsqueeze(-1)
        if not self.config.from_step <= whole.step < self.config.to_step:
            return Outcome(base * mask)
        seen = mask.cumsum(dim=-1, dtype=torch.int32)
        place = (seen - 1) / seen[:, -1:]
        bonus = (self.config.gamma * torch.sigmoid(STEEPNESS * (place - 0.5))).minimum(base.abs() / 2)
        return Outcome((base + base.sign() * bonus) * mask)

    @classmethod
    def faults(cls, config: Any) -> Iterator[str]:
        """A run that ends before the first step with it is GRPO."""
        yield from super().faults(config)
        last, first = config.trainer.total_training_steps, cls.settings(config)["from_step"]
        if last is not None and last < first:
            yield (
                f"algorithm.position_shaping.from_step must lie in the run, but is {first} and "
                f"trainer.total_training_steps {last}; set from_step and to_step to a part of the run."
            )
