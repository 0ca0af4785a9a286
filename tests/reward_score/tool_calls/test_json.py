"""The canonical text of calls: equal calls alike, others not, never long."""

import json

import pytest

from reward_score.tool_calls.json import Call, print_calls
from reward_score.verdict import MAX_PRED_CHARS


def test_it_is_json_with_sorted_keys_and_calls():
    calls = [Call("g", {}), Call("f", {"b": [1, (2.5, None)], "a": {"y": True, "x": "é\n\ud800"}})]
    text = print_calls(calls)
    assert text == (
        '[{"name":"f","arguments":{"a":{"x":"\\u00e9\\n\\ud800","y":true},"b":[1,[2.5,null]]}},'
        '{"name":"g","arguments":{}}]'
    )
    assert print_calls(calls[::-1]) == text
    assert print_calls([]) == "[]"


@pytest.mark.parametrize(
    "value", [0, -1, 1.0, 1e300, 0.1, True, False, None, "", '"\\/\x00\u2028', [], {}, [[]], {"": {}}, 10**50, -0.0]
)
def test_values_print_as_json_does(value):
    expected = json.dumps([{"name": "f", "arguments": {"x": value}}], separators=(",", ":"))
    assert print_calls([Call("f", {"x": value})]) == expected


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (1, "1"), (None, "null"), ([], {}), ([1, 2], [2, 1])])
def test_values_that_differ_print_differently(one, other):
    assert print_calls([Call("f", {"x": one})]) != print_calls([Call("f", {"x": other})])


def test_long_ones_are_cut_and_still_told_apart():
    long = [print_calls([Call("f", {"x": "a" * 1000 + end})]) for end in "xyx"]
    assert [len(text) for text in long] == [MAX_PRED_CHARS] * 3
    assert long[0] == long[2] != long[1]
    assert long[0][:-16] == long[1][:-16]
    # 35 characters stand around the value.
    assert len(print_calls([Call("f", {"x": "a" * (MAX_PRED_CHARS - 35)})])) == MAX_PRED_CHARS
    assert "#" not in print_calls([Call("f", {"x": "a" * (MAX_PRED_CHARS - 35)})])
    assert "#" in print_calls([Call("f", {"x": "a" * (MAX_PRED_CHARS - 34)})])
