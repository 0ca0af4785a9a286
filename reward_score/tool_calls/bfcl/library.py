"""The one place that meets bfcl-eval, BFCL's own package: its data, AST checker, simulated APIs and their checker.

It is used as a library and is optional; never its handlers, decoders or command line, which run what a model wrote.
`import bfcl_eval` needs nothing else, and the AST checker wants a table of models that imports 40 packages: it gets one
that knows any name. The multi-turn checker passes strings to `eval` and keeps instances among its module's globals for
ever; what it is given is made by `sessions` out of documented names and JSON, and the instances are taken out here.
"""

import importlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final, cast

VERSION: Final = "2025.8.6.2"
"""The last of BFCL v3; 2025.8.25 is v4, with other data."""

_MODEL_TABLE: Final = "bfcl_eval.constants.model_config"
_MULTI_TURN: Final = "bfcl_eval.eval_checker.multi_turn_eval"
_ANY_MODEL: Final = "any"

# What its checkers raise on values that they were not written for, where their own driver would stop.
_UNREADABLE: Final = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RecursionError),
    *(TypeError, ValueError),
)

MULTI_TURN: Final = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context")
LANGUAGES: Final = {"java": "Java", "javascript": "JavaScript"}


class BfclMissingError(ImportError):
    """bfcl-eval is not installed, or is another version."""


@lru_cache(maxsize=1)
def require() -> Path:
    """Returns the folder of the installed package; BfclMissingError if it is not there in the version that is v3's."""
    try:
        found = importlib.metadata.version("bfcl-eval")
    except importlib.metadata.PackageNotFoundError:
        found = None
    if found != VERSION:
        raise BfclMissingError(
            f"Java, JavaScript and multi-turn need bfcl-eval {VERSION}, got {found or 'none'}: "
            f"pip install --no-deps bfcl-eval=={VERSION}"
        )
    return Path(cast("str", importlib.import_module("bfcl_eval").__file__)).parent


def function_documents(classes: Iterable[str]) -> list[dict[str, Any]]:
    """Reads the documents of the functions that the simulated APIs of these names have."""
    folder = require() / "data" / "multi_turn_func_doc"
    files: Mapping[str, str] = importlib.import_module(
        "bfcl_eval.constants.category_mapping"
    ).MULTI_TURN_FUNC_DOC_FILE_MAPPING
    lines = [line for name in classes for line in (folder / files[name]).read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def find_fault_in(
    language: str, functions: Sequence[object], calls: Sequence[Mapping[str, object]], accepted: Sequence[object]
) -> str | None:
    """Says why calls, each `{name: arguments}`, are wrong by the AST checker; None if they are right."""
    require()
    table = ModuleType(_MODEL_TABLE)
    vars(table)["MODEL_CONFIG_MAPPING"] = models = {_ANY_MODEL: SimpleNamespace(underscore_to_dot=False)}
    sys.modules.setdefault(_MODEL_TABLE, table)
    checker: Any = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker")
    checker.MODEL_CONFIG_MAPPING = models
    try:
        verdict = checker.ast_checker(functions, calls, accepted, LANGUAGES[language], language, _ANY_MODEL)
    except _UNREADABLE as error:
        return f"a value that cannot be compared: {type(error).__name__}"
    return None if verdict["valid"] else " ".join(map(str, verdict["error"]))


def execute(entry: Mapping[str, Any], steps: Sequence[Sequence[str]]) -> list[list[str]]:
    """Runs the calls of each step on fresh instances of the entry's APIs, and gives what each call returns."""
    require()
    utils: Any = importlib.import_module(f"{_MULTI_TURN}.multi_turn_utils")
    try:
        return [
            utils.execute_multi_turn_func_call(
                func_call_list=list(calls),
                initial_config=entry["initial_config"],
                involved_classes=entry["involved_classes"],
                model_name=_ANY_MODEL,
                test_entry_id=entry["id"],
                long_context="long_context" in entry["category"],
            )[0]
            for calls in steps
        ]
    finally:
        _forget_instances(utils)


def find_fault_of_session(entry: Mapping[str, Any], turns: Sequence[Sequence[Sequence[str]]]) -> str | None:
    """Says why a session is wrong, given the calls of each step of each turn; None if BFCL's checker passes it."""
    require()
    checker: Any = importlib.import_module(f"{_MULTI_TURN}.multi_turn_checker")
    gold = entry["possible_answer"]
    try:
        verdict = checker.multi_turn_checker(turns, gold, entry, entry["category"], _ANY_MODEL)
    except _UNREADABLE as error:
        return f"a state that cannot be compared: {type(error).__name__}"
    finally:
        _forget_instances(importlib.import_module(f"{_MULTI_TURN}.multi_turn_utils"))
    return None if verdict["valid"] else verdict["error_message"]


def _forget_instances(module: ModuleType) -> None:
    for name in [name for name in vars(module) if name.startswith(f"{_ANY_MODEL}_") and name.endswith("_instance")]:
        del vars(module)[name]
