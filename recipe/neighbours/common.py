"""What these methods share: settings from neighbours.yaml, ranges, and what takes away the groups they work on."""

import functools
import math
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, ClassVar

import yaml

from groupwise.display import Display, Metric
from groupwise.method import Method


class Neighbour(Method):
    """A method whose defaults stand in neighbours.yaml under its name."""

    title: ClassVar[str]
    """How the paper writes its name."""

    metrics: ClassVar[Mapping[str, Metric]] = {}
    """What its own metrics mean."""

    works_on: ClassVar[str] = ""
    """Which groups without variance it gives a gradient, in words; empty for none."""

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Those of neighbours.yaml."""
        return dict(_all_defaults()[cls.name])

    @classmethod
    def settings(cls, config: Any) -> dict[str, Any]:
        """The settings in force, by verl's whole configuration."""
        given = {name: section for name, section in config.algorithm.items() if name == cls.name}
        return {**cls.defaults(), **given.get(cls.name, {})}

    @classmethod
    def faults(cls, config: Any) -> Iterator[str]:
        """Dynamic sampling takes away what a method for groups without variance works on."""
        if cls.works_on and config.algorithm.filter_groups.enable:
            yield (
                f"algorithm.filter_groups.enable=true (dynamic sampling) drops every group without variance, and "
                f"{cls.title} works on {cls.works_on}; set it to false."
            )

    @classmethod
    def display(cls) -> Display:
        """The common parts, and what its own metrics mean."""
        return Display(cls.name, cls.title, cls.metrics)


@functools.cache
def _all_defaults() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((files(__package__) / "neighbours.yaml").read_text(encoding="utf-8"))


def check_number(
    key: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    above: bool = False,
    whole: bool = False,
) -> None:
    """Raises ValueError unless a setting, `<method>.<key>`, is a number in [low, high], or (low, high] if `above`."""
    is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and low <= value <= high and not (above and value == low):
        return
    limits = [f"{'above' if above else 'of at least'} {low:g}"] if low > -math.inf else []
    limits += [f"at most {high:g}"] if high < math.inf else []
    kind = "a whole number" if whole else "a number"
    raise ValueError(f"algorithm.{key} must be {' '.join([kind, ' and '.join(limits)]).strip()}, but is {value!r}.")


def check_flag(key: str, value: Any) -> None:
    """Raises ValueError unless a setting is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"algorithm.{key} must be true or false, but is {value!r}.")


def check_choice(key: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raises ValueError unless a setting is one of some words."""
    if value not in choices:
        raise ValueError(f"algorithm.{key} must be one of {', '.join(choices)}, but is {value!r}.")
