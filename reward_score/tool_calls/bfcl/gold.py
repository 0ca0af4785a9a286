"""Reads the ground truth of a BFCL row: what may be called, and what must be.

The text is `{"v": 1, "category": ..., "functions": [...], "possible_answer": [...]}`, functions and answer as BFCL's
files hold them (https://github.com/ShishirPatil/gorilla, berkeley-function-call-leaderboard). What BFCL's checker would
fail on with an exception is refused here, because then no response can be judged; two things are read leniently: a
schema without `required` requires nothing, and a text without `v` is of version 1.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple, cast

from reward_score.tool_calls.bfcl.value import PYTHON_TYPES, Parameter, read_parameter
from reward_score.tool_calls.json import MAX_CALLS
from reward_score.verdict import GroundTruthError, sole_ground_truth

VERSION: Final = 1

SIMPLE: Final = ("simple", "simple_python", "live_simple")
MULTIPLE: Final = ("multiple", "live_multiple")
PARALLEL: Final = ("parallel", "parallel_multiple", "live_parallel", "live_parallel_multiple")
IRRELEVANCE: Final = ("irrelevance", "live_irrelevance")
RELEVANCE: Final = ("live_relevance",)
CATEGORIES: Final = (*SIMPLE, *MULTIPLE, *PARALLEL, *IRRELEVANCE, *RELEVANCE)
"""The names of v3 and v4."""

OTHER_LANGUAGES: Final = ("java", "javascript", "simple_java", "simple_javascript")


class GoldCall(NamedTuple):
    """One call that is wanted.

    `name` is the function's documented name, which is what must be called; `required` the parameters that its schema
    requires; `needed` those that must be given: without "" among what is accepted, or required.
    """

    name: str
    required: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    needed: frozenset[str]


class BfclGold(NamedTuple):
    """What a BFCL row wants: the functions `offered` in the prompt, and the `calls`.

    There are no calls on rows that want none, and on relevance rows, which want any.
    """

    category: str
    offered: frozenset[str]
    calls: tuple[GoldCall, ...]


def read_bfcl_gold(ground_truth: object) -> BfclGold:
    """Reads a row's ground truth: the JSON text described above, the dict that it holds, or a list of one of these.

    Raises GroundTruthError if it is not that, is in Java or JavaScript, or could not be judged against.
    """
    ground_truth = sole_ground_truth(ground_truth, "row's")
    if isinstance(ground_truth, str):
        return _read_text(ground_truth)
    return _read_row(ground_truth)


@lru_cache(maxsize=8192)
def _read_text(text: str) -> BfclGold:
    return _read_row(parse_gold(text))


def parse_gold(text: str) -> dict[str, object]:
    """Reads the JSON object that a row's ground truth holds."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GroundTruthError(
            f"the ground truth must be JSON, got {text[:60]!r} ({error}): correct the data"
        ) from None
    return _object(row, "the ground truth")


def _read_row(row: object) -> BfclGold:
    fields = _object(row, "the ground truth")
    version = fields.get("v", VERSION)
    _require(version == VERSION, f"the ground truth's v must be {VERSION}", version)
    category = fields.get("category")
    if category in OTHER_LANGUAGES:
        raise GroundTruthError(
            f"the category must be one in Python, got {category}, whose arguments are text in another language:"
            " leave such rows out"
        )
    _require(category in CATEGORIES, f"the category must be one of {', '.join(CATEGORIES)}", category)
    functions = [_object(item, "a function") for item in _list(fields.get("functions"), "functions")]
    names = [_text(function.get("name"), "a function's name") for function in functions]
    answers = _list(fields.get("possible_answer"), "possible_answer")
    wanted = _read_answers(cast("str", category), functions, names, answers)
    return BfclGold(cast("str", category), frozenset(names), wanted)


def _read_answers(
    category: str, functions: list[dict[str, object]], names: list[str], answers: list[object]
) -> tuple[GoldCall, ...]:
    if category in IRRELEVANCE + RELEVANCE:
        _require(not answers, f"possible_answer must be [] in {category}", answers)
        return ()
    most = MAX_CALLS if category in PARALLEL else 1
    _require(1 <= len(answers) <= most, f"possible_answer must hold 1 to {most} calls in {category}", len(answers))
    wanted: list[GoldCall] = []
    for answer in answers:
        call = _object(answer, "a gold call")
        _require(len(call) == 1, "a gold call must have one key, the function's name", list(call))
        ((name, accepted),) = call.items()
        if category in SIMPLE:  # BFCL ignores the name there, and simple_363 has the wrong one
            _require(bool(functions), f"functions must hold one in {category}", functions)
            name = names[0]
        _require(name in names, f"the gold call must be of a function offered, of {', '.join(names)}", name)
        wanted.append(_read_call(name, functions[names.index(name)], _object(accepted, f"the arguments of {name}")))
    return tuple(wanted)


def _read_call(name: str, function: dict[str, object], accepted: dict[str, object]) -> GoldCall:
    schema = _object(function.get("parameters"), f"the parameters of {name}")
    properties = _object(schema.get("properties"), f"the properties of {name}")
    required = tuple(
        _text(item, f"a name in required of {name}") for item in _list(schema.get("required", []), "required")
    )
    parameters: dict[str, Parameter] = {}
    needed: set[str] = set()
    for key, values in accepted.items():
        values = _list(values, f"what is accepted for {name}'s {key}")
        kind = item = None
        if key in properties:  # else giving it is an error, and its type is never asked for
            where = f"{name}'s {key}"
            described = _object(properties[key], f"the schema of {where}")
            kind = _type_name(described, where)
            if kind in ("array", "tuple"):
                item = _type_name(_object(described.get("items"), f"items of {where}"), where)
        parameters[key] = read_parameter(kind, item, values)
        if "" not in values or key in required:
            needed.add(key)
    return GoldCall(name, required, parameters, frozenset(needed))


def _type_name(schema: dict[str, object], where: str) -> str:
    kind = schema.get("type")
    _require(isinstance(kind, str) and kind in PYTHON_TYPES, f"the type of {where} must be a BFCL type", kind)
    return cast("str", kind)


def _object(value: object, what: str) -> dict[str, object]:
    _require(isinstance(value, dict), f"{what} must be an object", value)
    return cast("dict[str, object]", value)


def _list(value: object, what: str) -> list[object]:
    _require(isinstance(value, list), f"{what} must be a list", value)
    return cast("list[object]", value)


def _text(value: object, what: str) -> str:
    _require(isinstance(value, str), f"{what} must be a string", value)
    return cast("str", value)


def _require(holds: bool, rule: str, found: object) -> None:
    if not holds:
        raise GroundTruthError(f"{rule}, got {repr(found)[:60]}: correct the data")
