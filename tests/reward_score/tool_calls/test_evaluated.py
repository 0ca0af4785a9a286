"""Sessions and other languages, judged by bfcl-eval: what is right, what is wrong, and that nothing else is run."""

import json

import pytest

from reward_score import compute_score
from reward_score.tool_calls.bfcl import library
from reward_score.tool_calls.evaluated import REFUSED, call_texts, read_step, run
from reward_score.tool_calls.json import Call

pytest.importorskip("bfcl_eval")

ENTRY = {
    "v": 1,
    "category": "multi_turn_miss_func",
    "id": "multi_turn_miss_func_0",
    "functions": library.function_documents(["GorillaFileSystem"])[:-1] + library.function_documents(["MathAPI"]),
    "missed_functions": {"1": library.function_documents(["GorillaFileSystem"])[-1:]},
    "question": [[{"role": "user", "content": "Make a folder a."}], [], [{"role": "user", "content": "And b."}]],
    "initial_config": {"GorillaFileSystem": {"root": {"home": {"type": "directory", "contents": {}}}}},
    "involved_classes": ["GorillaFileSystem", "MathAPI"],
    "possible_answer": [["mkdir(dir_name='a')"], [], ["mkdir('b')"]],
}
GOLD = json.dumps(ENTRY)


def hermes(name, **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def session(*turns, ended=""):
    return json.dumps({"turns": [[{"response": text} for text in turn] for turn in turns], "ended": ended})


A, B, DONE = hermes("mkdir", dir_name="a"), hermes("mkdir", dir_name="b"), "Done."
NO_SUCH = hermes("rmtree", path="/")


@pytest.mark.parametrize(
    ("text", "ours", "bfcls", "reason"),
    [
        (session([A, DONE], [DONE], [B, DONE]), 1, 1, "correct"),
        (session([A], [DONE], [B]), 1, 1, "correct"),
        (session([hermes("pwd"), A, DONE], [DONE], [B, DONE]), 1, 1, "correct"),
        (session([A, NO_SUCH, DONE], [DONE], [B, DONE]), 1, 1, "correct"),
        (session([A, DONE], [hermes("pwd"), DONE], [B, DONE]), 0, 1, "call not wanted in turn 1"),
        (session([A, DONE], ["<tool_call>{</tool_call>"], [B, DONE]), 0, 1, "call not wanted in turn 1"),
        (session([DONE], [DONE], [A + B, DONE]), 0, 0, "Model response list is empty for turn 0"),
        (session([B, DONE], [DONE], [A, DONE]), 0, 0, "Model instance for GorillaFileSystem does not match the state "),
        (session([A, DONE], [DONE]), 0, 0, "2 turns for 3"),
        (session([A, DONE], [DONE], [B, DONE], ended="prompt too long"), 0, 0, "prompt too long"),
        (session([A + B + "<tool_call>"], [DONE], [DONE]), 0, 0, "Model response list is empty for turn 0"),
        *((text, 0, 0, "no session") for text in ("", "[]", '{"turns": 3, "ended": ""}', "[" * 100_000)),
    ],
)
def test_a_session_is_judged_by_both_rules(text, ours, bfcls, reason):
    first, second = (
        compute_score("bfcl_v3/multi_turn_base", text, GOLD, {}, rules=rules) for rules in ("ours", "bfcl")
    )
    assert (first["acc"], second["acc"]) == (ours, bfcls)
    assert first["reason"].startswith(reason)


def test_sessions_do_not_see_one_another():
    # bfcl-eval keeps instances by name for ever: the second would find both folders there.
    for _ in range(3):
        assert run((GOLD, [["mkdir(dir_name='a')"], ["ls()"]])) == ['{"current_directory_content": ["a"]}']


@pytest.mark.parametrize(
    "call",
    [
        Call("__import__('os').system", {"command": "touch {}"}),
        Call("open('{}', 'w').write", {"text": "x"}),
        Call("eval", {"source": "open('{}', 'w')"}),
        Call("mkdir(dir_name='a') or open('{}', 'w').write", {"dir_name": "a"}),
        Call("mkdir", {"dir_name=open('{}', 'w')) or dict(x": "a"}),
        Call("mkdir", {"dir_name='a'); open('{}', 'w'": 1}),
        Call("_load_scenario", {"scenario": {}}),
        Call("__class__", {}),
        Call("mkdir.__globals__.get", {"key": "os"}),
        Call("", {}),
    ],
)
def test_what_is_no_documented_call_is_never_run(call, tmp_path):
    file = tmp_path / "made"
    aimed = Call(
        call.name.replace("{}", str(file)),
        {key.replace("{}", str(file)): str(value).replace("{}", str(file)) for key, value in call.arguments.items()},
    )
    assert call_texts(ENTRY, [aimed]) == [REFUSED]
    (result,) = run((GOLD, [call_texts(ENTRY, [aimed])]))
    assert result == "Error during execution: name 'refused_call' is not defined"
    assert not file.exists()


@pytest.mark.parametrize(
    "value",
    [
        "'); open('{}', 'w') #",
        '"); open("{}", "w") #',
        "\\",
        "\n",
        "{{open('{}', 'w')}}",
        ["a')", {"k'": "open('{}','w')"}],
    ],
)
def test_a_value_stays_a_value(value, tmp_path):
    file = tmp_path / "made"
    text = json.dumps(value).replace("{}", str(file))
    run((GOLD, [call_texts(ENTRY, [Call("echo", {"content": json.loads(text)})])]))
    assert not file.exists()


def test_a_function_that_is_missed_at_first_may_be_called():
    (missed,) = ENTRY["missed_functions"]["1"]
    assert call_texts(ENTRY, [Call(missed["name"], {})]) == [f"{missed['name']}()"]


@pytest.mark.parametrize(
    ("response", "calls", "unreadable"),
    [
        ('<tool_call>\n{"name": "f", "parameters": {"a": 1}}\n{"name": "g"}\n</tool_call>', ["f", "g"], False),
        ('<tool_call>\n{"name": "f", "parameters": {}}\nbroken\n[1]\n</tool_call>', ["f"], False),
        ('<tool_call>\n{"name": 3, "parameters": {}}\n</tool_call>', [], True),
        ('<tool_call>\n{"name": "f", "parameters": {}}\n</tool_call><tool_call>\n{"name": "g"}', ["g"], False),
        ('<tool_call>\n{"name": " None ", "parameters": {}}\n</tool_call>', [], False),
        ('<tool_call>\n{"name": "f", "parameters": [1]}\n</tool_call>', [], True),
        ("<tool_call>\n" + '{"name": "f", "parameters": {}}\n' * 10_000 + "</tool_call>", [], True),
        ("<tool_call>\n" + "[" * 100_000, [], False),
        ("<response> no </response>", [], False),
    ],
)
def test_toolrls_handler_reads_the_lines_of_the_last_block(response, calls, unreadable):
    step = read_step(response, {"prompt_style": "toolrl_handler"}, ("toolrl",))
    assert ([call.name for call in step.calls], step.unreadable) == (calls, unreadable)


JAVA = {
    "v": 1,
    "category": "java",
    "functions": [
        {"name": "A.f", "parameters": {"type": "dict", "required": ["ids"], "properties": {
            "ids": {"type": "ArrayList", "items": {"type": "integer"}}, "fast": {"type": "boolean"}}}},
    ],
    "possible_answer": [{"A.f": {"ids": [[1, 2]], "fast": ["", True]}}],
}  # fmt: skip
IDS = "new ArrayList<Integer>(Arrays.asList(1, 2))"


@pytest.mark.parametrize(
    ("response", "acc", "reason"),
    [
        (hermes("A.f", ids=IDS), 1, "correct"),
        (hermes("A.f", ids=IDS, fast="true"), 1, "correct"),
        (hermes("A.f", ids=IDS, fast="false"), 0, "Invalid value for parameter 'fast'"),
        (hermes("A.f", ids=[1, 2]), 0, "Incorrect type for parameter 'ids'. Expected type String"),
        (hermes("f", ids=IDS), 0, "Function name 'A.f' not found"),
        (hermes("A.f", ids=IDS) * 2, 0, "Wrong number of functions."),
        ("I cannot.", 0, "no call"),
        ("<tool_call>{</tool_call>", 0, "unparsable: "),
        (hermes("A.f", ids="new ArrayList<>(" + "Arrays.asList(" * 20_000), 0, ""),
    ],
)
def test_java_is_judged_by_bfcl_eval(response, acc, reason):
    verdict = compute_score("bfcl_v3/java", response, json.dumps(JAVA), {})
    assert verdict["acc"] == acc
    assert verdict["reason"].startswith(reason)


@pytest.mark.parametrize(("source", "gold"), [("java", JAVA), ("multi_turn_base", ENTRY)])
def test_without_bfcl_eval_a_row_is_unjudged_and_says_what_to_install(source, gold, monkeypatch):
    from reward_score.sandbox import guard

    monkeypatch.setattr(guard, "_aside", True)
    monkeypatch.setattr(library, "VERSION", "0")
    library.require.cache_clear()
    verdict = compute_score(
        f"bfcl_v3/{source}", session() if gold is ENTRY else hermes("A.f", ids=IDS), json.dumps(gold), {}
    )
    library.require.cache_clear()
    assert verdict["reason"].startswith(
        "verifier error: BfclMissingError: Java, JavaScript and multi-turn need bfcl-eval 0, "
    )


@pytest.mark.parametrize(
    ("source", "gold"),
    [("java", {**JAVA, "possible_answer": []}), ("java", []), ("multi_turn_base", {**ENTRY, "question": 1}),
     ("multi_turn_base", {**ENTRY, "category": "simple"}), ("multi_turn_base", 3)],
)  # fmt: skip
def test_a_ground_truth_that_is_not_whole_is_told(source, gold):
    assert compute_score(f"bfcl_v3/{source}", A, json.dumps(gold), {})["reason"].startswith("unparsable gold: ")
