"""The tag syntax: what is read as calls, what is an attempt that failed, what is no attempt, and the bounds."""

import json
import time

import pytest

from reward_score.tool_calls.json import MAX_CALLS, MAX_NESTING, Call
from reward_score.tool_calls.parser import FORMATS, MAX_ANSWER_CHARS, MAX_REMEMBERED_CHARS, parse_calls

TAGS = ("hermes", "toolrl")
F = '{"name": "f", "arguments": {"a": 1}}'
G = '{"name": "g", "parameters": {}}'
BOTH = (Call("f", {"a": 1}), Call("g", {}))


@pytest.mark.parametrize(
    ("answer", "calls", "outside"),
    [
        (f"<tool_call>\n{F}\n</tool_call>", BOTH[:1], ("", "")),
        (f"<tool_call>{F}</tool_call>", BOTH[:1], ("", "")),
        (f"<tool_call>\n{F}\n</tool_call>\n<tool_call>\n{G}\n</tool_call>", BOTH, ("", "\n", "")),
        (f"<tool_call>\n{F}\n{G}\n</tool_call>", BOTH, ("", "")),
        (f"<tool_call>{F}{G}</tool_call>", BOTH, ("", "")),
        (f"<tool_call>\n{F}\r\n\n \t{G}\n\n</tool_call>", BOTH, ("", "")),
        (f"<tool_call>\n[{F}, {G}]\n</tool_call>", BOTH, ("", "")),
        (f"<tool_call>[{F}] {G}</tool_call>", BOTH, ("", "")),
        (f"Sure {{x}}: <tool_call>{F}</tool_call> done", BOTH[:1], ("Sure {x}: ", " done")),
        (f"<tool_call>{F}</tool_call></tool_call>", BOTH[:1], ("", "</tool_call>")),
        (f"<tool_call>[]{F}</tool_call>", BOTH[:1], ("", "")),
        (f"<tool_call>[]</tool_call> <tool_call>{F}</tool_call>", BOTH[:1], ("", " ", "")),
        # From reports on servers' parsers: brackets and tags in strings, the arguments first, nesting, other blanks.
        (
            '<tool_call>{"arguments": {"a": "{b; [\\"</tool_call>", "\\u00e9": {"x": {"y": [{}]}}}, "name": "f"}'
            "</tool_call>",
            (Call("f", {"a": '{b; ["</tool_call>', "é": {"x": {"y": [{}]}}}),),
            ("", ""),
        ),
        (f"<tool_call>\u00a0{F}\u2028</tool_call>", BOTH[:1], ("", "")),
        (f"{{x}} <tool_call>{F}</tool_call> used {{f}}", BOTH[:1], ("{x} ", " used {f}")),
        # An empty list says that there are no calls.
        ("<tool_call>[]</tool_call>", (), ("", "")),
        ("<tool_call>\n[ ]\n</tool_call>", (), ("", "")),
        ("None. <tool_call>[]</tool_call>", (), ("None. ", "")),
        ('<tool_call>{"name": "f", "arguments": {"a": 1}, "parameters": {"a": 1}}</tool_call>', BOTH[:1], ("", "")),
        ('<tool_call>{"type": "function", "name": "f", "arguments": {"a": 1}}</tool_call>', BOTH[:1], ("", "")),
        ('<tool_call>{"function": "f", "name": "f", "arguments": {"a": 1}}</tool_call>', BOTH[:1], ("", "")),
        (
            '<tool_call>{"name": "f", "arguments": {"a": 1, "b": 2}, "parameters": {"b": 2, "a": 1}}</tool_call>',
            (Call("f", {"a": 1, "b": 2}),),
            ("", ""),
        ),
        ('<tool_call>{"id": 7, "name": "f", "arguments": {"a": 1}}</tool_call>', BOTH[:1], ("", "")),
        (
            '<tool_call>{"name": "f", "arguments": {"a": "</tool_call><tool_call>"}}</tool_call>',
            (Call("f", {"a": "</tool_call><tool_call>"}),),
            ("", ""),
        ),
        (
            '<tool_call>{"name": "", "arguments": {"\\u00e9": [null, true, -1.5e3, {"x": []}]}}</tool_call>',
            (Call("", {"é": [None, True, -1500.0, {"x": []}]}),),
            ("", ""),
        ),
    ],
)
def test_calls_are_read(answer, calls, outside):
    reading = parse_calls(answer, TAGS)
    assert reading == (calls, True, "", outside)
    assert parse_calls(answer, ["toolrl"]) == parse_calls(answer, "hermes") == reading


@pytest.mark.parametrize(
    ("inside", "fault"),
    [
        ("", "a block without a call"),
        ("\n\n", "a block without a call"),
        ("null", "no JSON object"),
        ("[[]]", "no JSON object"),
        ('{"name": "f", "arguments": {"a": 1}, "parameters": {"a": 2}}', "arguments and parameters that differ"),
        ('{"name": "f", "parameters": {"a": 1}, "arguments": {}}', "arguments and parameters that differ"),
        ('{"name": "f", "arguments": {"a": 1}, "parameters": {"a": true}}', "arguments and parameters that differ"),
        ('{"name": "f", "arguments": {"a": 1}, "parameters": {"a": 1.0}}', "arguments and parameters that differ"),
        ('{"name": "f", "arguments": {"a": 1}, "parameters": null}', "arguments and parameters that differ"),
        ('{"name": "f", "arguments": {"a": 1}, "parameters": "{}"}', "arguments and parameters that differ"),
        ('{"name": "f", "function": "g", "arguments": {}}', "a name and a function that differ"),
        ('{"name": "f", "function": {"name": "g"}, "arguments": {}}', "a name and a function that differ"),
        (F[:-1], "no JSON object: Expecting ',' delimiter"),
        ("{" + F + "}", "no JSON object: Expecting property name enclosed in double quotes"),
        (F.replace('"', "'"), "no JSON object: Expecting property name enclosed in double quotes"),
        ('{"name": "f", "arguments": {"a": 1,}}', "no JSON object"),
        ('{"name": "f", "arguments": {"a": "x\ny"}}', "no JSON object: Invalid control character at"),
        (f"{F}, {G}", "no JSON object: Expecting value"),
        (f"{F}; {G}", "no JSON object: Expecting value"),
        (f"{F} and {G}", "no JSON object: Expecting value"),
        (f"Here: {F}", "no JSON object: Expecting value"),
        (f"{F}}}", "no JSON object: Expecting value"),
        (f"```json\n{F}\n```", "no JSON object: Expecting value"),
        (f"<tool_call>{F}", "no JSON object: Expecting value"),
        ("f(a=1)", "no JSON object"),
        ("[1]", "no JSON object"),
        ('"f"', "no JSON object"),
        (f"\ufeff{F}", "no JSON object: Expecting value"),
        ("f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>", "no JSON object: Expecting value"),
        ("<function=f>\n<parameter=a>\n1\n</parameter>\n</function>", "no JSON object: Expecting value"),
        ('{"name": <function-name>, "arguments": <args-json-object>}', "no JSON object: Expecting value"),
        ('{"name": "f", "arguments": {"a": True}}', "no JSON object: Expecting value"),
        ('{"name": "f", "arguments": {"a": +5}}', "no JSON object: Expecting value"),
        ('{"name": "f", "arguments": {"a": 1}}{"a": 1}', "no name that is a string"),
        ('{"name": "f", "arguments": ""}', "no arguments that are an object"),
        ('{"type": "function", "function": {"name": "f", "arguments": {}}}', "no name that is a string"),
        (f"<|im_start|>{F}", "no JSON object: Expecting value"),
        ("[[" + F + "]]", "no JSON object"),
        ("{}", "no name that is a string"),
        ('{"name": 1, "arguments": {}}', "no name that is a string"),
        ('{"arguments": {}}', "no name that is a string"),
        ('{"name": "f"}', "no parameters that are an object"),
        ('{"name": "f", "arguments": null}', "no arguments that are an object"),
        ('{"name": "f", "arguments": [1]}', "no arguments that are an object"),
        ('{"name": "f", "arguments": "{\\"a\\": 1}"}', "no arguments that are an object"),
        ('{"name": "f", "arguments": null, "parameters": {}}', "no arguments that are an object"),
        ('{"name": "f", "name": "g", "arguments": {}}', "a key stands twice"),
        ('{"name": "f", "arguments": {"a": {"b": 1, "b": 1}}}', "a key stands twice"),
        ('{"name": "f", "arguments": {"a": NaN}}', "NaN is no JSON number"),
        ('{"name": "f", "arguments": {"a": -Infinity}}', "-Infinity is no JSON number"),
        ('{"name": "f", "arguments": {"a": 1e999}}', "a number too large"),
        ('{"name": "f", "arguments": {"a": ' + "9" * 5000 + "}}", "a number with too many digits"),
        ('{"name": "f", "arguments": {"a": ' + "[" * 100_000 + "}}", "nested too deeply"),
        ('{"name": "f", "arguments": {"a": ' + "[" * 100 + "]" * 100 + "}}", "nested too deeply"),
    ],
)
def test_one_broken_block_makes_the_answer_unreadable(inside, fault):
    for answer in (f"<tool_call>{inside}</tool_call>", f"<tool_call>{F}</tool_call><tool_call>{inside}</tool_call>"):
        calls, attempted, found, _ = parse_calls(answer, TAGS)
        assert (calls, attempted) == ((), True)
        assert found.startswith(fault)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (f"<tool_call>{F}", "no </tool_call>"),
        (f"<tool_call>{F}</tool_call><tool_call>", "no </tool_call>"),
        ("<tool_call>", "no </tool_call>"),
        (f"<tool_call>{F}</tool_call", "no JSON object"),
        (f"{F}</tool_call>", "</tool_call> without <tool_call>"),
        (f"</tool_call>{F}<tool_call>", "no </tool_call>"),
        # Prose that names the tag: it begins a call all the same.
        ("I could write <tool_call> here.", "no JSON object"),
        ("I will not emit a `<tool_call>`.", "no JSON object"),
    ],
)
def test_tags_without_their_pair_are_a_failed_attempt(answer, fault):
    calls, attempted, found, outside = parse_calls(answer, TAGS)
    assert (calls, attempted, outside) == ((), True, None)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "answer", ["", "hello", F, f"[{F}]", f"```json\n{F}\n```", f"{F}; {G}", "[f(a=1)]", "<tool_calls>"]
)
def test_other_syntaxes_are_no_attempt_unless_asked_for(answer):
    assert parse_calls(answer, TAGS) == ((), False, "", (answer,))


def test_tags_are_an_attempt_whatever_is_asked_for():
    calls, attempted, fault, _ = parse_calls(f"<tool_call>{F}</tool_call>", ["json", "python"])
    assert (calls, attempted, fault) == ((), True, "<tool_call> is not the format asked for")


def test_an_empty_list_in_tags_says_no_call_whatever_is_asked_for():
    assert parse_calls("<tool_call>[]</tool_call>", ["json"]) == ((), True, "", ("", ""))


def test_what_stands_around_a_single_broken_block_is_known():
    assert parse_calls("a<tool_call>x</tool_call>b", TAGS).outside == ("a", "b")
    assert parse_calls("a<tool_call>x</tool_call>b<tool_call>y</tool_call>c", TAGS).outside is None


@pytest.mark.parametrize("formats", [["xml"], ["hermes", "Toolrl"], "x", [], ["hermes", ""]])
def test_unknown_format_is_refused(formats):
    with pytest.raises(ValueError, match="formats must be some of hermes, toolrl, json, llama, python, got"):
        parse_calls("", formats)


def test_bounds_are_exact():
    most = f"<tool_call>{F * MAX_CALLS}</tool_call>"
    assert len(parse_calls(most, TAGS).calls) == MAX_CALLS
    assert parse_calls(f"{most}<tool_call>{F}</tool_call>", TAGS).fault == f"more than {MAX_CALLS} calls"
    assert parse_calls(f"<tool_call>{F * (MAX_CALLS + 1)}</tool_call>", TAGS).fault == f"more than {MAX_CALLS} calls"
    for levels, fault in ((MAX_NESTING - 1, ""), (MAX_NESTING, "nested too deeply")):
        # The arguments themselves are one level.
        text = '<tool_call>{"name": "f", "arguments": {"a": ' + "[" * levels + "]" * levels + "}}</tool_call>"
        assert parse_calls(text, TAGS).fault == fault
    assert parse_calls("x" * MAX_ANSWER_CHARS, TAGS) == ((), False, "", ("x" * MAX_ANSWER_CHARS,))
    calls, attempted, fault, _ = parse_calls("x" * (MAX_ANSWER_CHARS + 1), TAGS)
    assert (calls, attempted, fault) == ((), True, "more than 200000 characters")


def test_wide_values_are_not_taken_for_deep_ones():
    value = [[1], {"a": []}] * 500
    answer = f"<tool_call>{json.dumps({'name': 'f', 'arguments': {'a': value}})}</tool_call>"
    assert parse_calls(answer, TAGS).calls == (Call("f", {"a": value}),)


def test_equal_short_answers_share_one_reading_and_long_ones_are_not_kept():
    for blanks, shared in ((0, True), (MAX_REMEMBERED_CHARS, False)):
        answer = f"<tool_call>{' ' * blanks}{F}</tool_call>"
        one, other = parse_calls(answer, TAGS), parse_calls(answer, TAGS)
        assert one == other
        assert (one is other) is shared


HOSTILE = {
    "open tags": "<tool_call>" * 20_000,
    "open tags, lines": "<tool_call>\n" * 16_000,
    "close tags": "</tool_call>" * 16_000,
    "open braces": "{" * 20_000,
    "braces in a block": "<tool_call>" + "{" * 150_000,
    "brackets in a block": "<tool_call>" + "[" * 100_000,
    "objects in a block": "<tool_call>" + '{"a":' * 30_000,
    "an open string": '<tool_call>{"name": "' + "\\" * 190_000,
    "blanks in a block": "<tool_call>" + " " * 190_000,
    "blocks of blanks": "<tool_call> </tool_call>" * 8_000,
    "fences": "```" * 60_000,
    "fences, json": "```json\n" * 24_000,
    "fences, brackets": "``` [" * 39_000,
    "semicolons": '{"":1};' * 28_000,
    "python brackets": "[f(" + "[" * 190_000,
    "python signs": "[f(x=" + "-" * 190_000 + "1)]",
    "a fence and blanks": "```" + " " * 190_000 + "x",
    "a python fence and blanks": "```python" + " " * 190_000 + "```",
    "python quotes": "[f(x=" + "'" * 19_000 + ")]",
    "python escapes": "[f(x=" + "\\'\"" * 6_000 + ")]",
    "python sum": "[f(x=1" + "+1" * 9_000 + ")]",
    "python names": "[" + "a." * 90_000,
    "python powers": "[f(x=9**9**9**9**9)]",
    "python products": "[f(x=" + "*".join(["9" * 18] * 30) + ")]",
    "python string products": "[f(x='a'*10**10)]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_no_time_and_gives_no_call(name):
    start = time.process_time()
    reading = parse_calls(HOSTILE[name], FORMATS)
    assert time.process_time() - start < 0.5  # of this process's own time; measured: below 0.05 s
    assert reading.calls == ()
