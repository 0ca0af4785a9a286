"""ToolRL's data: verl's own rlla.compute_score as the oracle, and what differs from it, line by line."""

import contextlib
import functools
import importlib.util
import io
import json
import random
import re
from itertools import permutations
from pathlib import Path

import pytest

from reward_score.tool_calls.rlla import read_rlla_gold
from reward_score.tool_calls.verify import verify_rlla
from reward_score.verdict import GroundTruthError

THINK = "<think>t</think>"
GOLD = (
    THINK
    + """
<tool_call>
{"name": "f", "parameters": {"a": 1, "b": "x"}}
{"name": "g", "parameters": {}}
</tool_call>"""
)
ONLY_RESPONSE = f"{THINK}\n<response>hello</response>"


@functools.cache
def verls_rlla():
    """verl's file, loaded by its path: it needs the standard library only, the package torch and seconds."""
    verl = importlib.util.find_spec("verl")
    if verl is None:
        pytest.skip("needs verl, whose rlla.compute_score is the oracle")
    file = Path(verl.submodule_search_locations[0]) / "utils" / "reward_score" / "rlla.py"
    spec = importlib.util.spec_from_file_location("verls_rlla", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def toolrl(response, reference):
    """ToolRL's number as verl has it; it prints now and then."""
    wrapped = f"<|im_start|>assistant\n{response}<|im_end|>"
    with contextlib.redirect_stdout(io.StringIO()):
        return verls_rlla().compute_score("rlla", wrapped, reference, {"experiment_name": "qwen"})["score"]


def block(*calls):
    return "\n".join(["<tool_call>", *(json.dumps(call) for call in calls), "</tool_call>"])


def call(name, **parameters):
    return {"name": name, "parameters": parameters}


F, G, H = call("f", a=1, b="x"), call("g"), call("h")

# Responses that both read alike, to GOLD: f(a=1, b="x") and g(). ToolRL's points are of 1 + (1 + 2) + (1 + 0) = 5; the
# score is 6 points / 5 - 3, and 1 for the form.
ALIKE = [
    (f"{THINK}\n{block(F, G)}", 1, 5, "correct"),
    (f"{THINK}\n{block(G, F)}", 1, 5, "correct"),
    (f"{THINK}\n{block(F)}", 1, 1 / 2 + 3, "wrong number of calls: 1 for 2"),
    (f"{THINK}\n{block(F, G, F)}", 1, 2 / 3 + 4, "wrong number of calls: 3 for 2"),
    (f"{THINK}\n{block(F, G, H)}", 1, 2 / 3 + 4, "wrong number of calls: 3 for 2"),
    (f"{THINK}\n{block(call('f', a=2, b='x'), G)}", 1, 4, "argument 'a': 2 is not 1"),
    (f"{THINK}\n{block(call('f', a=1), G)}", 1, 1 + 1 / 2 + 1 + 1, "missing argument 'b'"),
    (f"{THINK}\n{block(call('f', a=1, b='x', c=0), G)}", 1, 1 + 2 / 3 + 2 + 1, "unexpected argument 'c'"),
    (f"{THINK}\n{block(call('f', a=True, b='x'), G)}", 1, 5, "correct"),
    (f"{THINK}\n{block(call('f', a=1.0, b='x'), G)}", 1, 5, "correct"),
    (f"{THINK}\n{block(call('f', a='1', b='x'), G)}", 1, 4, "argument 'a': '1' is not 1"),
    (f"{THINK}\n{block(call('F', a=1, b='x'), G)}", 1, 1 / 3 + 1, "missing call of 'f'"),
    (f"{THINK}\n{block({**F, 'id': 7}, G)}", 1, 5, "correct"),
    (f"{THINK}\n<tool_call>\n{{nonsense}}\n</tool_call>", 1, 0, "unparsable: no JSON object"),
    (f"{THINK}\n<tool_call>\n\n</tool_call>", 1, 0, "unparsable: a block without a call"),
    (f"{THINK}\n{block(F, G)[: -len('</tool_call>')]}", 0, 0, "unparsable: no </tool_call>"),
    (f"{THINK}\n{block(F, G).replace('}}', '}', 1)}", 1, 0, "unparsable: no JSON object"),
    (f"{THINK}\nhello", 0, 0, "no call"),
    (f"{THINK}\n<response>hello</response>", 0, 0, "no call"),
    ("", 0, 0, "no call"),
    (block(F, G), 0, 5, "correct"),
    (f"{THINK}\nHere:\n{block(F, G)}", 0, 5, "correct"),
    (f"{THINK}\n{block(F, G)}\n<response>x</response>", 0, 5, "correct"),
    # As its formula has it: a call that a response quotes is one, and true is 1.
    (f"{THINK}\n<response>I call {block(F, G)}</response>", 0, 5, "correct"),
    (f"{THINK}\n<response>{block(G, F)}\n</response>", 0, 5, "correct"),
    (f"{THINK}\n<tool_call>\n[]\n</tool_call>", 1, 0, "no call"),
]


@pytest.mark.parametrize(("response", "form", "points", "reason"), ALIKE)
def test_equals_toolrl(response, form, points, reason):
    verdict = verify_rlla(response, GOLD)
    assert verdict.score == toolrl(response, GOLD)
    assert verdict.score == pytest.approx(6 * points / 5 - 3 + form, abs=1e-12)
    assert verdict.acc == float(points == 5)
    assert verdict.format == form
    assert verdict.reason.startswith(reason)


# Where the two differ, and why: our score, ToolRL's, our reason. The maximum is 4, the minimum -3.
DIFFERENT = [
    # Read here and not there.
    (GOLD, f"{THINK}\n{block(F, G)}".replace("parameters", "arguments"), 4, -2, "correct"),
    (GOLD, f"{THINK}\n<tool_call>\n{json.dumps(F, indent=2)}\n{json.dumps(G)}\n</tool_call>", 4, -2, "correct"),
    (GOLD, f"{THINK}\n<tool_call>\n{json.dumps([F, G])}\n</tool_call>", 4, -2, "correct"),
    (GOLD, f"{THINK}\n<tool_call>\n{json.dumps(F)} {json.dumps(G)}\n</tool_call>", 4, -2, "correct"),
    (GOLD, f"{THINK}\n<tool_call>\n{json.dumps(F)}\n\n{json.dumps(G)}\n</tool_call>", 4, -2, "correct"),
    # The first block only, there: 1/2 + 3 points of 5, and not the form.
    (GOLD, f"{THINK}\n{block(F)}\n{block(G)}", 4, 6 * 3.5 / 5 - 3, "correct"),
    (GOLD, f"{THINK}\n{block(F, G)}\n{block(F)}", 6 * (2 / 3 + 4) / 5 - 3 + 1, 3, "wrong number of calls: 3 for 2"),
    (GOLD, f"{THINK}\n{block(F, G)}\n<tool_call>\n{{", -3, 3, "unparsable: no JSON object"),
    (GOLD, f"{THINK}\n{block(F, {**G, 'arguments': {'a': 1}})}", -2, 4, "unparsable: arguments and parameters"),
    # The first block there is the one rehearsed in the thinking.
    (GOLD, f"<think>{block(G)}</think>\n{block(F, G)}", 4, 6 * (1 / 2 + 1) / 5 - 3, "correct"),
    (GOLD, f"<think>{block(F, G)}</think>\n", -3, 3, "no call"),
    (GOLD, f"<think>{block(F, G)}", -3, 3, "unfinished thinking"),
    # One line break between the parts, there.
    (GOLD, f"{THINK}\n\n{block(F, G)}", 4, 3, "correct"),
    (GOLD, f"{THINK}{block(F, G)}", 4, 3, "correct"),
    (GOLD, f"{THINK}\n<tool_call>{json.dumps(F)}\n{json.dumps(G)}</tool_call>", 4, 3, "correct"),
    # Read there and not here.
    (GOLD, GOLD.replace('"a": 1', '"a": 2, "a": 1'), -2, 4, "unparsable: a key stands twice"),
    (GOLD, GOLD.replace('"a": 1', '"a": NaN'), -2, 6 * 4 / 5 - 2, "unparsable: NaN is no JSON number"),
    (GOLD, GOLD.replace('"a": 1', '"a": 1e999'), -2, 6 * 4 / 5 - 2, "unparsable: a number too large"),
    (GOLD, f"{THINK}\n{block(F, G, {'name': 'h'})}", -2, 6 * (2 / 3 + 4) / 5 - 2, "unparsable: no parameters"),
    (GOLD, f"{THINK}\n{block(F, G, {**H, 'parameters': '{}'})}", -2, 6 * (2 / 3 + 4) / 5 - 2, "unparsable: no param"),
    # Rows that want no call: 0 and the form, there.
    (ONLY_RESPONSE, ONLY_RESPONSE, 4, 1, "correct"),
    (ONLY_RESPONSE, f"{THINK}\n\n<response>hi\nthere</response>", 4, 0, "correct"),
    (ONLY_RESPONSE, f"{THINK}\nhi", 3, 0, "correct"),
    (ONLY_RESPONSE, "hi", 3, 0, "correct"),
    (ONLY_RESPONSE, f"{THINK}\n<tool_call>\n[]\n</tool_call>", 3, 0, "correct"),
    (ONLY_RESPONSE, f"{THINK}\n<response>[]</response>", 4, 1, "correct"),
    (ONLY_RESPONSE, f"{THINK}\n<response>...</response>", -2, 1, "no response"),
    (ONLY_RESPONSE, f"{THINK}\n<response>xzqk vbnm</response>", -2, 1, "no response"),
    (ONLY_RESPONSE, f"{THINK}\n<response>{json.dumps(F)}</response>", -3, 1, "unparsable: a call in another syntax"),
    (ONLY_RESPONSE, f"{THINK}\n<tool_cal>{json.dumps(F)}</tool_cal>", -3, 0, "unparsable: a call in another syntax"),
    (ONLY_RESPONSE, f"{THINK}\n{block(F)}", -3, 0, "call not wanted"),
    (ONLY_RESPONSE, f"{THINK}\n{block(F)}\n<response>hi</response>", -3, 0, "call not wanted"),
    (ONLY_RESPONSE, f"{THINK}\n<tool_call>\n{{\n<response>hi</response>", -3, 0, "unparsable: no JSON object"),
    (ONLY_RESPONSE, f"{THINK}\n<response></response>", -2, 1, "no response"),
    (ONLY_RESPONSE, THINK, -3, 0, "no response"),
    (ONLY_RESPONSE, "", -3, 0, "no response"),
    (ONLY_RESPONSE, "<think>", -3, 0, "unfinished thinking"),
    (THINK, THINK, 4, 1, "correct"),
    (THINK, f"{THINK}\n{block(F)}", -3, 0, "call not wanted"),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "response", "ours", "theirs", "reason"), DIFFERENT)
def test_differs_from_toolrl_as_listed(reference, response, ours, theirs, reason):
    verdict = verify_rlla(response, reference)
    assert verdict.reason.startswith(reason)
    assert verdict.acc == float(reason == "correct")
    assert verdict.score == pytest.approx(ours, abs=1e-12)
    assert toolrl(response, reference) == pytest.approx(theirs, abs=1e-12)


def test_assigns_better_than_greedy_where_that_is_worse():
    # Wanted f(a=1), f(a=1,b=2); called p = f(a=1,c=2), q = f(a=1). The best is (f(a=1), q), (f(a=1,b=2), p):
    # 1 for the names + 2 + (1/3 + 1), of 1 + 2 + 3. Greedy does that. The other way round, wanted f(a=1,b=2) first:
    # it takes q for 1/2 + 1 before p for 1/3 + 1, and leaves f(a=1) with p for 1/2 + 1: 1 + 3 of 6.
    reference = f"{THINK}\n{block(call('f', a=1, b=2), call('f', a=1))}"
    response = f"{THINK}\n{block(call('f', a=1, c=2), call('f', a=1))}"
    assert toolrl(response, reference) == pytest.approx(6 * (1 + 3) / 6 - 3 + 1)
    assert verify_rlla(response, reference).score == pytest.approx(6 * (1 + 2 + 4 / 3) / 6 - 3 + 1)


# Mutations of the 80 test rows.


def drop_call(lines, rng):
    return lines[:-1] if len(lines) > 1 else None


def duplicate_call(lines, rng):
    return [*lines, rng.choice(lines)]


def reorder(lines, rng):
    return lines[::-1]


def rename(lines, rng):
    return edit(lines, rng, lambda call: call.update(name=call["name"] + "_"))


def change(lines, rng):
    return edit(lines, rng, lambda call: call["parameters"].update(dict.fromkeys([*call["parameters"]][:1], "other")))


def drop_key(lines, rng):
    return edit(lines, rng, lambda call: call["parameters"] and call["parameters"].popitem())


def extra_key(lines, rng):
    return edit(lines, rng, lambda call: call["parameters"].update(extra=None))


def retype(lines, rng):
    def change(call):
        for key, value in call["parameters"].items():
            if isinstance(value, int):
                call["parameters"][key] = float(value) if isinstance(value, bool) or rng.random() < 0.5 else value == 1
            elif isinstance(value, str) and value.isdigit():
                call["parameters"][key] = int(value)

    return edit(lines, rng, change)


def no_brace(lines, rng):
    return [*lines[:-1], lines[-1][:-1]]


def garbage(lines, rng):
    return [*lines, "and that is all"]


def edit(lines, rng, change):
    calls = [json.loads(line) for line in lines]
    change(rng.choice(calls))
    return [json.dumps(call) for call in calls]


ALIKE_MUTATIONS = [drop_call, duplicate_call, reorder, rename, change, drop_key, extra_key, retype, no_brace, garbage]
WRAPPINGS = [
    lambda text: text,
    lambda text: text.replace("<think>", "").replace("</think>", ""),
    lambda text: text.replace("</tool_call>", ""),
    lambda text: f"Sure.\n{text}",
    lambda text: f"{text}\n<response>done</response>",
    lambda text: f"{text}\n\n",
    lambda text: text.replace("<tool_call>", "<tool_calls>"),
]


def best_by_trying_all(lines, reference_lines):
    """The best assignment of all, from ToolRL's number for each pair alone; the form is not in it."""
    calls, wanted = ([json.loads(line) for line in several] for several in (lines, reference_lines))
    score = verls_rlla().compute_tool_call_reward

    def weight(one, other):
        if other is None or one["name"] != other["name"]:
            return 0.0
        # A pair alone: 6 (1 + weight) / (2 + number of parameters) - 3.
        return (score([one], [other], 3.0, -3.0, False) + 3) * (2 + len(one["parameters"])) / 6 - 1

    names = verls_rlla().match_score([one["name"] for one in wanted], [one["name"] for one in calls])
    chosen = permutations([*calls, *[None] * len(wanted)], len(wanted))
    points = names + max(sum(map(weight, wanted, several)) for several in chosen)
    return 6 * points / (1 + sum(1 + len(one["parameters"]) for one in wanted)) - 3


@pytest.fixture(scope="module")
def references(shared_data):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(shared_data / "toolrl" / "rlla_4k_test.parquet", columns=["reward_model"])
    return [row["reward_model"]["ground_truth"] for row in table.to_pylist()]


def test_equals_toolrl_on_mutations_of_its_test_rows(references):
    rng = random.Random(0)
    compared = right = better = 0
    for reference in references:
        match = re.fullmatch(r"(.*<tool_call>\n)(.*)(\n</tool_call>)", reference, re.DOTALL)
        if match is None:
            continue
        for _ in range(60):
            lines = match[2].split("\n")
            for mutation in rng.sample(ALIKE_MUTATIONS, rng.choice([0, 1, 1, 2])):
                try:
                    lines = mutation(lines, rng) or lines
                except ValueError:  # a line that an earlier mutation has broken
                    break
            response = rng.choice(WRAPPINGS)(f"{match[1]}{chr(10).join(lines)}{match[3]}")
            verdict, expected = verify_rlla(response, reference), toolrl(response, reference)
            if verdict.score != expected:
                # Only ever the better assignment, which is more than rounding.
                assert verdict.score > expected + 1e-3, (response, reference, verdict, expected)
                best = best_by_trying_all(lines, match[2].split("\n"))
                assert verdict.score - verdict.format == pytest.approx(best, abs=1e-9)
                better += 1
            assert (verdict.score - verdict.format == 3.0) is (verdict.acc == 1.0)
            compared += 1
            right += verdict.acc == 1.0
    assert compared == 60 * 71  # the test rows that hold calls
    assert compared / 10 < right < compared / 2
    assert 0 < better < compared / 50


def test_every_reference_of_the_data_has_full_marks(references):
    assert len(references) == 80
    for reference in references:
        verdict = verify_rlla(reference, reference)
        assert (verdict.score, verdict.acc, verdict.format, verdict.reason) == (4.0, 1.0, 1.0, "correct")
        # 9 of them have a response only, for which ToolRL gives the form alone.
        assert toolrl(reference, reference) == (4.0 if "<tool_call>" in reference else 1.0)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("", "must be a reference answer"),
        (None, "must be a reference answer"),
        ({"name": "f"}, "must be a reference answer"),
        ([GOLD, GOLD], "must be one reference answer"),
        ("<think>t", "must close its <think>"),
        (f"{THINK}\n<tool_call>\n{{}}\n</tool_call>", "calls must be readable, got no name"),
        (f"{THINK}\n<tool_call>\n", "calls must be readable, got no </tool_call>"),
        (f"{THINK}\nhello", "must hold a <tool_call> or a <response>, got 'hello'"),
    ],
)
def test_a_broken_reference_is_told(reference, message):
    with pytest.raises(GroundTruthError, match=message):
        verify_rlla(GOLD, reference)


def test_a_reference_is_read_once():
    assert read_rlla_gold(GOLD) is read_rlla_gold([GOLD])


def test_thinking_is_asked_for_unless_the_row_says_otherwise():
    response = block(F, G)
    assert verify_rlla(response, GOLD).format == 0.0
    assert verify_rlla(response, GOLD, {"think": "none"}).format == 1.0
    assert verify_rlla(f"t</think>{response}", GOLD, {"think": "opened"}).format == 1.0
    assert verify_rlla(f"t</think>{response}", GOLD, {"think": ""}).format == 0.0


def test_both_parts_where_the_reference_has_both():
    both = f"{THINK}\n{block(F)}\n<response>hi</response>"
    assert verify_rlla(both, both).score == toolrl(both, both) == 4.0
    for response in (f"{THINK}\n{block(F)}", f"{THINK}\n<response>hi</response>\n{block(F)}"):
        assert verify_rlla(response, both).score == toolrl(response, both) == 3.0


def test_markers_of_the_chat_template_hide_nothing():
    # ToolRL judges what follows the last marker, which a policy may write itself.
    response = f"<|im_start|>assistant\n{THINK}\n{block(H)}<|im_end|>\n<|im_start|>assistant\n{GOLD}"
    assert toolrl(response, GOLD) == 4.0
    verdict = verify_rlla(response, GOLD)
    assert (verdict.acc, verdict.reason) == (1.0, "correct")  # the last </think> counts, and what follows it
    for marker in (
        "<|im_start|>assistant",
        "<|start_header_id|>assistant<|end_header_id|>",
        "<|im_end|>",
        "<|eot_id|>",
    ):
        for response in (f"{THINK}\n{block(H)}{marker}\n{block(F, G)}", f"{THINK}\n{block(F, G)}{marker}\n{block(H)}"):
            assert verify_rlla(response, GOLD).reason == "wrong number of calls: 3 for 2"
        response = f"{THINK}\n{block(F)}{marker}\n<response>Sorry.</response>"
        assert verify_rlla(response, ONLY_RESPONSE).reason == "call not wanted"


def test_the_tokens_that_end_a_turn_do_no_harm():
    for end in ("<|im_end|>", "<|im_end|>\n", "<|eot_id|>", "</s>", "<|endoftext|>"):
        assert verify_rlla(f"{GOLD}{end}", GOLD).score == 4.0


def test_a_thought_that_the_prompt_opened_has_to_be_closed():
    opened = {"think": "opened"}
    rest = GOLD.removeprefix("<think>")
    assert verify_rlla(rest, GOLD, opened).score == 4.0
    for response in (block(F, G), f"I call {block(F, G)}", f"<think>{block(F, G)}", "hm", ""):
        verdict = verify_rlla(response, GOLD, opened)
        assert (verdict.score, verdict.reason, verdict.pred) == (-3.0, "unfinished thinking", "")
        assert verify_rlla(response, ONLY_RESPONSE, opened).reason == "unfinished thinking"
        assert verify_rlla(response, THINK, opened).reason == "unfinished thinking"
