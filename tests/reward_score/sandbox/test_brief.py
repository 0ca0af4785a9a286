"""What is judged without a child process: plain numbers and short calls, and nothing that holds anything else."""

import pytest

from reward_score import compute_score
from reward_score.sandbox import brief, guard
from reward_score.sandbox.brief import MAX_CALL_CHARS, MAX_NUMBER_CHARS, ends_in_number, is_short_call

PLAIN = ["5", "-5", "1,234", "0.5", " 5 ", "$5$", "5.", "**5**", "5\n"]
NOT_PLAIN = [
    "",
    "x",
    "5x",
    "1/2",
    "5 apples",
    r"\frac12",
    "1e5",
    "--5",
    "1.2.3",
    "²",
    "٣",
    "5" * (MAX_NUMBER_CHARS + 1),
]


@pytest.mark.parametrize(
    ("asked", "form"), [("hash", "#### {}"), ("answer_line", "Answer: {}"), ("boxed", r"\boxed{{{}}}")]
)
def test_a_plain_number_behind_the_marker_that_was_asked_for_is_brief(asked, form):
    is_brief = ends_in_number(asked)
    for number in PLAIN:
        assert is_brief("thought " + form.format(number), "5", None, {}), number
        assert is_brief(form.format("5"), number, {"answer_format": ""}, {}), number
    for other in NOT_PLAIN:
        assert not is_brief(form.format(other), "5", None, {}), other
        assert not is_brief(form.format("5"), other, None, {}), other
    for gold, wanted in ((5, True), (10**60, False), (0.5, False), (["5"], False), (None, False), ({"a": 5}, False)):
        assert is_brief(form.format("5"), gold, None, {}) is wanted
    # Another form than the one asked for, or none that is known.
    for info in (
        {"answer_format": "other"},
        {"answer_format": 5},
        {"answer_format": ["hash"]},
        [("answer_format", asked)],
    ):
        assert not is_brief(form.format("5"), "5", info, {})
    others = {"hash", "answer_line", "boxed"} - {asked}
    assert not any(is_brief(form.format("5"), "5", {"answer_format": other}, {}) for other in others)


@pytest.mark.parametrize(
    "response",
    [
        r"\boxed{5} and more",
        r"\boxed{x}, \boxed{5}",  # one answer with two members
        r"\boxed{5}<|im_end|>",
        r"\boxed{5",
        r"\boxed{5}}" + "}" * 40,
        "Answer: 5 #### x",
    ],
)
def test_a_box_with_anything_else_about_is_not(response):
    wanted = response == r"\boxed{5"  # cut off: read as such, and quickly
    assert ends_in_number("boxed")(response, "5", None, {}) is wanted


def test_calls_are_brief_by_their_length_and_format():
    short, end = "x" * 90 + "</think>", "y" * (MAX_CALL_CHARS - 8)
    assert is_short_call(short + end, "", None, {})
    assert is_short_call("x" * 10**6 + short + end, "", None, {"formats": ["toolrl", "hermes"]})
    assert not is_short_call(short + end + "y", "", None, {})
    assert not is_short_call("y" * (MAX_CALL_CHARS + 1), "", None, {})
    for formats in (["python"], ["hermes", "json"], "hermes", 5, [[]]):
        assert not is_short_call("", "", None, {"formats": formats})


@pytest.mark.parametrize(
    ("source", "response", "gold"),
    [
        ("openai/gsm8k", "#### 5", "5"),
        ("dipo/arithmetic", "#### 5", "5"),
        ("math_dapo", "Answer: 5", "5"),
        ("math500", r"So \boxed{5}.", "5"),
        ("rlla", '<think>a</think><tool_call>{"name": "f", "arguments": {}}</tool_call>', "<response>r</response>"),
    ],
)
def test_what_is_brief_is_judged_here_and_as_in_a_child(source, response, gold, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(guard, "_pool", lambda: pytest.fail("a child was asked"))
        here = compute_score(source, response, gold)
    monkeypatch.setattr(brief, "MAX_NUMBER_CHARS", -1)
    monkeypatch.setattr(brief, "MAX_CALL_CHARS", -1)
    asked = []
    ask = guard._ask
    monkeypatch.setattr(guard, "_ask", lambda *arguments: asked.append(1) or ask(*arguments))
    assert compute_score(source, response, gold) == here
    assert asked
