"""How functions are offered, against Qwen's chat template and ToolRL's own rows; the responses that are right."""

import copy
import json
import re
from functools import cache

import jinja2.sandbox
import pyarrow.parquet as pq
import pytest

from data_prep.tool_prompts import (
    HANDLER_REQUEST,
    THINKING,
    TOOL_STYLES,
    TOOLRL_GO_ON,
    TOOLRL_REQUEST,
    TOOLRL_SESSION_REQUEST,
    json_schema,
)
from reward_score import compute_score
from reward_score.tool_calls.json import Call

QWEN3 = r"""
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\n\n' }}
    {%- endif %}
    {{- "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function\
 signatures within <tools></tools> XML tags:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within\
 <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n\
</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{{- '<|im_start|>assistant\n' }}
""".replace("\\\n", "")
"""The part of Qwen3's chat template that writes tools and dialogues without calls or thoughts, word for word.

Source: `chat_template` in tokenizer_config.json of https://huggingface.co/Qwen/Qwen3-8B (Apache-2.0).
"""


@cache
def template():
    """Compiles as transformers does: these two settings, and `tojson` writes JSON without escapes for HTML or ASCII."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(QWEN3)


def render(messages, tools=()):
    return template().render(messages=messages, tools=list(tools))


def as_tools(functions):
    """What a user would give as `tools=`: the functions with their types replaced where the type of a schema stands."""
    tools = [{"type": "function", "function": copy.deepcopy(function)} for function in functions]
    schemas = [tool["function"]["parameters"] for tool in tools]
    names = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
    while schemas:
        schema = schemas.pop()
        schema["type"] = names.get(schema["type"], schema["type"])
        schemas.extend(schema.get("properties", {}).values())
        schemas.extend([schema["items"]] if "items" in schema else [])
    return tools


def read_lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("category", ["parallel_multiple", "live_parallel_multiple", "live_relevance", "live_simple"])
def test_hermes_prompts_are_what_the_chat_template_makes_of_tools(shared_data, category):
    for row in read_lines(shared_data / "bfcl_v3" / f"BFCL_v3_{category}.json"):
        (messages,), functions = row["question"], row["function"]
        prompt = TOOL_STYLES["hermes"].prompt(messages, functions)
        assert render(prompt) == render(messages, as_tools(functions)), row["id"]
        assert [message["role"] for message in prompt][:2] == ["system", "user"]


NASTY = {
    "name": "ns.f",
    "description": 'braces {tools} {0} "quotes" \\ <tools> café 日本 \u2028 % {{x}}\nnew line',
    "parameters": {
        "type": "dict",
        "properties": {
            "type": {"type": "dict", "properties": {"properties": {"type": "tuple", "items": {"type": "float"}}}},
            "properties": {"type": "any", "description": "dict", "default": {"type": "dict"}},
            "items": {"type": "array", "items": {"type": "dict", "properties": {"n": {"type": "float"}}}},
            "required": {"type": "boolean", "enum": ["dict", "float"]},
            "default": {"type": "integer", "format": "float", "maximum": 2},
            "table": {"type": "array", "items": {"type": "array", "items": {"type": "any"}}},
        },
        "required": ["type", "properties"],
    },
}
SHOWN = {
    "type": "object",
    "properties": {
        "type": {"type": "object", "properties": {"properties": {"type": "array", "items": {"type": "number"}}}},
        "properties": {"type": "string", "description": "dict", "default": {"type": "dict"}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "number"}}}},
        "required": {"type": "boolean", "enum": ["dict", "float"]},
        "default": {"type": "integer", "format": "float", "maximum": 2},
        "table": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
    },
    "required": ["type", "properties"],
}


def test_types_are_those_of_json_schema_and_names_and_values_stay():
    given = copy.deepcopy(NASTY["parameters"])
    # As text, so that the order counts as well.
    assert json.dumps(json_schema(given)) == json.dumps(SHOWN)
    assert given == NASTY["parameters"]


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "string"}, {"type": "string"}),
        ({"type": "object"}, {"type": "object"}),
        ({}, {}),
        ({"type": ["dict", "float"]}, {"type": ["dict", "float"]}),
        ({"type": "array", "items": ["dict"]}, {"type": "array", "items": ["dict"]}),
        ({"properties": {"dict": "float"}}, {"properties": {"dict": "float"}}),
        ({"properties": ["dict"]}, {"properties": ["dict"]}),
        ({"type": "dict", "properties": {}}, {"type": "object", "properties": {}}),
    ],
)
def test_what_is_no_type_of_bfcls_is_left_as_it_is(schema, shown):
    assert json_schema(schema) == shown


SYSTEM = {"role": "system", "content": "Be {brief}."}
ASKED = {"role": "user", "content": " What? "}
ANSWERED = {"role": "assistant", "content": "Which one?"}


DIALOGUES = [[ASKED], [SYSTEM, ASKED], [ASKED, ANSWERED, ASKED], [SYSTEM, ASKED, SYSTEM, ASKED]]


@pytest.mark.parametrize("messages", DIALOGUES)
@pytest.mark.parametrize("functions", [[], [NASTY], [NASTY, {**NASTY, "name": "g"}]])
def test_a_hermes_prompt_renders_as_tools_do_whatever_is_in_it(messages, functions):
    prompt = TOOL_STYLES["hermes"].prompt(copy.deepcopy(messages), functions)
    assert render(prompt) == render(messages, as_tools(functions))
    if not functions:
        assert prompt == messages


def test_a_hermes_system_message_by_hand():
    function = {"name": "f", "description": "Does é.", "parameters": {"type": "dict", "properties": {}}}
    system, asked = TOOL_STYLES["hermes"].prompt([SYSTEM, ASKED], [function, function])
    shown = json.dumps({**function, "parameters": {"type": "object", "properties": {}}}, ensure_ascii=False)
    tool = f'{{"type": "function", "function": {shown}}}'
    assert system["content"].startswith("Be {brief}.\n\n# Tools\n\nYou may call one or more functions")
    assert f"<tools>\n{tool}\n{tool}\n</tools>" in system["content"]
    assert system["content"].endswith('\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>')
    assert asked == ASKED


def toolrl_rows(shared_data):
    return pq.read_table(shared_data / "toolrl" / "rlla_4k_test.parquet").to_pylist()


TOOLRL_TOOL = re.compile(r"^[0-9]+\. Name: (.*)\nDescription: (.*)\nParameters: (\{.*\})$", re.MULTILINE)


def test_a_toolrl_system_message_is_that_of_toolrls_own_rows(shared_data):
    compared = 0
    for row in toolrl_rows(shared_data):
        system = row["prompt"][0]["content"]
        head, listed = system.split("can use the following tools:\n", 1)
        listed, tail = listed.split("\n\n**Steps for Each Turn**\n", 1)
        asked = TOOL_STYLES["toolrl"].prompt([ASKED], [NASTY])
        shown_head, shown = asked[0]["content"].split("can use the following tools:\n", 1)
        assert (shown_head, shown.split("\n\n**Steps for Each Turn**\n", 1)[1]) == (head, tail)
        # The tools as well, where their free text has no type of BFCL's.
        functions = [
            {"name": name, "description": description, "parameters": {"type": "dict", "properties": json.loads(fields)}}
            for name, description, fields in TOOLRL_TOOL.findall(listed)
        ]
        if not re.search(r'"type": "(dict|float|tuple|any)"', listed):
            assert TOOL_STYLES["toolrl"].prompt([ASKED], functions)[0]["content"] == system
            compared += 1
    # 22 of the 80 rows have such a type.
    assert compared == 58


def test_a_toolrl_prompt_folds_the_dialogue_into_one_user_message():
    prompt = TOOL_STYLES["toolrl"].prompt([SYSTEM, ASKED, ANSWERED, ASKED], [NASTY])
    assert [message["role"] for message in prompt] == ["system", "user"]
    # The row's own system message comes after the tools, where BFCL puts it too.
    assert prompt[0]["content"].endswith("noted as `<obs>` (if exists).\n\nBe {brief}.")
    assert prompt[0]["content"].count("Be {brief}.") == 1
    history = prompt[1]["content"]
    assert history.startswith("**Dialogue Records History**\n<user> What? </user>\n")
    assert "<response> Which one? </response>" in history
    assert history.endswith(f"\n<user> What?\n{TOOLRL_REQUEST} </user>")
    assert history.count(TOOLRL_REQUEST) == history.count("<response>") == 1
    assert history.count("<user>") == history.count("</user>") == 2


def test_a_toolrl_dialogue_of_one_question():
    (_, asked) = TOOL_STYLES["toolrl"].prompt([ASKED], [NASTY])
    assert asked["content"] == f"**Dialogue Records History**\n<user> What?\n{TOOLRL_REQUEST} </user>"
    assert len(TOOLRL_REQUEST.splitlines()) == 1
    assert "None" not in TOOLRL_REQUEST


def test_turns_are_apart_as_in_toolrls_own_dialogues(shared_data):
    def gaps(text):
        return set(re.findall(r"(</(?:user|response)>)(\s*)<", text))

    own = set().union(*(gaps(row["prompt"][1]["content"]) for row in toolrl_rows(shared_data)))
    assert own == {("</user>", "\n\n"), ("</response>", "\n\n")}
    (_, asked) = TOOL_STYLES["toolrl"].prompt([ASKED, ANSWERED, ASKED, ANSWERED, ASKED], [NASTY])
    assert gaps(asked["content"]) == own


def test_toolrl_shows_name_description_and_parameters_of_each_function():
    bare = {"name": "g", "description": "No parameters.", "parameters": {"type": "dict"}}
    system = TOOL_STYLES["toolrl"].prompt([ASKED], [NASTY, bare])[0]["content"]
    fields = json.dumps(SHOWN["properties"])
    assert f"1. Name: ns.f\nDescription: {NASTY['description']}\nParameters: {fields}\n2. Name: g\n" in system
    assert "2. Name: g\nDescription: No parameters.\nParameters: {}\n\n**Steps" in system


CALLS = [Call("ns.f", {"x": 'a "b" </tool_call> é', "y": [1.5, None, True]}), Call("g", {})]


def ground_truth(calls):
    """The text that accepts these calls and no others."""
    fields = {name: {"type": "any"} for call in calls for name in call.arguments}
    parameters = {"type": "dict", "properties": fields, "required": []}
    wanted = [{call.name: {name: [value] for name, value in call.arguments.items()}} for call in calls]
    functions = [{"name": call.name, "parameters": parameters} for call in calls]
    category = "parallel" if calls else "irrelevance"
    return json.dumps({"v": 1, "category": category, "functions": functions, "possible_answer": wanted})


@pytest.mark.parametrize("calls", [CALLS[1:], CALLS, []], ids=["one call", "two calls", "no call"])
@pytest.mark.parametrize("think", THINKING)
@pytest.mark.parametrize("style", TOOL_STYLES)
def test_a_response_earns_full_marks(style, think, calls):
    response = TOOL_STYLES[style].response(calls, think)
    extra_info = {"think": think, "prompt_style": style}
    verdict = compute_score("bfcl_v3/parallel", response, ground_truth(calls), extra_info)
    # 3 for the calls and 1 for the form.
    assert (verdict["score"], verdict["acc"], verdict["format"]) == (4.0, 1.0, 1.0)
    assert response.startswith("<think>") == (think == "asked")
    assert response.count("</think>") == (think != "none")


@pytest.mark.parametrize(
    ("style", "think", "calls", "response"),
    [
        (
            "hermes",
            "asked",
            [Call("f", {"x": 1})],
            "<think>\nI should use the appropriate tool with proper parameters to respond to the user's need.\n"
            '</think>\n\n<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>',
        ),
        (
            "hermes",
            "none",
            [Call("f", {}), Call("g", {})],
            '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>\n'
            '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>',
        ),
        (
            "toolrl",
            "asked",
            [Call("f", {"x": 1}), Call("g", {})],
            "<think> I should use the appropriate tool with proper parameters to respond to the user's need. </think>\n"
            '<tool_call>\n{"name": "f", "parameters": {"x": 1}}\n{"name": "g", "parameters": {}}\n</tool_call>',
        ),
        (
            "toolrl",
            "opened",
            [],
            " I should directly respond to the user's need. </think>\n"
            "<response> None of the functions can be used here. </response>",
        ),
    ],
)
def test_responses_are_written_as_the_models_write_them(style, think, calls, response):
    assert TOOL_STYLES[style].response(calls, think) == response


HISTORY = [
    {"role": "user", "content": " Sort a. ", "call": ""},
    {"role": "assistant", "content": "<think> Well. </think>\n<tool_call>\n...\n</tool_call>", "call": ""},
    {"role": "tool", "content": "b\nc", "call": "sort(file='a')"},
    {"role": "tool", "content": " none \n", "call": "ls()"},
]
FUNCTION = {
    "name": "sort",
    "description": "Sorts.",
    "parameters": {"type": "dict", "required": [], "properties": {"share": {"type": "float"}}},
}


def test_a_session_in_hermes_style_gives_results_as_the_chat_template_does():
    system, *rest = TOOL_STYLES["hermes"].session(HISTORY, [FUNCTION])
    assert '"properties": {"share": {"type": "number"}}' in system["content"]
    assert rest == [
        {"role": "user", "content": " Sort a. "},
        {"role": "assistant", "content": HISTORY[1]["content"]},
        {
            "role": "user",
            "content": "<tool_response>\nb\nc\n</tool_response>\n<tool_response>\n none \n\n</tool_response>",
        },
    ]


@pytest.mark.parametrize(("style", "kind"), [("toolrl", "number"), ("toolrl_handler", "float")])
def test_a_session_in_toolrls_style_is_one_dialogue(style, kind):
    system, user = TOOL_STYLES[style].session(HISTORY, [FUNCTION])
    assert f'1. Name: sort\nDescription: Sorts.\nParameters: {{"share": {{"type": "{kind}"}}}}\n' in system["content"]
    assert user["content"] == (
        "**Dialogue Records History**\n"
        f"<user> Sort a.\n{TOOLRL_SESSION_REQUEST} </user>\n"
        "\n<think> Well. </think>\n<tool_call>\n...\n</tool_call>\n"
        "<obs> You have made the tool call sort(file='a'). Execution returns: b\nc </obs>\n"
        "<obs> You have made the tool call ls(). Execution returns: none </obs>\n"
        f"\n<user> {TOOLRL_GO_ON} </user>"
    )


def test_the_handlers_prompt_leaves_out_the_system_message_and_offers_none():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": " Yes? "},
        {"role": "user", "content": "Sort."},
    ]
    system, user = TOOL_STYLES["toolrl_handler"].prompt(messages, [FUNCTION])
    assert system["content"].endswith("(if exists).\n")
    assert user["content"] == (
        f"**Dialogue Records History**\n<user> Hi.\n{HANDLER_REQUEST} </user>\n"
        f"\nYes?\n<user> Sort.\n{HANDLER_REQUEST} </user>"
    )
    assert ", or call the tool with the name as 'None'. Otherwise, " in HANDLER_REQUEST
