"""The optional syntaxes of bare JSON and of Llama 3.1."""

import pytest

from reward_score.tool_calls.json import Call, UnreadableError
from reward_score.tool_calls.parser import read_json, read_llama

F = '{"name": "f", "arguments": {"a": 1}}'
G = '{"name": "g", "parameters": {}}'
BOTH = [Call("f", {"a": 1}), Call("g", {})]


@pytest.mark.parametrize(
    ("answer", "calls", "outside"),
    [
        (F, BOTH[:1], ("",)),
        (f" [{F}, {G}]\n", BOTH, ("",)),
        (f"{F}\n{G}", BOTH, ("",)),
        (f"```json\n[{F}, {G}]\n```", BOTH, ("", "")),
        (f"```\n{F}\n```", BOTH[:1], ("", "")),
        (f'```json\n{{"a": 1}}\n``` and\n```json\n{F}\n```', BOTH[:1], ('```json\n{"a": 1}\n``` and\n', "")),
        (f"Here:\n```json\n{F}\n```\nand\n```json\n{G}\n```\n", BOTH, ("Here:\n", "\nand\n", "\n")),
    ],
)
def test_json_is_read(answer, calls, outside):
    assert read_json(answer) == (calls, outside)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "hello",
        "[]",
        "[ ]",
        "[Note] hello",
        "{x}",
        "```python\nprint()\n```",
        "``` x ```",
        "```\n{x}\n```",
        f"x {F}",
        # JSON without a key that calls have.
        "{}",
        "[{}]",
        '{"error": "no function fits"}',
        '[{"error": "no function fits"}]',
        '{"error": "the \\"name\\": is missing"}',
        '{"answer": 5}',
        '{"answer": 5',
        '["no", "function"]',
        '```json\n{"error": "no function fits"}\n```',
        "```json\n[]\n```",
    ],
)
def test_what_does_not_look_like_json_is_no_attempt(answer):
    assert read_json(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        '{"name": "f"}',
        '{"error": "x", "name": "f"}',
        '{"tool_calls": [1]}',
        '{"function": "f", "args": {}}',
        F[:-1],
        f"{F} done",
        f"{F}; {G}",
        f"[{F}",
        f"```json\n{F}",
        f"```json\n{F}\n}}\n```",
    ],
)
def test_json_that_is_no_call_is_unreadable(answer):
    with pytest.raises(UnreadableError):
        read_json(answer)


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        (F, BOTH[:1]),
        (f"{F}; {G}", BOTH),
        (f"{F};{G}", BOTH),
        (f"<|python_tag|>{F}", BOTH[:1]),
        (f"<|python_tag|> {F} ; {G}\n", BOTH),
        ('{"type": "function", "name": "f", "parameters": {"a": "x; y"}}', [Call("f", {"a": "x; y"})]),
    ],
)
def test_llama_is_read(answer, calls):
    assert read_llama(answer) == (calls, ("",))


@pytest.mark.parametrize("answer", ["", "hello", f"[{F}]", "{x}", f"x {F}", f"; {F}", '{"a": 1}', '{"error": "x"}'])
def test_what_does_not_look_like_llama_is_no_attempt(answer):
    assert read_llama(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        "<|python_tag|>",
        "<|python_tag|>print(1)",
        f"<|python_tag|>; {F}",
        f"{F}; ",
        f"{F};; {G}",
        f"{F}, {G}",
        f"{F} done",
        '{"name": 1}',
    ],
)
def test_llama_that_is_no_call_is_unreadable(answer):
    with pytest.raises(UnreadableError):
        read_llama(answer)
