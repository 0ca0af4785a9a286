"""What a method sees of a batch, and what it gives back: the same in training and in the replay of dumps.

Legend for the shapes: B responses, T response tokens. All tensors are on the CPU.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import torch

from groupwise.maths.advantage import group_advantage
from groupwise.maths.groups import Groups, classify_groups, group_sum, number_groups

EPSILON: Final = 1e-6
"""Added to a group's standard deviation; verl's compute_grpo_outcome_advantage has the same default."""


class Tokens(NamedTuple):
    """Per-token data of B responses, for methods that name it in `needs`; dumps do not hold it."""

    log_probs: torch.Tensor  # (B, T) nats, of the policy that the update takes as pi_old
    mask: torch.Tensor  # (B, T) bool, the tokens that the policy wrote
    entropies: torch.Tensor | None = None  # (B, T) nats over the whole vocabulary, of the same policy

    def select(self, rows: torch.Tensor) -> "Tokens":
        """Those of a mask, (B,) bool."""
        return Tokens(*(None if values is None else values[rows] for values in self))


class Responses:
    """The responses that advantages are computed from; the same in training and in the replay of dumps.

    Args:
        reward: (B,) float32, the verified reward that is optimised.
        correct: (B,) bool, the verdict; without meaning where not `known`.
        known: (B,) bool, those with a verdict and at least one token of the policy.
        group: (B,) int64, responses of one prompt share a number.
        perplexity: (B,) float64, NaN for a response without a token of the policy.
        step: Number of the training step.
        tokens: Per-token data, where a method needs it.
    """

    has_perplexity: bool = True
    """Whether `perplexity` may be asked for: dumps of other runs can lack it."""

    def __init__(
        self,
        reward: torch.Tensor,
        correct: torch.Tensor,
        known: torch.Tensor,
        group: torch.Tensor,
        perplexity: torch.Tensor,
        *,
        step: int,
        tokens: Tokens | None = None,
    ) -> None:
        self.reward, self.correct, self.known, self.group, self.perplexity = reward, correct, known, group, perplexity
        self.step, self.tokens = step, tokens
        self._base: dict[bool, torch.Tensor] = {}

    @cached_property
    def groups(self) -> Groups:
        """The groups, numbered once."""
        return number_groups(self.group)

    @cached_property
    def is_whole(self) -> torch.Tensor:
        """(B,) bool: whether every response of the group is known. A group is compared as a whole or not at all."""
        return ~torch.isin(self.group, self.group[~self.known])

    @cached_property
    def mean_log_prob(self) -> torch.Tensor:
        """(B,) float64, nats per token; finite where there is one."""
        return -self.perplexity.clamp(max=torch.finfo(torch.float64).max).log()

    @cached_property
    def entropies(self) -> torch.Tensor:
        """(B, T) nats, 0 on masked tokens; for methods that name them in `needs`."""
        tokens = self.tokens
        assert tokens is not None, "name entropies in `needs`"
        assert tokens.entropies is not None, "name entropies in `needs`"
        return torch.where(tokens.mask, tokens.entropies, 0.0)

    @cached_property
    def mean_entropy(self) -> torch.Tensor:
        """(B,) float64, nats a token of the response; NaN without a token."""
        assert self.tokens is not None, "name entropies in `needs`"
        return self.entropies.sum(dim=-1).double() / self.tokens.mask.sum(dim=-1)

    @cached_property
    def kind(self) -> torch.Tensor:
        """(B,) int64: the `GroupKind` of each response's group; only hard and easy ones have no variance."""
        return classify_groups(self.correct, self.reward, self.groups)

    @cached_property
    def success_rate(self) -> torch.Tensor:
        """(B,) float64: the share of right responses in each response's group."""
        return self.group_mean(self.correct.double())

    def group_mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean of (B,) values over each response's group, (B,)."""
        return (group_sum(values, self.groups) / self.groups.size)[self.groups.number]

    def base_advantage(self, *, normalize_by_std: bool) -> torch.Tensor:
        """(B,): GRPO's advantage of the rewards, computed once for all methods."""
        if normalize_by_std not in self._base:
            self._base[normalize_by_std] = group_advantage(
                self.reward, self.groups, epsilon=EPSILON, normalize_by_std=normalize_by_std
            )
        return self._base[normalize_by_std]

    def select(self, rows: torch.Tensor) -> "Responses":
        """Those of a mask, (B,) bool."""
        if bool(rows.all()):
            return self
        columns = (self.reward, self.correct, self.known, self.group, self.perplexity)
        tokens = None if self.tokens is None else self.tokens.select(rows)
        return Responses(*(values[rows] for values in columns), step=self.step, tokens=tokens)

    @cached_property
    def observed(self) -> "Responses":
        """Those that are known, whole group or not: what methods remember is moved on by them."""
        return self.select(self.known)

    @cached_property
    def whole(self) -> "Responses":
        """Those of whole groups; the base estimator's advantages, which are known already, go with them."""
        whole = self.select(self.is_whole)
        if whole is not self:
            whole._base = {key: advantage[self.is_whole] for key, advantage in self._base.items()}
        return whole


class Outcome(NamedTuple):
    """What a method makes of B responses.

    Attributes:
        advantage: (B,), or (B, T) for an advantage of each token.
        metrics: Logged as `<method>/<metric>`.
        columns: A value a response, dumped as `<method>_<column>`.
    """

    advantage: torch.Tensor
    metrics: Mapping[str, float] = {}
    columns: Mapping[str, Sequence[Any]] = {}

    def per_response(self) -> torch.Tensor:  # (B,)
        """The advantage of each response; of several over its tokens the one that is largest in size."""
        if self.advantage.dim() == 1:
            return self.advantage
        return self.advantage.gather(1, self.advantage.abs().argmax(dim=1, keepdim=True)).squeeze(1)
