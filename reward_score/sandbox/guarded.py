"""The job of the guard's child processes: one verdict, or one comparison by computer algebra.

Only ever imported in a worker process (`sandbox.server`), which is killed when it takes too long.
"""

import importlib
import importlib.util
import operator
import sys
from pathlib import Path
from typing import Any, cast

from reward_score import plugins, registry
from reward_score.sandbox import guard


def run(request: tuple[Any, ...]) -> Any:
    """Does what a request of `sandbox.guard` asks: a verdict with a failed verifier's traceback, or a comparison.

    None for a data source that is not known here.
    """
    guard.enter()
    kind, *arguments = request
    if kind == guard.COMPARE:
        return guard.compare(arguments[0])
    reference, data_source, row, options = arguments
    module, _, qualified = reference.partition(":")
    try:
        verifier: Any = (
            operator.attrgetter(qualified)(sys.modules[module])
            if reference
            else registry.find_verifier(data_source, row[2]).verifier
        )
    except registry.UnknownDataSourceError:
        return None
    return guard.run(verifier, row, options)


def prepare(needed: str) -> None:
    """Loads "symbolic", "plugin NAME" or "module NAME FILE" in the server; the file is for a module off the path."""
    guard.enter()
    kind, _, rest = needed.partition(" ")
    if kind == guard.SYMBOLIC:
        importlib.import_module(guard.SYMBOLIC_JOB)
    elif kind == "plugin":
        plugins.load([rest])
    else:
        _import(*rest.split(" ", 1))


def _import(name: str, file: str = "") -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        spec = importlib.util.spec_from_file_location(name, file) if Path(file).is_file() else None
        if spec is None or spec.loader is None:
            raise
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        cast("Any", spec.loader).exec_module(module)
