"""Verifiers of other projects: a module that registers them, named once and loaded in every process that scores.

It is named in one of two ways: by an entry point of the group `reward_score.verifiers` of an installed package, or as a
module on the path (`--import` of the commands, `reward.reward_kwargs.imports` of a training). `package.module` is
imported; `package.module:function` is imported and called.
"""

import importlib
import logging
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any, Final, cast

from reward_score import registry
from reward_score.registry import Registered, UnknownDataSourceError
from reward_score.verdict import MAX_PRED_CHARS, ExtraInfo, Verdict, one_line, shorten

GROUP: Final = "reward_score.verifiers"

logger = logging.getLogger(__name__)

_lock = threading.RLock()  # a plug-in may score when it is imported
_loaded: dict[str, None] = {}
_installed_faults: list[str] | None = None


class VerifierImportError(UnknownDataSourceError):
    """A module that should register verifiers cannot be loaded, or registers none."""


def load(names: Iterable[str]) -> None:
    """Loads the plug-ins that are not loaded yet, each "package.module" or "package.module:function".

    Raises VerifierImportError if one cannot be loaded; a sentence that says what was found.
    """
    for name in (names,) if isinstance(names, str) else names:
        if name not in _loaded:
            with _lock:
                _load(name)


def _load(name: str) -> None:
    if name in _loaded:
        return
    registry._plugins.append(name)  # pyright: ignore[reportPrivateUsage]
    module_name, colon, function = name.partition(":")
    try:
        module = importlib.import_module(module_name)
        if colon:
            getattr(module, function)()
    except Exception as error:  # whatever the module may do, its name and the place are what helps
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
        raise VerifierImportError(
            f"the plug-in {name!r} must be a module that can be imported here and registers verifiers,"
            f" but {type(error).__name__}: {error}{'' if isinstance(error, ImportError) else place}"
        ) from error
    finally:
        registry._plugins.pop()  # pyright: ignore[reportPrivateUsage]
    if not registry.sources_of(name):
        raise VerifierImportError(
            f"the plug-in {name!r} must register a verifier with reward_score.register, it registered none"
        )
    _loaded[name] = None


def find_verifier(data_source: str, extra_info: ExtraInfo = None, imports: Iterable[str] = ()) -> Registered:
    """Finds the verifier of a row, as `reward_score.registry.find_verifier` does, plug-ins included.

    Raises UnknownDataSourceError if there is none; the message lists what is registered, and what could not be loaded.
    """
    faults = load_installed() if _installed_faults is None else _installed_faults
    if imports:
        load(imports)
    try:
        return registry.find_verifier(data_source, extra_info)
    except UnknownDataSourceError as error:
        if not faults:
            raise
        raise UnknownDataSourceError("; ".join([str(error), *faults])) from None


def has_verifier(data_source: str, extra_info: ExtraInfo) -> bool:
    """Says whether a row has a verifier."""
    try:
        find_verifier(data_source, extra_info)
    except UnknownDataSourceError:
        return False
    return True


def judge_by_function(
    solution_str: str, ground_truth: object, extra_info: ExtraInfo, /, *, function: str, data_source: str
) -> Verdict:
    """Judges with a reward function of verl's signature, "package.module:function", whose module is loaded.

    Its `acc` is the verdict, else whether its score is above a half.
    """
    module, _, name = function.partition(":")
    found: Any = getattr(sys.modules[module], name)(data_source, solution_str, ground_truth, extra_info)
    fields = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {"score": found}
    score = float(fields["score"])
    right = bool(fields["acc"]) if "acc" in fields else score > 0.5
    reason = one_line(str(fields.get("reason") or f"score {score:g}"))
    return Verdict(score, float(right), float(right), shorten(str(fields.get("pred") or ""), MAX_PRED_CHARS), reason)


def known_sources() -> list[str]:
    """Gives the registered names, sorted, those with a `*` and those of installed plug-ins included."""
    load_installed()
    return registry.known_sources()


def load_installed() -> list[str]:
    """Loads the plug-ins of installed packages, once; one that cannot be loaded is logged, left out, and told."""
    global _installed_faults
    if _installed_faults is None:
        with _lock:
            if _installed_faults is None:
                faults: list[str] = []
                _installed_faults = faults  # set first: what is loaded now may ask too
                for name in dict.fromkeys(point.value for point in entry_points(group=GROUP)):
                    try:
                        _load(name)
                    except VerifierImportError as error:
                        logger.warning("%s", error)
                        faults.append(str(error))
    return _installed_faults
