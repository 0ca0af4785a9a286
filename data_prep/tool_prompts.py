"""What is asked of a model that may call functions, and the responses that are right: one place for every style.

verl 0.9.1 cannot give each row tools of its own (its agent loop renders `prompt` alone, `data.tool_config_path` holds
for all rows), so the functions stand in the system message, as the chat template would put them there.

Sources: `hermes` the chat template of Qwen3, which writes this text itself where it is given tools, as does that of
Qwen2.5 behind a system message of its own; `toolrl` ToolRL's benchmarks/BFCL/rlla_qwen.py and dataset/rlla_4k
(https://github.com/qiancheng0/ToolRL). `toolrl_handler` is that file to the letter: BFCL's own types, a system message
of the conversation left out, and a call of "None" offered.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, cast

from data_prep.schema import Message
from reward_score.tool_calls.json import Call

THINKING: Final = ("asked", "opened", "none")
"""Whether a response has to think: from its first token on, after the `<think>` that the template ends in, or not."""

HERMES_TOOLS: Final = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""

TOOLRL_SYSTEM: Final = """You are a helpful multi-turn dialogue assistant capable of leveraging tool calls to solve \
user tasks and provide structured chat responses.

**Available Tools**
In your response, you can use the following tools:
{tools}

**Steps for Each Turn**
1. **Think:** Recall relevant context and analyze the current user goal.
2. **Decide on Tool Usage:** If a tool is needed, specify the tool and its parameters.
3. **Respond Appropriately:** If a response is needed, generate one while maintaining consistency across user queries.

**Output Format**
```plaintext
<think> Your thoughts and reasoning </think>
<tool_call>
{{"name": "Tool name", "parameters": {{"Parameter name": "Parameter content", "... ...": "... ..."}}}}
{{"name": "... ...", "parameters": {{"... ...": "... ...", "... ...": "... ..."}}}}
...
</tool_call>
<response> AI's final response </response>
```

**Important Notes**
1. You must always include the `<think>` field to outline your reasoning. Provide at least one of `<tool_call>` or \
`<response>`. Decide whether to use `<tool_call>` (possibly multiple times), `<response>`, or both.
2. You can invoke multiple tool calls simultaneously in the `<tool_call>` fields. Each tool call should be a JSON \
object with a "name" field and an "parameters" field containing a dictionary of parameters. If no parameters are \
needed, leave the "parameters" field an empty dictionary.
3. Refer to the previous dialogue records in the history, including the user's queries, previous `<tool_call>`, \
`<response>`, and any tool feedback noted as `<obs>` (if exists)."""

# ToolRL's own evaluation goes on ", or call the tool with the name as 'None'" and lets such calls pass for none; for
# the verifier a call is a call.
TOOLRL_REQUEST: Final = (
    "If there's no appropriate tools to apply or required parameters are missing, please directly inform me in your"
    " response without any tool call. Otherwise, you should use one or more necessary tool calls to complete the given"
    " task in this turn."
)
HANDLER_REQUEST: Final = TOOLRL_REQUEST.replace("tool call.", "tool call, or call the tool with the name as 'None'.", 1)

# "selectioin" is theirs.
TOOLRL_SESSION_REQUEST: Final = (
    "Use the one or more necessary tool calls to complete the task. You could perform tool calls for multiple rounds so"
    " you can try and error. Please make a comprehensive plan about how to achieve the goal step by step, and begin to"
    " call the tool step by step. If no tools apply or required parameters are missing, please also directly state this"
    " in your response without tool calls."
)
TOOLRL_GO_ON: Final = (
    "If you think you have completed the current task, or the task cannot be finished, please respond directly without"
    " additional tool calls. If you encounter an error during tool execution or the task remains unfinished, retry with"
    " the one or more necessary tool calls according to your thought and plan until completion. Based on the tool"
    " execution feedback, reflect on if understanding or selectioin of tool is wrong, what tool calling step is"
    " missing, and how to achieve the task goal from now on."
)

TOOLRL_HISTORY: Final = "**Dialogue Records History**"

_THOUGHT_TO_CALL: Final = "I should use the appropriate tool with proper parameters to respond to the user's need."
_THOUGHT_TO_ANSWER: Final = "I should directly respond to the user's need."
_ANSWER: Final = "None of the functions can be used here."

_JSON_SCHEMA_TYPES: Final = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}


class SessionMessage(Message, total=False):
    """A message of a session; a "tool" message is the result of a `call`."""

    call: str


class ToolStyle(NamedTuple):
    """A way of offering functions."""

    prompt: Callable[[Sequence[Message], Sequence[Mapping[str, object]]], list[Message]]
    """Makes the chat messages of a conversation and the functions offered."""
    response: Callable[[Sequence[Call], str], str]
    """Makes a response that gives the calls, or answers where there are none; the last argument is one of THINKING."""
    think: str
    """Which of THINKING holds by default."""
    session: Callable[[Sequence[SessionMessage], Sequence[Mapping[str, object]]], list[Message]]
    """Makes the chat messages of a session so far."""
    as_handler: bool = False
    """Whether BFCL's own texts go with it: the language behind each description, and functions that are added during a
    session shown in their turn, not in the system's message."""


def add_think_option(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Adds `--think`; without a default the prompt style's holds."""
    told = "%(default)s" if default else "asked with toolrl, none with hermes"
    parser.add_argument(
        "--think",
        choices=THINKING,
        default=default,
        help=f"whether a response has to think: asked, opened by the chat template, none (default {told})",
    )


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a schema with BFCL's types (`dict`, `float`, `tuple`, `any`) as JSON Schema, which models know."""
    shown = dict(schema)
    if isinstance(kind := schema.get("type"), str):
        shown["type"] = _JSON_SCHEMA_TYPES.get(kind, kind)
    if isinstance(properties := schema.get("properties"), dict):
        fields = cast("dict[str, Any]", properties)
        shown["properties"] = {name: _shown_field(field) for name, field in fields.items()}
    if isinstance(items := schema.get("items"), dict):
        shown["items"] = json_schema(cast("dict[str, Any]", items))
    return shown


def _shown_field(field: object) -> object:
    return json_schema(cast("Mapping[str, Any]", field)) if isinstance(field, dict) else field


def _hermes_prompt(messages: Sequence[Message], functions: Sequence[Mapping[str, object]]) -> list[Message]:
    if not functions:
        return list(messages)
    tools = "\n".join(
        json.dumps({"type": "function", "function": _shown_function(function)}, ensure_ascii=False)
        for function in functions
    )
    system, rest = _split_system(messages)
    return [{"role": "system", "content": "\n\n".join([*system, HERMES_TOOLS.format(tools=tools)])}, *rest]


def _hermes_session(messages: Sequence[SessionMessage], functions: Sequence[Mapping[str, object]]) -> list[Message]:
    shown: list[Message] = []
    for before, message in zip([None, *messages], messages, strict=False):
        if message["role"] != "tool":
            shown.append({"role": message["role"], "content": message["content"]})
            continue
        # As Qwen's templates write a tool's message; those of one step are one message.
        result = f"<tool_response>\n{message['content']}\n</tool_response>"
        if before is not None and before["role"] == "tool":
            shown[-1]["content"] += f"\n{result}"
        else:
            shown.append({"role": "user", "content": result})
    return _hermes_prompt(shown, functions)


def _hermes_response(calls: Sequence[Call], think: str) -> str:
    blocks = [
        f"<tool_call>\n{json.dumps({'name': call.name, 'arguments': call.arguments})}\n</tool_call>" for call in calls
    ]
    thought = {"asked": "<think>\n{}\n</think>\n\n", "opened": "{}\n</think>\n\n", "none": ""}[think]
    return thought.format(_thought(calls)) + ("\n".join(blocks) if calls else _ANSWER)


def _toolrl_prompt(messages: Sequence[Message], functions: Sequence[Mapping[str, object]]) -> list[Message]:
    system, rest = _split_system(messages)
    turns = [_toolrl_turn(message) for message in rest]
    turns[-1] = _toolrl_turn(rest[-1], TOOLRL_REQUEST)
    return [
        {"role": "system", "content": "\n\n".join([_toolrl_system(map(_shown_function, functions)), *system])},
        {"role": "user", "content": "\n".join([TOOLRL_HISTORY, *turns])},
    ]


def _toolrl_system(functions: Iterable[Mapping[str, object]]) -> str:
    tools = "\n".join(
        f"{number}. Name: {function['name']}\nDescription: {function['description']}\nParameters: "
        + json.dumps(cast("Mapping[str, Any]", function["parameters"]).get("properties", {}))
        for number, function in enumerate(functions, start=1)
    )
    return TOOLRL_SYSTEM.format(tools=tools)


def _toolrl_session(messages: Sequence[SessionMessage], functions: Sequence[Mapping[str, object]]) -> list[Message]:
    history = _handler_history(TOOLRL_SESSION_REQUEST, messages)
    return [{"role": "system", "content": _toolrl_system(map(_shown_function, functions))}, history]


def _handler_prompt(
    request: str, messages: Sequence[Message] | Sequence[SessionMessage], functions: Sequence[Mapping[str, object]]
) -> list[Message]:
    history = _handler_history(request, messages)
    return [{"role": "system", "content": f"{_toolrl_system(functions)}\n"}, history]


def _handler_history(request: str, messages: Sequence[Message] | Sequence[SessionMessage]) -> Message:
    text = f"{TOOLRL_HISTORY}\n"
    for message in messages:
        content = message["content"].strip()
        if message["role"] == "user":
            text += f"<user> {content}\n{request} </user>\n"
        elif message["role"] == "assistant":
            text += f"\n{content}\n"
        elif message["role"] == "tool":
            call = cast("SessionMessage", message).get("call", "").strip()
            text += f"<obs> You have made the tool call {call}. Execution returns: {content} </obs>\n"
    if messages[-1]["role"] == "tool":
        text += f"\n<user> {TOOLRL_GO_ON} </user>\n"
    return {"role": "user", "content": text.strip()}


def _toolrl_turn(message: Message, request: str = "") -> str:
    text = message["content"].strip()
    if message["role"] == "assistant":
        return f"\n<response> {text} </response>\n"
    return f"<user> {text}\n{request} </user>" if request else f"<user> {text} </user>"


def _toolrl_response(calls: Sequence[Call], think: str) -> str:
    thought = {"asked": "<think> {} </think>\n", "opened": " {} </think>\n", "none": ""}[think]
    thought = thought.format(_thought(calls))
    if not calls:
        return f"{thought}<response> {_ANSWER} </response>"
    lines = [json.dumps({"name": call.name, "parameters": call.arguments}) for call in calls]
    return "\n".join([f"{thought}<tool_call>", *lines, "</tool_call>"])


def _shown_function(function: Mapping[str, object]) -> dict[str, object]:
    shown = dict(function)
    shown["parameters"] = json_schema(cast("Mapping[str, Any]", function["parameters"]))
    return shown


def _split_system(messages: Sequence[Message]) -> tuple[list[str], Sequence[Message]]:
    first = messages[0]
    return ([first["content"]], messages[1:]) if first["role"] == "system" else ([], messages)


def _thought(calls: Sequence[Call]) -> str:
    return _THOUGHT_TO_CALL if calls else _THOUGHT_TO_ANSWER


TOOL_STYLES: Final = {
    "hermes": ToolStyle(_hermes_prompt, _hermes_response, "none", _hermes_session),
    "toolrl": ToolStyle(_toolrl_prompt, _toolrl_response, "asked", _toolrl_session),
    "toolrl_handler": ToolStyle(
        partial(_handler_prompt, HANDLER_REQUEST),
        _toolrl_response,
        "asked",
        partial(_handler_prompt, TOOLRL_SESSION_REQUEST),
        as_handler=True,
    ),
}
