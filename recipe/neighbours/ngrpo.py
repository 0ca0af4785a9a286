"""NGRPO (arXiv:2509.18851): a virtual response of the highest reward stands in every group's mean and deviation.

`A_i = (r_i - mean') / (std' + eps)` over the n rewards and k of `r_max` (released code, revision e7a3804): in an
all-wrong group of eight every response gets -1/3, in an all-right one nothing, since its rewards are r_max already. A
group with a single response keeps GRPO's, as there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from groupwise.method import Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number
from recipe.neighbours.within import advantage_beside


@dataclass(frozen=True)
class NGRPOConfig:
    """The keys of `algorithm.ngrpo`; no virtual response is GRPO."""

    virtual: int  # virtual responses a group, at least 0
    reward: float  # of a virtual response: the highest there is

    def __post_init__(self) -> None:
        check_number("ngrpo.virtual", self.virtual, 0, whole=True)
        check_number("ngrpo.reward", self.reward)


class NGRPO(Neighbour):
    """Negative-enhanced GRPO."""

    name, title, Config = "ngrpo", "NGRPO", NGRPOConfig
    works_on = "groups that are all wrong"

    def advantages(self, whole: Responses) -> Outcome:
        """GRPO's with the virtual responses in mean and standard deviation."""
        if self.config.virtual == 0:
            return Outcome(whole.base_advantage(normalize_by_std=self.normalize_by_std))
        groups = whole.groups
        count = torch.full_like(groups.size, self.config.virtual)
        found = advantage_beside(
            whole.reward,
            groups,
            count=count,
            total=count * self.config.reward,
            squares=count * self.config.reward**2,
            normalize_by_std=self.normalize_by_std,
        )
        alone = whole.base_advantage(normalize_by_std=self.normalize_by_std).double()
        return Outcome(torch.where((groups.size > 1)[groups.number], found, alone))

    @classmethod
    def faults(cls, config: Any) -> Iterator[str]:
        """The paper clips the more tightly below, so that what it adds to all-wrong groups does not take over."""
        yield from super().faults(config)
        actor = config.actor_rollout_ref.actor
        if actor.clip_ratio_low >= actor.clip_ratio_high:
            yield (
                "NGRPO needs clipping that is tighter below than above (its paper: 0.16 and 0.24), but "
                f"actor_rollout_ref.actor.clip_ratio_low is {actor.clip_ratio_low} and clip_ratio_high "
                f"{actor.clip_ratio_high}; set both."
            )
