"""What a group-relative method is: responses in, advantages out. torch, the standard library, and our maths.

A method is a class found under the entry-point group `groupwise.methods`; the framework reaches none in any other way.
"""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Final

import torch

from groupwise.display import Display
from groupwise.maths.advantage import group_advantage
from groupwise.maths.groups import Groups
from groupwise.responses import EPSILON, Outcome, Responses, Tokens

__all__ = ["METHODS", "Method", "Methods", "Outcome", "Responses", "Tokens", "build", "compute", "display_of"]


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
    """Per-token data that it asks for: "log_probs"."""

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


class Methods(Mapping[str, type[Method]]):
    """Methods by name: those of installed packages, each imported when it is first asked for, and those registered."""

    def __init__(self) -> None:
        self._registered: dict[str, type[Method]] = {}

    @cached_property
    def _installed(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group="groupwise.methods")}

    def register(self, method: type[Method]) -> type[Method]:
        """Puts a method of this process under its name, in the place of an installed one of that name; a decorator."""
        self._registered[method.name] = method
        return method

    def __getitem__(self, name: str) -> type[Method]:
        if name not in self._registered and name in self._installed:
            self._registered[name] = self._installed[name].load()
        return self._registered[name]

    def __contains__(self, name: object) -> bool:
        return name in self._registered or name in self._installed

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._registered, *self._installed}))

    def __len__(self) -> int:
        return len({*self._registered, *self._installed})


METHODS: Final = Methods()


def display_of(name: str) -> Display:
    """What people see of a method, by its name; also of one that is not installed here."""
    return METHODS[name].display() if name in METHODS else Display(name)


def build(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    normalize_by_std: bool = True,
    updates_per_step: int = 1,
) -> Method:
    """Makes a method from its defaults and the settings given.

    Raises:
        ValueError: There is no such method, a setting is unknown (the message names the nearest one) or missing, or a
            value is out of its range.
    """
    if name not in METHODS:
        raise ValueError(f"A method must be one of {', '.join(METHODS)}, but is {name!r}{_nearest(name, METHODS)}")
    method = METHODS[name]
    known = [field.name for field in dataclasses.fields(method.Config)]
    given = {**method.defaults(), **(settings or {})}
    for key in given:
        if key not in known:
            raise ValueError(f"algorithm.{name} has no key {key!r}{_nearest(key, known)}")
    if missing := [key for key in known if key not in given]:
        raise ValueError(f"algorithm.{name} must give {', '.join(known)}, but lacks {', '.join(missing)}; add them.")
    return method(method.Config(**given), normalize_by_std=normalize_by_std, updates_per_step=updates_per_step)


def _nearest(word: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    nearest = difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; known are {', '.join(known) or 'none'}."


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
    method.observe(responses.select(responses.known))
    rows = responses.is_whole
    found = method.advantages(responses.whole) if bool(rows.any()) else Outcome(base[rows])
    if found.advantage.dim() == 2:
        assert responses.tokens is not None, "advantages of tokens need tokens: name them in `needs`"
        base = base.unsqueeze(-1) * responses.tokens.mask
    advantage = base.clone()
    advantage[rows] = found.advantage.to(advantage.dtype)
    moved = (advantage - base).double().abs().sum().item()
    metrics = {
        "judged_share": rows.double().mean().item(),
        "gradient_share/grpo": _share_of_rows(base != 0),
        f"gradient_share/{method.name}": _share_of_rows(advantage != 0),
        "advantage_share": moved / size if (size := advantage.double().abs().sum().item()) > 0 else 0.0,
        **found.metrics,
    }
    place = rows.nonzero().flatten().tolist()
    return Outcome(
        advantage,
        {f"{method.name}/{name}": value for name, value in metrics.items()},
        {f"{method.name}_{name}": _spread(values, place, len(rows)) for name, values in found.columns.items()},
    )


def _share_of_rows(marks: torch.Tensor) -> float:  # (B,) or (B, T) bool
    return marks.reshape(len(marks), -1).any(dim=-1).double().mean().item()


def _spread(values: Sequence[Any], place: list[int], size: int) -> list[Any]:
    spread: list[Any] = [None] * size
    for where, value in zip(place, values, strict=True):
        spread[where] = value
    return spread
