"""The two verifiers whole: rows that want calls and rows that want none, scales, options, hostile responses."""

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reward_score import GroundTruthError, compute_score
from reward_score.tool_calls.parser import FORMATS
from reward_score.tool_calls.verify import verify_bfcl, verify_rlla
from reward_score.verdict import FAILURES, Verdict

FUNCTION = {
    "name": "m.f",
    "parameters": {
        "type": "dict",
        "properties": {"days": {"type": "integer"}, "city": {"type": "string"}},
        "required": ["days"],
    },
}
OTHER = {"name": "g", "parameters": {"type": "dict", "properties": {}, "required": []}}
WANTED = [{"m.f": {"days": [4], "city": ["Rome", ""]}}]


def row(category, possible_answer=(), functions=(FUNCTION, OTHER)):
    entry = {"v": 1, "category": category, "functions": functions, "possible_answer": possible_answer}
    return json.dumps(entry)


MULTIPLE = row("multiple", WANTED)
PARALLEL = row("parallel_multiple", [*WANTED, {"g": {}}])
IRRELEVANCE = row("irrelevance")
RELEVANCE = row("live_relevance")


def call(name="m.f", key="arguments", **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, key: arguments})}\n</tool_call>"


# Of 1 + (1 + 1) points for m.f(days=4), where the city may be left out; + 1 for the form. Score = 6 points / 3 - 3 + 1.
@pytest.mark.parametrize(
    ("response", "score", "form", "pred", "reason"),
    [
        (call(days=4), 4, 1, '[{"name":"m.f","arguments":{"days":4}}]', "correct"),
        (call(key="parameters", city="ROME", days=4), 4, 1, None, "correct"),
        (f"<think>{call(days=1)}</think>\n\n{call(days=4)}", 4, 1, None, "correct"),
        (f"<think>f</think>{call(days=4)}</s>", 4, 1, None, "correct"),
        (f"Sure. {call(days=4)}", 3, 0, None, "correct"),
        (call(days=3), 6 * 2 / 3 - 2, 1, None, "argument 'days': 3 is not among [4]"),
        (call(days="4"), 6 * 2 / 3 - 2, 1, None, "argument 'days': type str for integer"),
        (call(), 6 * 1 / 3 - 2, 1, None, "missing argument 'days'"),
        (call(days=4, x=1), 6 * 2.5 / 3 - 2, 1, None, "unexpected argument 'x'"),
        (call("g"), -2, 1, None, "function 'g' for 'm.f'"),
        (call("m_f", days=4), -2, 1, None, "unknown function 'm_f'"),
        (call(days=4) + call(days=4), 6 * 2.5 / 3 - 2, 1, None, "wrong number of calls: 2 for 1"),
        (call(days=4) + call("h"), 6 * 2.5 / 3 - 2, 1, None, "wrong number of calls: 2 for 1"),
        ("I cannot.", -3, 0, "[]", "no call"),
        ("", -3, 0, "[]", "no call"),
        (call(days=4)[:-1], -3, 0, "", "unparsable: no JSON object: Expecting value"),
        ("<tool_call>x</tool_call>", -2, 1, "", "unparsable: no JSON object: Expecting value"),
        (f"<think>{call(days=4)}", -3, 0, "", "unfinished thinking"),
        ("<tool_call>[]</tool_call>", -2, 1, "[]", "no call"),
        # Right calls followed by a broken block.
        (f"{call(days=4)}<tool_call>", -3, 0, "", "unparsable: no </tool_call>"),
        (call(days=4) + call(days=4)[:-14], -3, 0, "", "unparsable: no JSON object: Expecting ',' delimiter"),
        # The whole response counts, whatever markers stand in it.
        (f"{call(days=1)}<|im_start|>assistant\n{call(days=4)}", 2, 0, None, "wrong number of calls: 2 for 1"),
    ],
)  # fmt: skip
def test_a_row_that_wants_a_call(response, score, form, pred, reason):
    verdict = verify_bfcl(response, MULTIPLE)
    assert verdict.score == pytest.approx(score, abs=1e-12)
    assert (verdict.acc, verdict.format, verdict.reason) == (float(reason == "correct"), form, reason)
    assert pred is None or verdict.pred == pred


def test_the_order_of_parallel_calls_is_free_and_they_print_alike():
    one, other = verify_bfcl(call(days=4) + call("g"), PARALLEL), verify_bfcl(call("g") + call(days=4), PARALLEL)
    assert one == other
    assert (one.score, one.reason) == (4.0, "correct")


@pytest.mark.parametrize("category", ["irrelevance", "live_irrelevance"])
@pytest.mark.parametrize(
    ("response", "score", "form", "reason"),
    [
        ("I cannot do that.", 4, 1, "correct"),
        ("<think>hm</think>\n\nI cannot.", 4, 1, "correct"),
        ("<response>I cannot.</response>", 4, 1, "correct"),
        ("m.f(days=4) would do", 4, 1, "correct"),
        ("<tool_call>[]</tool_call>", 4, 1, "correct"),
        ("<think>hm</think>\n<tool_call>\n[]\n</tool_call>\n", 4, 1, "correct"),
        ("I cannot. <tool_call>[]</tool_call>", 4, 1, "correct"),
        ("[]", 4, 1, "correct"),
        ("```json\n[]\n```", 4, 1, "correct"),
        ('{"error": "no function fits"}', 4, 1, "correct"),
        ("", -3, 0, "no response"),
        (" \n", -3, 0, "no response"),
        ("<think>hm</think>", -3, 0, "no response"),
        ("<response></response>", -2, 1, "no response"),
        ("!?", -2, 1, "no response"),
        ("asdfgh jkl", -2, 1, "no response"),
        (f"{call(days=4)}<|im_start|>assistant\nI cannot.", -3, 0, "call not wanted"),
        (f"I cannot.<|im_end|>{call(days=4)}", -3, 0, "call not wanted"),
        ("<tool_call></tool_call>", -3, 0, "unparsable: a block without a call"),
        ("I will not emit a <tool_call>.", -3, 0, "unparsable: no JSON object: Expecting value"),
        (call(days=4), -3, 0, "call not wanted"),
        (call("unknown"), -3, 0, "call not wanted"),
        (f"I cannot. {call(days=4)}", -3, 0, "call not wanted"),
        (call(days=4)[:-1], -3, 0, "unparsable: no JSON object: Expecting value"),
        ("<tool_call>x</tool_call>", -3, 0, "unparsable: no JSON object: Expecting value"),
        ("<tool_call>", -3, 0, "unparsable: no </tool_call>"),
        ("<think>hm", -3, 0, "unfinished thinking"),
        ("x" * 200_001, -3, 0, "unparsable: more than 200000 characters"),
    ],
)
def test_a_row_that_wants_no_call(category, response, score, form, reason):
    verdict = verify_bfcl(response, row(category))
    assert (verdict.score, verdict.acc, verdict.format) == (score, float(reason == "correct"), form)
    assert verdict.reason == reason
    if reason == "correct":
        assert verdict.pred == "[]"


def test_a_text_has_to_be_a_response_where_the_prompt_said_so():
    extra_info = {"prompt_style": "toolrl", "think": "asked"}
    for response, form in [
        ("<think>t</think>\n<response>No.</response>", 1.0),
        ("<think>t</think>\nNo.", 0.0),
        ("<response>No.</response>", 0.0),
    ]:
        verdict = verify_bfcl(response, IRRELEVANCE, extra_info)
        assert (verdict.acc, verdict.format) == (1.0, form)


@pytest.mark.parametrize(
    ("response", "score", "reason"),
    [
        (call("m.f", anything=1), 4, "correct"),
        (call("g") + call("m.f", days=1), 4, "correct"),
        ("".join(call("m.f", days=days) for days in range(8)), 4, "correct"),
        ("".join(call("m.f", days=days) for days in range(9)), -2, "wrong number of calls: 9 for at most 8"),
        ("".join(call("m.f", days=days) for days in range(60)), -2, "wrong number of calls: 60 for at most 8"),
        (call("g") * 2, -2, "a call that stands twice, of 'g'"),
        (call("m.f", days=1) + call("g") + call("m.f", days=1), -2, "a call that stands twice, of 'm.f'"),
        (call("g") + call("unknown"), -2, "unknown function 'unknown'"),
        (call("unknown") + call("g"), -2, "unknown function 'unknown'"),
        ("<tool_call>[]</tool_call>", -2, "no call"),
        (call("unknown"), -2, "unknown function 'unknown'"),
        ("Which city?", -3, "no call"),
        ("", -3, "no call"),
        ("<tool_call>x</tool_call>", -2, "unparsable: no JSON object: Expecting value"),
    ],
)
def test_a_row_that_wants_any_call_wants_one_of_a_function_offered(response, score, reason):
    verdict = verify_bfcl(response, RELEVANCE)
    assert (verdict.score, verdict.acc, verdict.reason) == (score, float(reason == "correct"), reason)


@pytest.mark.parametrize("gold", [MULTIPLE, PARALLEL, IRRELEVANCE, RELEVANCE])
@pytest.mark.parametrize(
    "response", [call(days=4), "", "I cannot.", f"I could {call(days=4)}", f"<think>{call(days=4)}"]
)
def test_a_thought_that_the_prompt_opened_has_to_be_closed(gold, response):
    verdict = verify_bfcl(response, gold, {"think": "opened"})
    assert (verdict.score, verdict.acc, verdict.format, verdict.pred) == (-3.0, 0.0, 0.0, "")
    assert verdict.reason == "unfinished thinking"


def test_a_closed_thought_that_the_prompt_opened():
    assert verify_bfcl(f"hm</think>\n\n{call(days=4)}", MULTIPLE, {"think": "opened"}).score == 4.0
    assert verify_bfcl("hm</think>\n\nI cannot.", IRRELEVANCE, {"think": "opened"}).score == 4.0
    assert verify_bfcl(f"{call(days=1)}</think>{call(days=4)}", MULTIPLE, {"think": "opened"}).score == 4.0


@pytest.mark.parametrize(
    "response",
    [
        "m.f(days=4)",
        "[m.f(days=4)",
        '["m.f(days=4)"]',
        "['m.f(days=4)', 'g()']",
        "[m.f(days=4)]\n\nThis looks up the weather.",
        '[TOOL_CALLS][{"name": "m.f", "arguments": {"days": 4}}]',
        '<tools>{"name": "m.f", "arguments": {"days": 4}}</tools>',
    ],
)
@pytest.mark.parametrize("formats", [["python"], ["json"], ["hermes"], FORMATS])
def test_no_syntax_of_a_call_passes_for_abstention(response, formats):
    assert verify_bfcl(response, IRRELEVANCE, formats=formats).score <= -2.0
    python = "python" in formats and "m.f(days=4)" in response and not response.startswith('["')
    reads = python and "g()" not in response and "looks" not in response
    assert verify_bfcl(response, MULTIPLE, formats=formats).acc == float(reads)


def test_scales():
    for response, correct, form, acc in [(call(days=4), 3, 1, 1), (call(days=3), 1, 1, 0), ("", -3, 0, 0)]:
        assert verify_bfcl(response, MULTIPLE, scale="toolrl").score == pytest.approx(correct + form)
        assert verify_bfcl(response, MULTIPLE, scale="unit").score == pytest.approx((correct + form + 3) / 7)
        assert verify_bfcl(response, MULTIPLE, scale="binary").score == acc


@pytest.mark.parametrize(
    ("formats", "response"),
    [
        ("json", '[{"name": "m.f", "arguments": {"days": 4}}, {"name": "g", "arguments": {}}]'),
        ("json", '```json\n[{"name": "m.f", "arguments": {"days": 4}}, {"name": "g", "arguments": {}}]\n```'),
        ("llama", '{"name": "m.f", "parameters": {"days": 4}}; {"name": "g", "parameters": {}}'),
        ("python", "[m.f(days=2*2), g()]"),
    ],
)
def test_further_syntaxes_are_an_option(formats, response):
    assert verify_bfcl(response, PARALLEL).reason == "no call"
    assert verify_bfcl(response, PARALLEL, formats=[formats]).score == 4.0
    assert verify_bfcl(response, PARALLEL, formats=FORMATS).score == 4.0
    assert verify_bfcl(response, IRRELEVANCE).reason.startswith("unparsable: a call in another syntax")
    assert verify_bfcl(response, IRRELEVANCE, formats=FORMATS).reason == "call not wanted"
    assert verify_bfcl(response[:-7], IRRELEVANCE, formats=FORMATS).reason.startswith("unparsable: ")


@pytest.mark.parametrize(
    "verify", [lambda r, **o: verify_bfcl(r, MULTIPLE, **o), lambda r, **o: verify_rlla(r, call(), **o)]
)
@pytest.mark.parametrize("response", ["", "<think>", call(days=4)])
def test_unknown_options_are_refused_whatever_the_response(verify, response):
    with pytest.raises(ValueError, match="scale must be one of toolrl, unit, binary, got 'x'"):
        verify(response, scale="x")
    with pytest.raises(ValueError, match=r"formats must be some of .*, got \['x'\]"):
        verify(response, formats=["x"])


def test_through_compute_score():
    verdict = compute_score(
        "bfcl_v3/live_multiple", call(days=4), MULTIPLE, {}, scale="unit", reward_router_address="x"
    )
    assert verdict == {
        "score": 1.0,
        "acc": 1.0,
        "format": 1.0,
        "pred": '[{"name":"m.f","arguments":{"days":4}}]',
        "reason": "correct",
    }
    assert compute_score("rlla", "<think></think>" + call(days=4), call(days=4))["score"] == 4.0
    assert compute_score("bfcl_v3/x", "[g()]", RELEVANCE, formats=("python",))["acc"] == 1.0
    broken = compute_score("bfcl_v4/simple_java", call(days=4), row("simple_java", WANTED))
    assert broken["reason"].startswith("unparsable gold: the category must be one in Python, got simple_java")
    assert compute_score("rlla", "x", "")["reason"].startswith("unparsable gold: ")


def test_works_from_threads_and_pickles():
    assert pickle.loads(pickle.dumps((verify_bfcl, verify_rlla))) == (verify_bfcl, verify_rlla)
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda days: verify_bfcl(call(days=days), MULTIPLE), range(200)))
    assert [verdict.acc for verdict in verdicts] == [float(days == 4) for days in range(200)]


# Hostile responses. What they are made of: tags, JSON in pieces, deep and long text, and changed good answers.

TAGS = ["<tool_call>", "</tool_call>", "<think>", "</think>", "<response>", "</response>", "```json", "```"]
MARKERS = ["<|im_start|>assistant", "<|im_end|>", "<|python_tag|>"]
WORDS = ['"name"', '"arguments"', '"parameters"', '"m.f"', '"days"', "4", "4.0", "true", "null", "NaN", "1e999"]
PARTS = ['{"name": "m.f", "arguments": {"days": 4}}', '{"name": "g", "arguments": {}}', "[m.f(days=4)]"]
LONG = ["[" * 2000, "{" * 2000, "9" * 400, "-" * 30, "\u00e9" * 300]
ODD = ["\ud800", "\x00", "\u2028", "\N{FULLWIDTH LEFT CURLY BRACKET}", "\\ud800"]
PIECES = st.sampled_from([*TAGS, *MARKERS, *WORDS, *PARTS, *LONG, *ODD, *"{}[]\"\\,:;\n '()="])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
CALLS = st.builds(
    lambda name, key, value: json.dumps({"name": name, key: value}),
    st.sampled_from(["m.f", "g", "h"]) | JSON,
    st.sampled_from(["arguments", "parameters", "days"]),
    st.dictionaries(st.sampled_from(["days", "city", "x", ""]), JSON, max_size=3) | JSON,
)
BLOCKS = st.lists(CALLS, max_size=3).map(lambda calls: "\n".join(["<tool_call>", *calls, "</tool_call>"]))
GOOD = f"<think>t</think>\n{call(days=4)}{call('g')}"


@st.composite
def changed_good_answers(draw):
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(GOOD))] * 2)))
    return GOOD[:start] + draw(PIECES | st.text(max_size=5)) + GOOD[end:]


RESPONSES = (
    st.lists(PIECES | CALLS | BLOCKS, max_size=12).map("".join)
    | st.lists(BLOCKS, min_size=1, max_size=3).map("\n".join)
    | changed_good_answers()
    | st.text(alphabet=st.characters(), max_size=60)
)
GOLDS = [MULTIPLE, PARALLEL, IRRELEVANCE, RELEVANCE, row("simple", WANTED)]
FUZZ = settings(
    max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def check_sane(verdict, response):
    """What holds for every verdict, beyond what Verdict itself refuses."""
    assert isinstance(verdict, Verdict)
    assert -3.0 <= verdict.score <= 4.0
    correct = verdict.score - verdict.format
    assert not verdict.acc or correct == 3.0, response
    assert (verdict.reason == "correct") is (verdict.acc == 1.0)
    assert not verdict.reason.startswith(FAILURES)
    assert verdict.pred.isascii()


@FUZZ
@given(response=RESPONSES, gold=st.sampled_from(GOLDS), formats=st.sampled_from([("hermes",), FORMATS]))
@example(response=call(days=10**400), gold=MULTIPLE, formats=("hermes",))
@example(
    response="<tool_call>" + '{"name": "\ud800", "arguments": {}}' + "</tool_call>", gold=MULTIPLE, formats=FORMATS
)
def test_no_response_raises_on_a_bfcl_row(response, gold, formats):
    verdict = verify_bfcl(response, gold, formats=formats)
    check_sane(verdict, response)
    assert verify_bfcl(response, gold, scale="binary", formats=formats).score == verdict.acc
    assert 0.0 <= verify_bfcl(response, gold, scale="unit", formats=formats).score <= 1.0


REFERENCES = [
    GOOD,
    call(days=4),
    f"{call(days=10**400, x=[1.5, None])}\n<response>x</response>",
    "<response>x</response>",
]


@FUZZ
@given(response=RESPONSES, reference=st.sampled_from(REFERENCES), formats=st.sampled_from([("toolrl",), FORMATS]))
def test_no_response_raises_on_a_row_of_toolrl(response, reference, formats):
    check_sane(verify_rlla(response, reference, formats=formats), response)


@FUZZ
@given(
    ground_truth=JSON | st.text(max_size=20) | JSON.map(json.dumps) | st.builds(row, st.text(max_size=9), JSON, JSON)
)
def test_a_broken_ground_truth_is_told_and_nothing_else(ground_truth):
    # The only good ones among these: a row without functions and answers, and no reference at all.
    for verify, good in ((verify_bfcl, '"v": 1'), (verify_rlla, "<response>")):
        try:
            verify(GOOD, ground_truth)
        except GroundTruthError as error:
            message = str(error)
        else:
            message = "" if good in str(ground_truth) else "not refused"
        assert not message or ": correct the data" in message or "leave such rows out" in message


HUGE = {
    "text": "x" * 1_000_000,
    "thinking": "<think>" + "x " * 500_000 + "</think>" + call(days=4),
    "open thinking": "<think>" * 140_000,
    "open tags": "<tool_call>" * 20_000,
    "tags over the limit": "<tool_call>" * 100_000,
    "braces": "{" * 20_000,
    "brackets": "<tool_call>" + "[" * 100_000,
    "an argument": call(days=4, city="x" * 150_000),
    "arguments": call(**{f"a{index}": index for index in range(10_000)}),
    "a list": call(days=[1] * 50_000),
    "calls": call(days=3) * 64,
    "markers": "<|im_start|>assistant" * 40_000,
    "markers, closed": "<|im_end|>" * 90_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_responses_are_judged_in_no_time(name):
    reference = "<think>t</think>" + call(days=4, city="x") * 8
    for verify, gold in ((verify_bfcl, MULTIPLE), (verify_bfcl, IRRELEVANCE), (verify_rlla, reference)):
        verify("", gold)
        start = time.process_time()
        verify(HUGE[name], gold, formats=FORMATS)
        assert time.process_time() - start < 0.5  # of this process's own time; measured: below 0.05 s


HANDLER = {"prompt_style": "toolrl_handler"}
TWO_LINES = (
    '<tool_call>\n{"name": "None", "parameters": {}}\nbroken\n{"name": "m.f", "parameters": {"days": 4}}\n</tool_call>'
)


@pytest.mark.parametrize(
    ("response", "gold", "extra_info", "ours", "bfcls"),
    [
        (call(days=4), MULTIPLE, {}, 1, 1),
        (call(days=5), MULTIPLE, {}, 0, 0),
        (call(days=4) + "<tool_call>{</tool_call>", MULTIPLE, {}, 0, 0),
        ("I cannot do that.", IRRELEVANCE, {}, 1, 1),
        ("", IRRELEVANCE, {}, 0, 1),
        ("<tool_call>{</tool_call>", IRRELEVANCE, {}, 0, 1),
        (call(days=4), IRRELEVANCE, {}, 0, 0),
        (call(days=4) * 2, RELEVANCE, {}, 0, 1),
        ("I cannot do that.", RELEVANCE, {}, 0, 0),
        (TWO_LINES, MULTIPLE, {}, 0, 0),
        (TWO_LINES, MULTIPLE, HANDLER, 0, 1),
        (f"<think> unfinished {TWO_LINES}", MULTIPLE, HANDLER | {"think": "opened"}, 0, 1),
        ('<tool_call>\n{"name": "None", "parameters": {}}\n</tool_call>', IRRELEVANCE, HANDLER, 0, 1),
    ],
)
def test_bfcls_own_verdict_beside_ours(response, gold, extra_info, ours, bfcls):
    verdicts = [verify_bfcl(response, gold, extra_info, rules=rules) for rules in ("ours", "bfcl")]
    assert [verdict.acc for verdict in verdicts] == [ours, bfcls]
    assert (verdicts[0].pred, verdicts[0].format) == (verdicts[1].pred, verdicts[1].format)


def test_rules_are_known():
    with pytest.raises(ValueError, match="rules must be one of ours, bfcl, got 'theirs'"):
        verify_bfcl("", MULTIPLE, rules="theirs")
