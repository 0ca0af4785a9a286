"""Pass@k training (arXiv:2508.10751): the advantage of a response when k of the group's n are judged by their best.

`R = 1 - C(w, k) / C(n, k)` with w wrong answers, `sigma = sqrt(R (1 - R))`; a right answer gets `(1 - R) / sigma`, a
wrong one `(1 - R - C(w - 1, k - 1) / C(n - 1, k - 1)) / sigma` (released passk_adv.py, revision c3ba575). A group with
fewer than k wrong answers has R = 1 and no gradient.

verl's own `grpo_passk` is another method (arXiv:2503.19595).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import Any

import torch

from groupwise.maths.groups import group_sum
from groupwise.method import EPSILON, Outcome, Responses
from recipe.neighbours.common import Neighbour, check_number


@dataclass(frozen=True)
class PassKConfig:
    """The keys of `algorithm.pass_k`; k 1 is GRPO with the standard deviation over n for n - 1."""

    k: int  # at least 1

    def __post_init__(self) -> None:
        check_number("pass_k.k", self.k, 1, whole=True)


class PassK(Neighbour):
    """Pass@k training, by its analytical advantage."""

    name, title, Config = "pass_k", "pass@k training", PassKConfig

    def advantages(self, whole: Responses) -> Outcome:
        """By size and wrong answers of the group, and the verdict."""
        groups = whole.groups
        wrong = group_sum((~whole.correct).long(), groups)
        cases, case = torch.stack([groups.size, wrong]).unique(dim=1, return_inverse=True)
        of_case = [self._advantages(size, wrong) for size, wrong in cases.T.tolist()]
        right_and_wrong = torch.tensor(of_case, dtype=torch.float64)[case][groups.number]
        return Outcome(torch.where(whole.correct, right_and_wrong[:, 0], right_and_wrong[:, 1]))

    def _advantages(self, size: int, wrong: int) -> tuple[float, float]:
        k = min(self.config.k, size)
        missed = comb(wrong, k) / comb(size, k)
        sigma = (missed * (1 - missed)) ** 0.5 + EPSILON
        also = comb(wrong - 1, k - 1) / comb(size - 1, k - 1) if wrong else 0.0
        return missed / sigma, (missed - also) / sigma

    @classmethod
    def faults(cls, config: Any) -> Iterator[str]:
        """k responses must be there to be taken."""
        k, n = cls.settings(config)["k"], config.actor_rollout_ref.rollout.n
        if k > n:
            yield f"algorithm.pass_k.k must be at most actor_rollout_ref.rollout.n, {n}, but is {k}."
