"""Methods by name, found under the entry-point group `groupwise.methods`, and each built from its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from groupwise.display import Display
from groupwise.spelling import check_keys, did_you_mean

if TYPE_CHECKING:
    from groupwise.method import Method


class Methods(Mapping[str, "type[Method]"]):
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
        near = did_you_mean(name, METHODS, f"known are {', '.join(METHODS) or 'none'}.")
        raise ValueError(f"A method must be one of {', '.join(METHODS)}, but is {name!r}; {near}")
    method = METHODS[name]
    known = [field.name for field in dataclasses.fields(method.Config)]
    given = {**method.defaults(), **(settings or {})}
    check_keys(given, known, section=f"algorithm.{name}", cure="add them.")
    return method(method.Config(**given), normalize_by_std=normalize_by_std, updates_per_step=updates_per_step)
