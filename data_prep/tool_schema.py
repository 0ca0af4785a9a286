"""From documented functions and calls that are right to a ground truth that BFCL's checker judges by.

Each argument accepts the one value that it was given. An argument that is documented with a default, and is not
required, may also be left out or given where that makes no difference; one that is null and not required may be left
out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from data_prep.errors import DataError, UnsolvableError
from reward_score import GroundTruthError
from reward_score.tool_calls.bfcl.checker import find_fault
from reward_score.tool_calls.bfcl.gold import read_bfcl_gold
from reward_score.tool_calls.json import Call

_KINDS: Final = {
    **dict.fromkeys(("string", "str", "text"), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double", "decimal"), "float"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("array", "list", "tuple", "set", "sequence"), "array"),
    **dict.fromkeys(("object", "dict", "dictionary", "map"), "dict"),
}
"""BFCL's names of types by those of JSON Schema and of Python's annotations."""

_PYTHON: Final[Mapping[str, type]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "float": float,
    "array": list,
    "dict": dict,
}
_SHOWN: Final = {"float": "number", "dict": "object"}
_GENERIC: Final = re.compile(r"(\w+)\s*\[(.*)\]")


def as_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a function's parameters as JSON Schema, with `type`, `properties` and `required`.

    They are such a schema, or as xLAM has them a table of names with types in Python's words, where what has no default
    and is not called optional is required.
    """
    if isinstance(parameters.get("properties"), dict) or isinstance(parameters.get("type"), str) or not parameters:
        return {"type": "object", "properties": {}, "required": [], **parameters}
    tables = {name: cast("dict[str, Any]", table) for name, table in parameters.items() if isinstance(table, dict)}
    optional = {name for name, table in tables.items() if table.get("required") is False or "default" in table}
    properties = {name: _shown(table) for name, table in tables.items()}
    required = [name for name, table in tables.items() if name not in optional and not _annotation(_type(table))[2]]
    return {"type": "object", "properties": properties, "required": required}


def write_gold(tools: Sequence[Mapping[str, Any]], calls: Sequence[Call], where: str) -> str:
    """Writes the ground truth, for BFCL's checker, of a row that offers tools and wants all of some calls, or none.

    Raises UnsolvableError if arguments do not fit the function, so that they would be judged wrong themselves.
    """
    documents = {tool["name"]: tool for tool in tools}
    for call in calls:
        if call.name not in documents:
            raise DataError(f"{where}: a call must be of a tool that is offered, got {call.name[:60]!r}")
        _check_arguments(documents[call.name], call, where)
    given = {name: [call.arguments for call in calls if call.name == name] for name in documents}
    functions = [_document(documents[name], given[name]) for name in documents]
    wanted = [{call.name: _accepted(documents[call.name], functions, call)} for call in calls]
    category = "irrelevance" if not calls else "multiple" if len(calls) == 1 else "parallel_multiple"
    text = json.dumps(
        {"v": 1, "category": category, "functions": functions, "possible_answer": wanted}, ensure_ascii=False
    )
    try:
        gold = read_bfcl_gold(text)
        fault = find_fault(gold, calls) if calls else None
    except GroundTruthError as error:
        raise DataError(f"{where}: {error}") from error
    if fault is not None:
        raise UnsolvableError(f"{where}: the calls must be right by their own values, but {fault}")
    return text


def _check_arguments(tool: Mapping[str, Any], call: Call, where: str) -> None:
    for name in _required(tool):
        if name not in call.arguments:
            raise UnsolvableError(f"{where}: {call.name} requires {name}, which the call that is right does not give")
    unknown = [name for name in call.arguments if name not in _properties(tool)]
    for name in unknown:
        if call.arguments[name] is not None:
            raise UnsolvableError(
                f"{where}: {call.name} has no parameter {name[:60]!r}, which the call that is right gives"
            )
        del call.arguments[name]  # a table's common columns


def _document(tool: Mapping[str, Any], given: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    """A function as BFCL documents it: of its parameters the types, and those that every call must give."""
    properties: dict[str, dict[str, Any]] = {}
    for name, schema in _properties(tool).items():
        values = [arguments[name] for arguments in given if arguments.get(name) is not None]
        if not values and "default" in schema:
            values = [schema["default"]]
        kind, item = _types(schema, values)
        properties[name] = {"type": kind, **({"items": {"type": item}} if kind == "array" else {})}
    always = [name for name in properties if given and all(arguments.get(name) is not None for arguments in given)]
    must = [name for name in always if not all(_is_default(tool, name, arguments[name]) for arguments in given)]
    return {"name": tool["name"], "parameters": {"type": "dict", "properties": properties, "required": must}}


def _accepted(tool: Mapping[str, Any], functions: Sequence[Mapping[str, Any]], call: Call) -> dict[str, list[object]]:
    document = next(one for one in functions if one["name"] == call.name)
    accepted: dict[str, list[object]] = {}
    for name, schema in _properties(tool).items():
        kind = document["parameters"]["properties"][name]
        if name in call.arguments:
            value = call.arguments[name]
            free = _is_default(tool, name, value) or (value is None and name not in _required(tool))
            accepted[name] = [_one_level(kind, value), ""] if free else [_one_level(kind, value)]
        elif _has_default(tool, name):
            accepted[name] = [_one_level(kind, schema["default"]), ""]
    return accepted


def _one_level(kind: Mapping[str, Any], value: object) -> object:
    """A value as BFCL writes an accepted one: an object's fields each hold a list of what is accepted."""
    if kind["type"] == "dict" and isinstance(value, dict):
        return {key: [item] for key, item in cast("dict[str, object]", value).items()}
    if kind["type"] == "array" and kind["items"]["type"] == "dict" and isinstance(value, list):
        return [_one_level(kind["items"], item) for item in cast("list[object]", value)]
    return value


def _types(schema: Mapping[str, Any], values: Sequence[object]) -> tuple[str, str]:
    """BFCL's type of a parameter and of its items: the documented one if its values are of it, else theirs."""
    kind, item = _documented(schema)
    kinds = [_kind_of(value) for value in values]
    if not all(found == kind or (found, kind) == ("integer", "float") for found in kinds):
        kind = kinds[0]
    lists = [cast("list[object]", value) for value in values if isinstance(value, list)]
    if kind == "array" and not all(_items_are(item, several) for several in lists):
        first = next(several for several in lists if not _items_are(item, several))
        item = next((_kind_of(one) for one in first if type(one) is not type(first[0])), _kind_of(first[0]))
    return kind or "string", item or "string"


def _items_are(kind: str, items: Sequence[object]) -> bool:
    # As BFCL has it: of the documented type, or of that of the list's first item.
    return all(type(item) in (_PYTHON.get(kind), type(items[0])) for item in items) and (
        kind == "dict" or not any(isinstance(item, dict) for item in items)
    )


def _kind_of(value: object) -> str:
    return next((name for name, kind in _PYTHON.items() if type(value) is kind), "any")


def _documented(schema: Mapping[str, Any]) -> tuple[str, str]:
    """The documented type and that of the items, "" where it says none that BFCL has."""
    kind = schema.get("type")
    unions: object = schema.get("anyOf") or schema.get("oneOf")
    several = cast("list[object]", unions) if isinstance(unions, list) else []
    schemas = [cast("dict[str, Any]", one) for one in several if isinstance(one, dict)]
    options = [one for one in schemas if one.get("type") != "null"]
    if kind is None and len(options) == 1:
        return _documented(options[0])
    if isinstance(kind, list):
        kinds = [one for one in cast("list[object]", kind) if one != "null"]
        kind = kinds[0] if len(kinds) == 1 else None
    if not isinstance(kind, str):
        return "", ""
    kind, item, _ = _annotation(kind)
    if isinstance(items := schema.get("items"), dict):
        item = _documented(cast("dict[str, Any]", items))[0]
    return kind, item


def _annotation(text: str) -> tuple[str, str, bool]:
    """Reads "int", "List[str]", "Optional[float]" or "str, optional": the type, that of items, whether optional."""
    bare, _, more = text.strip().partition(",") if "[" not in text else (text.strip().rpartition("]")[0] + "]", "", "")
    optional = "optional" in more or text.strip().endswith("optional")
    generic = _GENERIC.fullmatch(bare.strip())
    if generic is None:
        return _KINDS.get(bare.strip().lower(), ""), "", optional
    if generic[1].lower() == "optional":
        kind, item, _ = _annotation(generic[2])
        return kind, item, True
    kind = _KINDS.get(generic[1].lower(), "")
    return kind, _annotation(generic[2])[0] if kind == "array" else "", optional


def _shown(table: Mapping[str, Any]) -> dict[str, Any]:
    kind, item, _ = _annotation(_type(table))
    shown = {key: value for key, value in table.items() if key not in ("type", "required")}
    items = {"items": {"type": _SHOWN.get(item, item)}} if kind == "array" and item else {}
    return ({"type": _SHOWN.get(kind, kind)} if kind else {}) | items | shown


def _type(table: Mapping[str, Any]) -> str:
    return str(table.get("type", ""))


def _properties(tool: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    fields = cast("dict[str, object]", tool["parameters"]["properties"])
    return {name: cast("dict[str, Any]", one) if isinstance(one, dict) else {} for name, one in fields.items()}


def _required(tool: Mapping[str, Any]) -> list[str]:
    required = tool["parameters"]["required"]
    names = cast("list[object]", required) if isinstance(required, list) else []
    return [name for name in names if isinstance(name, str)]


def _has_default(tool: Mapping[str, Any], name: str) -> bool:
    return name not in _required(tool) and "default" in _properties(tool)[name]


def _is_default(tool: Mapping[str, Any], name: str, value: object) -> bool:
    return _has_default(tool, name) and _properties(tool)[name]["default"] == value
