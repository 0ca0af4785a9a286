"""BFCL's rows that are evaluated and never trained on: in Java, in JavaScript, and of several turns.

Arguments in Java and JavaScript are texts in that language, so the functions are shown with string parameters and the
language named, as BFCL shows them. A multi-turn row's prompt is that of its first turn; its ground truth holds all that
a session needs, and its reference response is the session that makes the gold calls.
"""

import ast
import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from data_prep.errors import DataError, UnsolvableError, short
from data_prep.fields import mapping
from data_prep.records import Record
from data_prep.tool_prompts import SessionMessage, ToolStyle
from reward_score.tool_calls.bfcl import library
from reward_score.tool_calls.json import Call

EVALUATED: Final = (*library.LANGUAGES, *library.MULTI_TURN)

_HINTS: Final = {"java": "Java 8 SDK", "javascript": "JavaScript"}
_NOT_TEXT: Final = "they are not in string representation"
_ITEMS: Final = ("Array", "ArrayList", "array")


def shown_documents(functions: Sequence[Mapping[str, Any]], category: str) -> list[dict[str, Any]]:
    """Writes function documents as BFCL's handlers show them (`func_doc_language_specific_pre_processing`)."""
    shown = [copy.deepcopy(dict(function)) for function in functions]
    for function in shown:
        function["description"] += f" Note that the provided function is in {_HINTS.get(category, 'Python 3')} syntax."
        if category not in library.LANGUAGES:
            continue
        language = library.LANGUAGES[category]
        for field in function["parameters"]["properties"].values():
            kind = "any type of {} object" if field["type"] == "any" else f"{{}} {field['type']} type parameter"
            told = "This parameter can be of " if field["type"] == "any" else "This is "
            field["description"] += f" {told}{kind.format(language)} in string representation."
            if field["type"] in _ITEMS:
                items = field.pop("items")["type"]
                field["description"] += f" The list elements are of type {items}; {_NOT_TEXT}."
            if field["type"] == "dict" and "properties" in field:
                schema = json.dumps(field.pop("properties"))
                field["description"] += f" The dictionary entries have the following schema; {_NOT_TEXT}. {schema}"
            field["type"] = "string"
    return shown


def calls_in(language: str, function: Mapping[str, Any], accepted: Mapping[str, Any]) -> Iterator[list[Call]]:
    """Makes calls of accepted values in several spellings, since BFCL's reading of either language takes only some."""
    properties = function["parameters"]["properties"]
    for optional in (True, False):
        for quote in ('"', ""):
            arguments = {
                name: _text(language, properties[name], given[0], quote)
                for name, values in accepted.items()
                if name in properties and (given := [value for value in values if value != ""])
                if optional or "" not in values or name in function["parameters"]["required"]
            }
            yield [Call(function["name"], cast("dict[str, object]", arguments))]


def _text(language: str, schema: Mapping[str, Any], value: object, quote: str) -> str:
    kind = schema["type"]
    if isinstance(value, list):
        inner = dict(schema.get("items", {}))
        items = ", ".join(_item(language, inner, item, quote) for item in cast("list[object]", value))
        if language == "javascript":
            return f"[{items}]"
        name = str(inner.get("type", "Object")).capitalize()
        return f"new {name}[]{{{items}}}" if kind == "Array" else f"new ArrayList<{name}>(Arrays.asList({items}))"
    if isinstance(value, dict):
        fields = {
            name: _item(language, {"type": "any"}, values[0], '"')
            for name, values in cast("dict[str, Any]", value).items()
        }
        if language == "javascript":
            return "{" + ", ".join(f"{name}: {text}" for name, text in fields.items()) + "}"
        puts = " ".join(f'put("{name}", {text});' for name, text in fields.items())
        return f"new HashMap<String, Object>() {{{{ {puts} }}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    suffix = {"long": "L", "Bigint": "n"}.get(kind, "") if isinstance(value, int | float) else ""
    return f"{value}{suffix}"


def _item(language: str, schema: Mapping[str, Any], value: object, quote: str) -> str:
    if isinstance(value, str):
        return f"{quote}{value}{quote}"
    return _text(language, {"type": "any", **schema}, value, quote)


def session_entry(record: Record, category: str, answer: object) -> dict[str, Any]:
    """Gathers all that a session of a multi-turn row needs, its functions' documents included."""
    fields = record.fields
    classes, turns = fields.get("involved_classes"), fields.get("question")
    for name, value in (("involved_classes", classes), ("question", turns), ("the answer", answer)):
        if not isinstance(value, list) or not value:
            raise DataError(
                f"{record.where}: {name} must be a list that is not empty, got {short(cast('object', value))}"
            )
    try:
        functions = library.function_documents(cast("list[str]", classes))
    except (KeyError, TypeError) as error:
        raise DataError(f"{record.where}: involved_classes must be of bfcl-eval's, got {short(classes)}") from error
    by_name = {function["name"]: function for function in functions}
    missed = {
        turn: [by_name[name] for name in cast("list[str]", names)]
        for turn, names in mapping(fields.get("missed_function", {}), "missed_function", record.where).items()
    }
    held_out = {function["name"] for functions in missed.values() for function in functions}
    return {
        "v": 1,
        "category": category,
        "id": fields["id"],
        "functions": [function for function in functions if function["name"] not in held_out],
        "missed_functions": missed,
        "question": turns,
        "initial_config": mapping(fields.get("initial_config"), "initial_config", record.where),
        "involved_classes": classes,
        "possible_answer": answer,
    }


def gold_session(entry: Mapping[str, Any], style: ToolStyle, think: str, where: str) -> str:
    """Writes the session that makes the gold calls, one step for each turn that has any, and then says that it is done.

    Raises UnsolvableError if a turn is wanted that is never asked for, or a gold call cannot be written.
    """
    missed = [function for functions in entry["missed_functions"].values() for function in functions]
    parameters = {
        function["name"]: list(function["parameters"]["properties"]) for function in [*entry["functions"], *missed]
    }
    turns: list[list[dict[str, object]]] = []
    try:
        for wanted in entry["possible_answer"]:
            calls = [_read_gold(text, parameters) for text in wanted]
            steps: list[list[Call]] = [calls, []] if calls else [[]]
            turns.append([{"response": style.response(step, think), "results": []} for step in steps])
    except (SyntaxError, ValueError, LookupError, AttributeError) as error:
        raise UnsolvableError(
            f"{where}: a gold call must be one of a documented function with literals: {error}"
        ) from error
    asked = len(entry["question"])
    if len(turns) != asked:
        raise UnsolvableError(f"{where}: no session can be right, {len(turns)} turns are answered and {asked} asked")
    return json.dumps({"turns": turns, "ended": ""}, ensure_ascii=False)


def _read_gold(text: str, parameters: Mapping[str, Sequence[str]]) -> Call:
    call = cast("ast.Call", ast.parse(text, mode="eval").body)
    name = cast("ast.Name", call.func).id
    given: Iterable[tuple[str | None, ast.expr]] = [
        *zip(parameters[name], call.args, strict=False),
        *((keyword.arg, keyword.value) for keyword in call.keywords),
    ]
    return Call(name, {str(key): ast.literal_eval(value) for key, value in given})


def first_messages(entry: Mapping[str, Any]) -> list[SessionMessage]:
    return [{"role": message["role"], "content": message["content"]} for message in entry["question"][0]]
