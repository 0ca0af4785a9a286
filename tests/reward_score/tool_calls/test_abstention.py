"""Attempts to call in other syntaxes, told from text that only speaks of functions."""

import json
import time

import pytest

from reward_score.tool_calls.abstention import find_attempt
from reward_score.tool_calls.verify import verify_bfcl

OFFERED = ("get_weather", "m.f", "sum")
F = '{"name": "get_weather", "arguments": {"city": "Rome"}}'
P = F.replace("arguments", "parameters")

ATTEMPTS = [
    # The tag, spelled wrong.
    *(f"<{tag}>{F}</{tag}>" for tag in ("tool_cal", "toolcall", "tool-call", "tool_calls", "TOOL_CALL", "Tool_Call")),
    *(f"<{tag}>x</{tag}>" for tag in ("tol_call", "tool_cll", "toolcal", "too_call", "tool_caal", "tool_cals")),
    "<tool_call name='get_weather'/>",
    "< tool_call >x",
    "<tool call>\n{x\n</tool call>",
    "<|tool_call|>x",
    "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{}",
    "tool_call>\nget_weather",
    "<tool_call\nget_weather",
    "[tool_call] get_weather [/tool_call]",
    "{tool_call: get_weather}",
    "```tool_call\nget_weather\n```",
    "```tool_code\nprint(weather(city='Rome'))\n```",
    "<tool_code>get_weather()</tool_code>",
    "<tool_use>x</tool_use>",
    # The calls of other templates.
    f"[TOOL_CALLS][{F}]",
    "[TOOL_CALLS]get_weather{}",
    "[TOOL_CALLS] get_weather[ARGS]{}",
    'get_weather[ARGS]{"city": "Rome"}',
    f"[TOOL_REQUEST]{F}[END_TOOL_REQUEST]",
    f"<tools>{F}</tools>",
    "<tools>\n{'x'\n</tools>",
    f"<|python_tag|>{P}",
    "Sure.<|python_tag|>brave_search.call(query='x')",
    "<function=get_weather>{}</function>",
    "<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n</function>",
    '<function name="get_weather"><param name="city">Rome</param></function>',
    '<function_calls>\n<invoke name="get_weather">',
    '<invoke name="get_weather"><parameter name="city">Rome</parameter></invoke>',
    "<minimax:tool_call>x</minimax:tool_call>",
    "<seed:tool_call>x",
    "<longcat_tool_call>x",
    "<start_function_call>call:get_weather{}<end_function_call>",
    "<function_call> x",
    f"<function>\n{F}\n</function>",
    f"<tools> {F} </tool",
    f"<function-call> {F}",
    "get_weather Rome </function_invocation>",
    "<get_weather><city>Rome</city></get_weather>",
    '<get_weather city="Rome"/>',
    'Tool: get_weather\nInput: {"city": "Rome"}',
    '**Tool**: `get_weather`\n**Arguments**:\n```json\n{"city": "Rome"}\n```',
    'get_weather(city: "Rome")',
    f"<functioncall> {F} </functioncall>",
    "<TOOLCALL>[x]</TOOLCALL>",
    f"functools[{F}]",
    f"<|action_start|><|plugin|>{F}<|action_end|>",
    "<|START_ACTION|>[x]",
    "✿FUNCTION✿: get_weather\n✿ARGS✿: {}",
    "<|tool▁calls▁begin|><|tool▁call▁begin|>function<|tool▁sep|>get_weather".replace(
        "|", "\N{FULLWIDTH VERTICAL LINE}"
    ),
    "<|channel|>commentary to=functions.get_weather <|message|>{}",
    "Thought: I need it.\nAction: get_weather\nAction Input: Rome",
    'get_weather\n{"city": "Rome"}',
    'get_weather{"city": "Rome"}',
    'call:get_weather{"city": "Rome"}',
    # JSON, anywhere.
    F,
    f"[{F}]",
    f"Here is the call:\n{P}",
    f"```json\n{F}\n```",
    f"I call:\n```\n[{F}]\n```\nDone.",
    f"<|im_start|>\n{F}",
    F.replace('"', "'"),
    json.dumps(F),
    '{"tool_calls": [' + F + "]}",
    '{"tool": "get_weather", "args": {"city": "Rome"}}',
    '{"function": "get_weather", "parameters": {"city": "Rome"}}',
    '{"function": {"name": "get_weather", "arguments": "{}"}}',
    '{"action": "get_weather", "action_input": {"city": "Rome"}}',
    '{"function_call": {"name": "x"}}',
    '{name: "get_weather", arguments: {city: "Rome"}}',
    '{"get_weather": {"city": "Rome"}}',
    '[{"get_weather": {"city": "Rome"}}]',
    '{"name": "get_weather", "arguments": {"city": "Ro',
    # Python.
    "[get_weather(city='Rome')]",
    "get_weather(city='Rome')",
    "['get_weather(city=\"Rome\")']",
    '["get_weather(city=Rome)"]',
    "[unknown(city='Rome')]",
    "unknown(city='Rome')",
    "get_weather(city='Rome');",
    "Sure! get_weather(city='Rome')",
    "I call m.f(x=1).",
    "Let me look: `get_weather(city='Rome')`",
    "Let me look:\n\n    get_weather(city='Rome')\n",
    "- get_weather(city='Rome')\n- m.f(x=1)",
    "1. [get_weather(city='Rome')]",
    "```python\nprint(get_weather(city='Rome'))\n```",
    "```python\nweather = functions.get_weather(\n    city='Rome',\n)\n```",
    "```js\nconst x = get_weather({city: 'Rome'});\n```",
    "The call is [get_weather(city='Rome')], I think, for it.",
    "default_api.get_weather(city='Rome')",
    "get_weather({'city': 'Rome'})",
    "I look it up.\nget_weather()",
    "[get_weather()]\n\nThis gets the weather.",
    "[get_weather(city='Rome') for x in y]",
]
NO_ATTEMPTS = [
    "I cannot do that.",
    "None of the functions fits: get_weather needs a city.",
    "The function `get_weather` takes a city.",
    "The function get_weather() is for the weather only.",
    "The only one is get_weather().",
    "Use `get_weather()`, which needs a city.",
    "I have get_weather (for cities) and m.f (for sums).",
    "get_weather(city) needs a city.",
    "- get_weather(city: str): gives the weather\n- sum(a, b): adds",
    "get_weather(city='Rome') would do, but you asked for Mars.",
    "With a city I could call `get_weather(city='Rome')`, but there is none.",
    "With a city I could call `get_weather(city='Rome')`.",
    "def get_weather(city='Rome'):\n    return 1",
    "```python\ndef get_weather(city='Rome'):\n    ...\n```",
    "```python\nimport math\nmath.sqrt(x=2)\nprint(area(base=10, height=5))\n```",
    "Use this: ```python\nprint(max(3, 5))\n```",
    "f(2) = 4, and sin(x) = 1.",
    "P(A) = 0.5",
    "If x < tool or a<b then c>d.",
    "<response>I cannot.</response>",
    "<table><tr><td>total</td></tr></table> <code>x</code> <location> <typical>",
    "A tool call is not possible here.",
    "No tool calls are needed; no function call either.",
    "tool_call",
    "I made no tool_call, as none fits.",
    '{"error": "no function fits"}',
    '{"answer": "Rome"}',
    '{"name": "Rome", "population": 5}'.replace("name", "city"),
    "The schema is "
    '{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}, so no.',
    'Function: get_weather\nParameters: {"type": "object", "properties": {"city": {"type": "string"}}}',
    "Function: get_weather\nParameters: city, a string. Input: Rome.",
    "It has the parameters {'type': 'dict', 'properties': {}} and the name 'get_weather'.",
    'The dataset looks like {"name": "Bob", "age": 5}.',
    "[]",
    "```json\n[]\n```",
    '{"tool_calls": []}',
    "[Note] I cannot. [1] [2]",
    "Action: none needed.",
    "Input: a city. Action: the weather.",
    "The input {city} is missing.",
    "Tools: none. [Tools are missing]",
    "申し訳ありませんが、get_weather は使えません。",
]


@pytest.mark.parametrize("answer", ATTEMPTS)
def test_attempts(answer):
    assert find_attempt(answer, OFFERED)
    assert find_attempt(f"I will do it.\n{answer}", OFFERED) or answer in (
        "[unknown(city='Rome')]",
        "unknown(city='Rome')",
    )


@pytest.mark.parametrize("answer", NO_ATTEMPTS)
def test_text_that_speaks_of_functions_is_no_attempt(answer):
    assert find_attempt(answer, OFFERED) == ""
    assert find_attempt(f"I cannot.\n{answer}\nSorry.", OFFERED) == ""


FUNCTIONS = [{"name": name, "parameters": {"type": "dict", "properties": {}, "required": []}} for name in OFFERED]
IRRELEVANCE = json.dumps({"v": 1, "category": "irrelevance", "functions": FUNCTIONS, "possible_answer": []})


def test_only_abstention_is_paid():
    for answer in ATTEMPTS:
        verdict = verify_bfcl(answer, IRRELEVANCE)
        assert (verdict.score, verdict.acc, verdict.format) == (-3.0, 0.0, 0.0), answer
    for answer in NO_ATTEMPTS:
        verdict = verify_bfcl(answer, IRRELEVANCE)
        assert (verdict.score, verdict.acc, verdict.format) == (4.0, 1.0, 1.0), answer


UNITS = [
    "<",
    "< ",
    "<a",
    "<tool",
    "</tool_",
    "[",
    "[ ",
    "{",
    "{ ",
    "{ '",
    "(",
    "a(",
    "a (",
    "a.",
    "sum(",
    "sum()",
    "sum(a",
]
UNITS += [
    "sum(a=",
    "sum (",
    "sum {",
    "sum  ",
    "`sum(a=1)` x ",
    '"name":',
    '{"name":"',
    '"arguments": ',
    ", ",
    '{"sum": ',
]
UNITS += [
    "*",
    " ",
    "\n",
    "Action",
    "Action Input",
    "```",
    "``` ",
    "```json\n{",
    "functools ",
    "<function ",
    "<invoke a",
    "\\",
]
UNITS += [
    "a",
    "_",
    "1",
    "é",
    "to=",
    "m.f(x='",
    ") ",
    "sum(a=1) x\n",
    "def sum(a=1)",
    "[sum(",
    "'",
    "tool_call ",
    "x.sum(",
]


@pytest.mark.parametrize("unit", UNITS)
def test_time_is_linear(unit):
    for tail in ("x", "\n{"):
        text = unit * (190_000 // len(unit)) + tail
        start = time.process_time()
        find_attempt(text, OFFERED)
        assert time.process_time() - start < 0.3  # of this process's own time; measured: below 0.08 s


def test_many_different_tags_are_bounded():
    text = "".join(f"<tol_{chr(97 + n // 676 % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n % 26)}>" for n in range(15_000))
    start = time.process_time()
    assert find_attempt(text, OFFERED)
    assert time.process_time() - start < 0.1
