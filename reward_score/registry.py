"""Which verifier judges which data source."""

import inspect
import sys
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, TypeVar

from reward_score.sandbox.brief import Brief
from reward_score.verdict import ExtraInfo, Verdict

PACKAGE: Final = "reward_score"


class UnknownDataSourceError(LookupError):
    """No verifier is registered for a data source."""


class Verifier(Protocol):
    """Judges one response. Pure: it is called in another process, any number of times and from any thread.

    Further keyword-only parameters with defaults are the verifier's options: `compute_score` passes on those of them
    that its caller gives.
    """

    def __call__(self, solution_str: str, ground_truth: object, extra_info: ExtraInfo, /) -> Verdict:
        """Gives the verdict; raises GroundTruthError where the ground truth cannot be judged against."""
        ...


class Registered(NamedTuple):
    """A verifier, and how it is called.

    Attributes:
        verifier: The function.
        options: The names of its options.
        brief: Tells what it judges in the caller's process: see `judge_here_where`.
        seconds: The deadline of a verdict, None for the guard's own.
        needs: What another process loads to have it (`sandbox.guard.prepare`): "" for nothing, None where none can.
        reference: "module:name" where it is then found by name, "" where by its data source.
    """

    verifier: Callable[..., Verdict]
    options: frozenset[str]
    brief: Brief | None
    seconds: float | None
    needs: str | None
    reference: str


V = TypeVar("V", bound=Callable[..., Verdict])

_verifiers: dict[str, Registered] = {}
_by_format: dict[str, Registered] = {}
_brief: list[tuple[Callable[..., Verdict], Brief]] = []
_plugins: list[str] = []
"""The plug-in that is being loaded is the last one; what registers meanwhile is had by loading it."""


def judge_here_where(brief: Brief, *verifiers: Callable[..., Verdict]) -> None:
    """Says what verifiers, not yet registered, may judge in the caller's process, where nothing ends them."""
    _brief.extend((verifier, brief) for verifier in verifiers)


def register(data_source: str, *, seconds: float | None = None) -> Callable[[V], V]:
    """Makes a verifier known under a data source; a decorator, and stackable for several sources.

    A project of its own registers in a module that is loaded as a plug-in: see `reward_score.plugins`. A name with a
    `*` at its end stands for every name that begins so, unless that name is registered itself or a longer such prefix
    fits. A verdict that takes longer than `seconds` (1.8 by default) ends as "timeout". Raises ValueError if the name
    is empty, has a `*` elsewhere, or is taken by another verifier; or if `seconds` is not a positive number.
    """
    if not data_source.rstrip("*") or "*" in data_source[:-1]:
        raise ValueError(f"a data source must be a name, with at most one '*' at its end, got {data_source!r}")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ValueError(f"a verdict's seconds must be a positive, finite number, got {seconds}")

    def add(verifier: V) -> V:
        if _verifiers.setdefault(data_source, _registered(verifier, seconds)).verifier is not verifier:
            raise ValueError(
                f"data source {data_source!r} must have one verifier, it has one already: register under another name"
            )
        return verifier

    return add


def register_format(answer_format: str) -> Callable[[V], V]:
    """Makes a verifier known for rows with this `extra_info.answer_format`, whatever their data source is."""

    def add(verifier: V) -> V:
        _by_format[answer_format] = _registered(verifier, None)
        return verifier

    return add


def _registered(verifier: Callable[..., Verdict], seconds: float | None) -> Registered:
    parameters = inspect.signature(verifier).parameters.values()
    options = frozenset(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)
    brief = next((brief for known, brief in _brief if known is verifier), None)
    return Registered(verifier, options, brief, seconds, *_origin(verifier))


def _origin(verifier: Callable[..., Verdict]) -> tuple[str | None, str]:
    """Tells how another process gets at a verifier: what it must load, and under which name it then is."""
    if _plugins:
        return f"plugin {_plugins[-1]}", ""
    importing = _importing_module()
    if importing == PACKAGE:
        return "", ""
    name, qualified = getattr(verifier, "__module__", ""), getattr(verifier, "__qualname__", "")
    found: object = sys.modules.get(name)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if found is verifier and name != "__main__":
        return _module(name), f"{name}:{qualified}"
    return (None if importing == "__main__" else _module(importing)), ""


def _importing_module() -> str:
    """The module during whose import this is called; "__main__" in a script, and where there is none."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    name = "" if frame is None else frame.f_globals.get("__name__", "")
    return name if name in sys.modules else "__main__"


def _module(name: str) -> str:
    return f"module {name} {getattr(sys.modules[name], '__file__', None) or ''}".rstrip()


def known_sources() -> list[str]:
    """Gives the registered names, sorted, those with a `*` included."""
    return sorted(_verifiers)


def sources_of(plugin: str) -> list[str]:
    """Gives the names whose verifiers a plug-in, or a module of it, has registered."""
    module = plugin.partition(":")[0]
    return [
        name
        for name, registered in _verifiers.items()
        if registered.needs == f"plugin {plugin}"
        or f"{registered.needs} ".startswith((f"module {module} ", f"module {module}."))
    ]


def find_verifier(data_source: str, extra_info: ExtraInfo = None) -> Registered:
    """Finds the verifier of a data source: by its name, else the longest registered prefix, else `answer_format`.

    Raises UnknownDataSourceError if there is none; the message lists what is registered.
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
        " correct the data, name the module that registers a verifier for it (--import, or reward.reward_kwargs.imports"
        " in a training), or have the row say how it is judged: extra_info.answer_format is one of"
        f" {', '.join(_by_format)}"
    )
