"""Which verifier judges which data source."""

import inspect
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from reward_score.verdict import Verdict


class UnknownDataSourceError(LookupError):
    """No verifier is registered for a data source."""


class Verifier(Protocol):
    """Judges one response. Pure and thread-safe: verl calls it from the threads of an executor.

    Further keyword-only parameters with defaults are the verifier's options: `compute_score` passes on those of them
    that its caller gives.
    """

    def __call__(self, solution_str: str, ground_truth: object, extra_info: Mapping[str, object] | None, /) -> Verdict:
        """Gives the verdict; raises GroundTruthError where the ground truth cannot be judged against."""
        ...


class Registered(NamedTuple):
    """A verifier, and the names of its options."""

    verifier: Callable[..., Verdict]
    options: frozenset[str]


V = TypeVar("V", bound=Callable[..., Verdict])

_verifiers: dict[str, Registered] = {}
_by_format: dict[str, Registered] = {}


def register(data_source: str) -> Callable[[V], V]:
    """Makes a verifier known under a data source; a decorator, and stackable for several sources.

    A project of its own registers in a module that is imported in every process that scores, for instance one named
    in verl's environment variable VERL_USE_EXTERNAL_MODULES.

    Args:
        data_source: The value of the parquet column `data_source`; with a `*` at its end it stands for every name
            that begins so, unless that name is registered itself or a longer such prefix fits.

    Returns:
        The decorator, which gives the verifier back unchanged.

    Raises:
        ValueError: If the name is empty, has a `*` elsewhere, or is taken by another verifier.
    """
    if not data_source.rstrip("*") or "*" in data_source[:-1]:
        raise ValueError(f"a data source must be a name, with at most one '*' at its end, got {data_source!r}")

    def add(verifier: V) -> V:
        if _verifiers.setdefault(data_source, _registered(verifier)).verifier is not verifier:
            raise ValueError(
                f"data source {data_source!r} must have one verifier, it has one already: register under another name"
            )
        return verifier

    return add


def register_format(answer_format: str) -> Callable[[V], V]:
    """Makes a verifier known for rows that say how they are judged, whatever their data source is called.

    Args:
        answer_format: The value of `extra_info.answer_format`.

    Returns:
        The decorator, which gives the verifier back unchanged.
    """

    def add(verifier: V) -> V:
        _by_format[answer_format] = _registered(verifier)
        return verifier

    return add


def _registered(verifier: Callable[..., Verdict]) -> Registered:
    parameters = inspect.signature(verifier).parameters.values()
    return Registered(verifier, frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY))


def known_sources() -> list[str]:
    """Gives the registered names, sorted, those with a `*` included."""
    return sorted(_verifiers)


def find_verifier(data_source: str, extra_info: Mapping[str, object] | None = None) -> Registered:
    """Finds the verifier of a row: by its data source's whole name, else by the longest registered prefix.

    Args:
        data_source: The value of the parquet column `data_source`.
        extra_info: The row's; its `answer_format` tells the verifier where nothing is registered for the data source.

    Returns:
        The verifier and its options.

    Raises:
        UnknownDataSourceError: If nothing is registered for it, and no known `answer_format` given; the message lists
            what is.
    """
    exact = _verifiers.get(data_source)
    if exact is not None:
        return exact
    prefixes = [name for name in _verifiers if name.endswith("*") and data_source.startswith(name[:-1])]
    if prefixes:
        return _verifiers[max(prefixes, key=len)]
    answer_format = (extra_info or {}).get("answer_format")
    if isinstance(answer_format, str) and answer_format in _by_format:
        return _by_format[answer_format]
    raise UnknownDataSourceError(
        f"data_source must be one that has a verifier ({', '.join(known_sources())}), got {data_source!r}:"
        f" correct the data, register a verifier with reward_score.register, or have the row say how it is judged:"
        f" extra_info.answer_format is one of {', '.join(_by_format)}"
    )
