"""The form of a response: thinking, and what stands around the calls."""

import pytest

from reward_score.response import after_thinking
from reward_score.tool_calls.format import has_form, read_thinking
from reward_score.tool_calls.parser import parse_calls
from reward_score.verdict import GroundTruthError

CALL = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
SAID = "<response>hi</response>"
THINK = "<think>t</think>"


def form(response, wanted, thinking="none", formats=("hermes",)):
    answer = after_thinking(response)
    return has_form(response[: len(response) - len(answer)], parse_calls(answer, formats), wanted, thinking)


@pytest.mark.parametrize(
    ("wanted", "answer", "right"),
    [
        ("calls", CALL, True),
        ("calls", f"\n\n{CALL}\n\n{CALL}\n", True),
        ("calls", "<tool_call>broken</tool_call>", True),  # as in ToolRL: its content is another matter
        ("calls", "<tool_call>broken</tool_call><tool_call>broken</tool_call>", False),
        ("calls", CALL[:-1], False),
        ("calls", f"Sure. {CALL}", False),
        ("calls", f"{CALL} Done.", False),
        ("calls", f"{CALL} and {CALL}", False),
        ("calls", f"{CALL}</tool_call>", False),
        ("calls", f"{CALL}\n{SAID}", False),
        ("calls", SAID, False),
        ("calls", "hello", False),
        ("calls", "", False),
        ("response", SAID, True),
        ("response", f"\n{SAID}\n", True),
        ("response", "<response></response>", True),
        ("response", "hello", False),
        ("response", f"{SAID}{SAID}", False),
        ("response", f"hello {SAID}", False),
        ("response", f"{SAID} hello", False),
        ("response", "<response>hi", False),
        ("response", "<response>", False),
        ("response", "<response><response>hi</response>", False),
        ("response", "", False),
        ("response", f"<response>{CALL}</response>", False),
        ("response", f"{CALL}\n{SAID}", False),
        ("calls and response", f"{CALL}\n{SAID}", True),
        ("calls and response", f"{CALL}{CALL}{SAID}", True),
        ("calls and response", CALL, False),
        ("calls and response", SAID, False),
        ("calls and response", f"{SAID}{CALL}", False),
        ("calls and response", f"{CALL}{SAID}{CALL}", False),
        ("text", "hello", True),
        ("text", SAID, True),
        ("text", "", False),
        ("text", " \n", False),
        ("text", "<tool_call>[]</tool_call>", True),
        ("text", "<tool_call></tool_call>", False),
        ("response", "<tool_call>[]</tool_call>", False),
        ("calls", "<tool_call>[]</tool_call>", True),  # as in ToolRL, again
        ("text", CALL, False),
        ("text", f"hello {CALL}", False),
        ("text", "a </tool_call> b", False),
        ("nothing", "", True),
        ("nothing", "\n", True),
        ("nothing", "hello", False),
        ("nothing", CALL, False),
    ],
)
def test_the_answer(wanted, answer, right):
    assert form(answer, wanted) is right
    assert form(f"{THINK}{answer}", wanted, "asked") is right


@pytest.mark.parametrize(
    ("thinking", "head", "right"),
    [
        ("none", "", True),
        ("none", "<think>t</think>", True),
        ("none", "t</think>", True),
        ("none", "Sure. <think>t</think>", False),
        ("asked", "<think></think>", True),
        ("asked", "<think>a</think> b </think>", True),
        ("asked", "", False),
        ("asked", "t</think>", False),
        ("asked", "Sure. <think>t</think>", False),
        ("opened", "t</think>", True),
        ("opened", "<think>t</think>", True),
        ("opened", "", False),
        ("opened", "t <think>t</think>", False),
    ],
)
def test_the_thinking(thinking, head, right):
    assert form(f"{head}\n\n{CALL}", "calls", thinking) is right


def test_other_syntaxes_have_a_form_too():
    call = '{"name": "f", "arguments": {}}'
    assert form(call, "calls", formats=["json"])
    assert form(f"```json\n{call}\n```", "calls", formats=["json"])
    assert not form(f"Sure:\n```json\n{call}\n```", "calls", formats=["json"])
    assert not form(call, "text", formats=["json"])
    assert not form(f"{call} x", "calls", formats=["json"])
    assert form("[f(a=1)]", "calls", formats=["python"])


@pytest.mark.parametrize(
    ("extra_info", "default", "thinking"),
    [
        (None, "none", "none"),
        ({}, "asked", "asked"),
        ({"think": ""}, "asked", "asked"),
        ({"think": None}, "none", "none"),
        ({"think": "asked"}, "none", "asked"),
        ({"think": True}, "none", "asked"),
        ({"think": "opened"}, "none", "opened"),
        ({"think": "none"}, "asked", "none"),
        ({"think": False}, "asked", "none"),
    ],
)
def test_the_rows_flag(extra_info, default, thinking):
    assert read_thinking(extra_info, default) == thinking


@pytest.mark.parametrize("flag", ["yes", 2, ["asked"], {"x": 1}])
def test_another_flag_is_the_rows_fault(flag):
    with pytest.raises(GroundTruthError, match=r"extra_info\['think'\] must be asked, opened, none or a boolean, got"):
        read_thinking({"think": flag}, "none")
