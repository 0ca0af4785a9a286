"""What a group-relative method is: responses in, advantages out. torch, the standard library, and our maths.

A method is a class found under the entry-point group `groupwise.methods`; the framework reaches none in any other way.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch

from groupwise.display import Display, label_of
from groupwise.effect import size_and_sign
from groupwise.maths.advantage import group_advantage
from groupwise.maths.groups import Groups
from groupwise.registry import METHODS, Methods, build, display_of
from groupwise.responses import EPSILON, Outcome, Responses, Tokens

__all__ = [
    "EPSILON",
    "METHODS",
    "Method",
    "Methods",
    "Outcome",
    "Responses",
    "Tokens",
    "build",
    "compute",
    "display_of",
]


class Method:
    """One published method; subclass it, name `name` and `Config`, and implement `advantages`.

    Args:
        config: The settings, of the class `Config`.
        normalize_by_std: verl's `algorithm.norm_adv_by_std_in_grpo`, for the base estimator.
        updates_per_step: How many times advantages are computed in a training step, each on its share of the batch.
    """

    name: ClassVar[str]
    """The value of `algorithm.adv_estimator`; the settings stand under `algorithm.<name>`."""

    Config: ClassVar[type]
    """A frozen dataclass that refuses values out of range with a ValueError."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """Per-token data that it asks for: "log_probs", "entropies"; with either comes the mask."""

    former_state_file: ClassVar[str | None] = None
    """A file in checkpoints written before all methods shared one, which holds what `state_dict` gives."""

    def __init__(self, config: Any, *, normalize_by_std: bool, updates_per_step: int = 1) -> None:
        self.config, self.normalize_by_std, self.updates_per_step = config, normalize_by_std, updates_per_step

    def base(self, reward: torch.Tensor, group: torch.Tensor | Groups) -> torch.Tensor:
        """GRPO's advantage of other rewards than the verified ones, (B,)."""
        return group_advantage(reward, group, epsilon=EPSILON, normalize_by_std=self.normalize_by_std)

    def observe(self, known: Responses) -> None:
        """Moves what is remembered over steps on, by the responses with a verdict and a token."""

    def advantages(self, whole: Responses) -> Outcome:
        """Computes advantages of groups, at least one, whose every response has a verdict and a token."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart: tensors and plain containers, which `torch.load(weights_only=True)` reads."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up what `state_dict` gave."""

    @property
    def memory(self) -> int | None:
        """Batches that its advantages rest on, the current one included; None for all since the run began."""
        return None if self.state_dict() else 1

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The settings where none are given; those of the dataclass, unless a recipe keeps them in YAML."""
        missing = dataclasses.MISSING
        return {field.name: field.default for field in dataclasses.fields(cls.Config) if field.default is not missing}

    @classmethod
    def faults(cls, config: Any) -> Iterator[str]:
        """Sentences on what of verl's whole configuration contradicts the method."""
        yield from ()

    @classmethod
    def display(cls) -> Display:
        """What people see of it, in the live line, reports, replays and dumps."""
        return Display(cls.name)


def compute(method: Method, responses: Responses) -> Outcome:
    """Runs one method over a batch; a group with a response that is not known keeps the base estimator's advantage.

    Args:
        method: The method; it observes the batch before.
        responses: B responses.

    Returns:
        Advantages of all B responses; metrics under their full names, with those that every method has; columns under
        their full names, None in groups that the method did not see.
    """
    base = responses.base_advantage(normalize_by_std=method.normalize_by_std)
    method.observe(responses.observed)
    rows = responses.is_whole
    found = method.advantages(responses.whole) if bool(rows.any()) else Outcome(base[rows])
    label = label_of(method.name)
    measured = size_and_sign(found.advantage, base[rows], responses.whole, label=label) if bool(rows.any()) else {}
    if found.advantage.dim() == 2:
        assert responses.tokens is not None, "advantages of tokens need tokens: name them in `needs`"
        base = base.unsqueeze(-1) * responses.tokens.mask
    advantage = found.advantage.to(base.dtype)
    if not bool(rows.all()):
        advantage = base.clone()
        advantage[rows] = found.advantage.to(base.dtype)
    moved, size = (_size_of_rows(values).sum().item() for values in (advantage - base, advantage))
    metrics = {
        "judged_share": rows.double().mean().item(),
        "gradient_share/grpo": _share_of_rows(base != 0),
        f"gradient_share/{label}": _share_of_rows(advantage != 0),
        "advantage_share": moved / size if size > 0 else 0.0,
        **measured,
        **found.metrics,
    }
    place = rows.nonzero().flatten().tolist()
    return Outcome(
        advantage,
        {f"{label}/{name}": value for name, value in metrics.items()},
        {f"{method.name}_{name}": _spread(values, place, len(rows)) for name, values in found.columns.items()},
    )


def _size_of_rows(values: torch.Tensor) -> torch.Tensor:  # (B,) or (B, T) -> (B,) float64
    return (values.abs() if values.dim() == 1 else values.abs().sum(dim=-1)).double()


def _share_of_rows(marks: torch.Tensor) -> float:  # (B,) or (B, T) bool
    return marks.reshape(len(marks), -1).any(dim=-1).double().mean().item()


def _spread(values: Sequence[Any], place: list[int], size: int) -> list[Any]:
    spread: list[Any] = [None] * size
    for where, value in zip(place, values, strict=True):
        spread[where] = value
    return spread
