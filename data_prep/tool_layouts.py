"""The layouts of published single-turn tool calls, read into what was said, what may be called, and the right calls.

- OpenAI's: `messages` with `tool_calls` (or `function_call`) in the assistant's, arguments as JSON text or an object,
  and `tools`;
- xLAM's: `query`, `tools` and `answers`, as JSON text or lists;
- Hermes': `conversations` of `from` and `value` with <tool_call> blocks, tools in a field or in <tools> of the system
  message; ShareGPT's with `function_call` turns;
- Glaive's: `system` and `chat` as text, with <functioncall>;
- as ToolACE has them: tools as a list in the system message, calls in Python's syntax.

Of a dialogue the first assistant turn that calls is the answer, and what precedes it the prompt; one that never calls
wants none in its last turn.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from data_prep.errors import DataError, short
from data_prep.fields import checked_text, mapping, name_of, optional_text
from data_prep.records import Record
from data_prep.schema import Message
from data_prep.tool_schema import as_schema
from reward_score.rescore.json_line import DECODER, RepeatedKeyError
from reward_score.tool_calls.json import Call
from reward_score.tool_calls.parser import parse_calls

TOOLS: Final = ("tools", "functions", "available_tools", "function")
DIALOGUE: Final = ("messages", "conversations", "conversation")
QUERY: Final = ("query", "question", "prompt", "instruction", "user", "input")
ANSWERS: Final = ("answers", "answer", "tool_calls", "calls", "ground_truth", "output", "response")

_ROLES: Final = {
    "system": "system",
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "chatgpt", "function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("tool", "observation", "function", "function_response", "tool_response", "ipython"), "tool"),
}
_MAX_LITERAL_CHARS: Final = 100_000
_CALLING: Final = ("function_call", "tool_call")
_TURN: Final = re.compile(r"(?:\A|\n)[ \t]*(USER|ASSISTANT|FUNCTION RESPONSE):")


class Exchange(NamedTuple):
    """A question and its answer: the messages before it, the functions offered, and the calls that it makes."""

    messages: list[Message]
    tools: list[dict[str, Any]]
    calls: list[Call]


class _Turn(NamedTuple):
    role: str
    content: str
    calls: list[Call]


def read_exchange(record: Record) -> Exchange:
    """Reads a record; the last message of the exchange is the user's."""
    name = name_of(record, *TOOLS)
    offered = None if name is None else record.fields[name]
    dialogue = name_of(record, *DIALOGUE)
    if dialogue is not None:
        said = _parsed_list(record.fields[dialogue], repr(dialogue), record.where)
        turns = [*_system(record), *(_turn(item, record.where) for item in said)]
    elif record.fields.get("chat") is not None:
        parts = _TURN.split(checked_text(record.fields["chat"], "'chat'", record.where))
        roles = [{"USER": "user", "ASSISTANT": "assistant"}.get(role, "tool") for role in parts[1::2]]
        texts = [content.replace("<|endoftext|>", "").strip() for content in parts[2::2]]
        chat = zip(roles, texts, strict=True)
        turns = [*_system(record), *(_spoken(role, text, record.where) for role, text in chat if text)]
    else:
        turns = _asked(record)
    if offered in (None, "") and turns and turns[0].role == "system":
        offered = _tools_within(turns[0].content)
    tools = [_tool(item, record.where) for item in _parsed_list(offered or [], "the tools", record.where)]
    tools = [tool for place, tool in enumerate(tools) if tool not in tools[:place]]
    names = [tool["name"] for tool in tools]
    if twice := [one for one in names if names.count(one) > 1]:
        raise DataError(f"{record.where}: a tool must be offered once, got two different ones named {twice[0][:60]!r}")
    answers = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
    if not answers:
        raise DataError(f"{record.where}: must have an answer by the assistant, with or without calls, got none")
    place = next((place for place in answers if turns[place].calls), answers[-1])
    return Exchange(_prompt(turns[:place], record.where), tools, turns[place].calls)


def _system(record: Record) -> list[_Turn]:
    system = optional_text(record, "system").strip().removeprefix("SYSTEM:").strip()
    return [_Turn("system", system, [])] if system else []


def _asked(record: Record) -> list[_Turn]:
    """The turns of a record with a query and its answers, which may be calls or a text."""
    query = name_of(record, *QUERY)
    answers = name_of(record, *(name for name in ANSWERS if name != query))
    if query is None or answers is None:
        raise DataError(
            f"{record.where}: must have messages, conversations, or a query and its answers, beside tools, has"
            f" {record.names()}"
        )
    asked, turns = record.fields[query], _system(record)
    if isinstance(asked, list):
        turns += [_turn(item, record.where) for item in cast("list[object]", asked)]
    else:
        turns.append(_Turn("user", checked_text(asked, repr(query), record.where), []))
    value = record.fields[answers]
    if isinstance(value, str) and value.strip()[:1] not in ("[", "{"):
        return [*turns, _spoken("assistant", checked_text(value, repr(answers), record.where), record.where)]
    return [*turns, _Turn("assistant", "", _calls(value, repr(answers), record.where))]


def _turn(item: object, where: str) -> _Turn:
    message = mapping(item, "a message", where)
    said_by = message.get("role") or message.get("from")
    role = _ROLES.get(said_by.lower()) if isinstance(said_by, str) else None
    if role is None:
        raise DataError(f"{where}: a message's role must be one of {', '.join(_ROLES)}, got {short(said_by)}")
    content = _content(message.get("content", message.get("value")), where)
    called = message.get("tool_calls") or message.get("function_call")
    if str(said_by).lower() in _CALLING:
        called = content
    if called and role == "assistant":
        return _Turn(role, "", _calls(called, "a message's calls", where))
    return _spoken(role, content, where)


def _content(content: object, where: str) -> str:
    if isinstance(content, list):  # of parts, as OpenAI has it
        parts = [mapping(part, "a part of a message", where) for part in cast("list[object]", content)]
        return "\n".join(str(part["text"]) for part in parts if isinstance(part.get("text"), str))
    if content is not None and not isinstance(content, str):
        raise DataError(f"{where}: a message's content must be a text, got {short(content)}")
    return content or ""


def _spoken(role: str, content: str, where: str) -> _Turn:
    """A turn of text; an assistant's may hold calls in Hermes' or Glaive's tags."""
    calls: list[Call] = []
    if role == "assistant":
        blocks = [part.partition("</tool_call>")[0] for part in content.split("<tool_call>")[1:]]
        blocks += [part.partition("<|endoftext|>")[0] for part in content.split("<functioncall>")[1:]]
        if not blocks and _in_python(content):
            blocks = [content]
        for block in blocks:
            calls += _calls(block.strip(), "a call", where)
    return _Turn(role, content, calls)


def _in_python(text: str) -> bool:
    return text.strip().startswith("[") and text.strip().endswith(")]")


def _calls(value: object, what: str, where: str) -> list[Call]:
    if isinstance(value, str) and _in_python(value):
        reading = parse_calls(value.strip(), "python")
        if not reading.calls:
            raise DataError(f"{where}: {what} must be JSON or calls in Python's syntax, got {short(value)}")
        return list(reading.calls)
    return [_call(item, where) for item in _parsed_list(value, what, where)]


def _call(item: object, where: str) -> Call:
    fields = mapping(item, "a call", where)
    if isinstance(inner := fields.get("function"), dict):
        fields = cast("Mapping[str, object]", inner)
    name = checked_text(fields.get("name"), "a call's name", where)
    key = next((key for key in ("arguments", "parameters", "args", "input") if fields.get(key) is not None), "")
    what, arguments = f"the arguments of {name}", fields.get(key)
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        return Call(name, {})
    return Call(name, dict(mapping(_parsed(arguments, what, where), what, where)))


def _tool(item: object, where: str) -> dict[str, Any]:
    tool = mapping(_parsed(item, "a tool", where), "a tool", where)
    if isinstance(inner := tool.get("function"), dict):
        tool = cast("Mapping[str, object]", inner)
    name = checked_text(tool.get("name"), "a tool's name", where)
    what = f"the parameters of {name}"
    key = next((key for key in ("parameters", "input_schema", "arguments") if tool.get(key)), "")
    parameters = mapping(_parsed(tool[key], what, where), what, where) if key else dict[str, object]()
    schema = as_schema(without_nulls(dict(parameters)))
    mapping(schema["properties"], f"the properties of {name}", where)
    description = tool.get("description")
    return {
        "name": name,
        "description": description if isinstance(description, str) else "",
        "parameters": schema,
    }


def without_nulls(value: Any) -> Any:
    """Takes out of a schema what a table's common columns have filled up with null."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: without_nulls(item) for key, item in fields.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in cast("list[Any]", value)]
    return value


def _prompt(turns: Sequence[_Turn], where: str) -> list[Message]:
    messages: list[Message] = []
    for turn in turns:
        # The prompt style shows the tools itself.
        if turn.role == "system" and (_tools_within(turn.content) is not None or not turn.content.strip()):
            continue
        if turn.role == "tool":
            raise DataError(
                f"{where}: what precedes the answer must be said by user and assistant, got a tool's result"
            )
        content = checked_text(turn.content, f"the {turn.role}'s message", where)
        messages.append({"role": turn.role, "content": content})
    if not messages or messages[-1]["role"] != "user":
        raise DataError(f"{where}: the message before the answer must be the user's, got {short(messages[-1:])}")
    return messages


def _tools_within(system: str) -> object:
    """The tools that a system message holds: Hermes' between tags, Glaive's one after another; None without any."""
    if "<tools>" in system and "</tools>" in system:
        # Hermes' own text names the tags before it uses them.
        inner = max(
            (part.partition("</tools>")[0].strip() for part in system.split("<tools>")[1:]), key=len, default=""
        )
        return inner if inner.startswith("[") else list(_objects(inner)) or None
    if "access to the following functions" in system:
        return list(_objects(system)) or None
    listed = system.find("[{")
    try:
        tools = DECODER.raw_decode(system, listed)[0] if listed >= 0 else None
    except (ValueError, RecursionError):
        return None
    return cast("list[object]", tools) if isinstance(tools, list) and '"parameters"' in system else None


def _objects(text: str) -> Iterator[object]:
    """Yields the JSON objects of a text one after another, up to the first that cannot be read."""
    position = text.find("{")
    while position >= 0:
        try:
            value, end = DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield value
        position = text.find("{", end)


def _parsed_list(value: object, what: str, where: str) -> list[object]:
    """Reads a list, or what may stand for one: JSON text, objects one below another, or one object."""
    if isinstance(value, str):
        several = list(_objects(value)) if value.strip().startswith("{") else []
        value = several if len(several) > 1 else _parsed(value, what, where)
    if isinstance(value, dict):
        return [cast("object", value)]
    if not isinstance(value, list):
        raise DataError(f"{where}: {what} must be a list, got {short(value)}")
    return cast("list[object]", value)


def _parsed(value: object, what: str, where: str) -> object:
    """Returns what a text in JSON, or as Python or Glaive write it, holds; anything else is returned as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return DECODER.decode(text)
    except RepeatedKeyError as error:
        raise DataError(f"{where}: {what} {error}") from error
    except (ValueError, RecursionError) as error:
        fault = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    head, _, rest = text.partition("'{")
    inner, _, tail = rest.rpartition("}'")
    try:
        if inner or tail:  # {"name": "f", "arguments": '{"a": 1}'}
            return DECODER.decode(f"{head}{{{inner}}}{tail}")
        if len(text) <= _MAX_LITERAL_CHARS:
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        pass
    raise DataError(f"{where}: {what} must be JSON, but {fault}: {short(text)}")
