"""Which method is replayed and with which settings: those given, completed by the run's own, or by its defaults."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from groupwise.dumps.reader import Dump
from groupwise.errors import GroupwiseError
from groupwise.method import METHODS, Method, build

NORMALIZE: Final = "normalize_by_std"
"""Stands among a method's settings here: whether the base estimator divides by the group's standard deviation."""


class Chosen(NamedTuple):
    """A method to replay."""

    method: Method
    """Without a history."""
    settings: dict[str, Any]
    """All of them by name."""
    source: str
    """Where what was not given on the command line comes from."""
    is_the_runs: bool
    """Whether all settings are those that the run itself decided with."""


def settings_of_run(decided: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The settings of a method as a dump holds them; None where the run did not compute it."""
    settings = decided["methods"].get(name)
    return None if settings is None else {**settings, NORMALIZE: decided[NORMALIZE]}


def method_of_run(first: Dump) -> str:
    """Names the method that a run trained with, or else the first that it observed.

    Raises:
        GroupwiseError: There is none.
    """
    if not first.methods:
        raise GroupwiseError(
            f"{first.file} does not say which method to replay, since its run computed none; name one with --method "
            f"({', '.join(METHODS)}), or compare them with --methods all."
        )
    return next(iter(first.methods))


def choose(first: Dump, given: Mapping[str, Any], *, method: str | None = None) -> Chosen:
    """Completes the settings that were given, and `normalize_by_std`, by those of the run or by the method's defaults.

    `method` is its name; None takes `method_of_run`.

    Raises:
        GroupwiseError: There is no such method or setting, or a value is out of its range.
    """
    name = method or method_of_run(first)
    known = None if first.decided is None else settings_of_run(first.decided, name)
    updates = 1 if first.decided is None else first.decided["updates_per_step"]
    try:
        normalize_by_std = {NORMALIZE: True, **({} if first.decided is None else first.decided), **given}[NORMALIZE]
        merged = {**(known or {}), **given}
        merged.pop(NORMALIZE, None)
        built = build(name, merged, normalize_by_std=normalize_by_std, updates_per_step=updates)
    except (ValueError, ImportError) as error:
        raise GroupwiseError(str(error)) from None
    settings = {**built.defaults(), **merged, NORMALIZE: normalize_by_std}
    return Chosen(built, settings, "the run" if known else "its defaults", known is not None and settings == known)


def read_settings(words: list[str]) -> dict[tuple[str | None, str], Any]:
    """Reads `key=value`, or `method.key=value`: by method and key the value, as JSON where it is any, else a text.

    Raises:
        GroupwiseError: A word has another form.
    """
    found: dict[tuple[str | None, str], Any] = {}
    for word in words:
        key, equals, text = word.removeprefix("algorithm.").partition("=")
        method, _, name = key.rpartition(".")
        if not equals or not name:
            raise GroupwiseError(f"--set must be followed by key=value, such as alpha=0.3, but got {word!r}.")
        try:
            value = None if text.lower() == "none" else json.loads(text)
        except ValueError:
            value = float(text) if text.replace(".", "", 1).isdecimal() else text
        found[method or None, name] = value
    return found
