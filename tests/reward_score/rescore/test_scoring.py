"""Scoring files: what is read, what is taken for what, what is said about faults, and that memory stays bounded."""

import ast
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from itertools import islice, product
from pathlib import Path

import numpy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import reward_score
from reward_score import registry
from reward_score.__main__ import main
from reward_score.math import final_number
from reward_score.rescore import files
from reward_score.rescore.columns import Columns
from reward_score.rescore.files import InputError, find_files
from reward_score.rescore.report import MAX_GROUPS, reason_group
from reward_score.rescore.rows import infer_data_source
from reward_score.rescore.scoring import Settings, score_files, selector
from reward_score.verdict import Verdict, binary_verdict, failed_verdict

HASHES = 'How many? Let\'s think step by step and output the final answer after "####".'
DAPO = (
    "Solve the following math problem step by step. The last line of your response should be of the form Answer:"
    " $Answer (without quotes) where $Answer is the answer to the problem.\n\nHow many?\n\nRemember to put your answer"
    ' on its own line after "Answer:".'
)
BOXED = "How many? Let's think step by step and output the final answer within \\boxed{}."
GSM8K = "openai/gsm8k"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    """A registry of which these tests know all, so that none depends on the rules of some verifier."""
    monkeypatch.setattr(registry, "_verifiers", {})
    monkeypatch.setattr(reward_score, "_logged", set())
    reward_score.register(GSM8K)(final_number.verify)
    reward_score.register("dipo/arithmetic")(final_number.verify)


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_table(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def score(path, **settings):
    written = []
    report = score_files(find_files([path]), Settings(**settings), written.append)
    return report, written


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def dumped(output="#### 7", **fields):
    return {"input": HASHES, "output": output, "gts": "7", "score": 1.0, "step": 3, "uid": "a_0_0", **fields}


def verl_write_generations():
    """verl's own writer of dumps, cut out of its file: importing the trainer takes 13 s, this takes none."""
    spec = importlib.util.find_spec("verl")
    if spec is None:
        pytest.skip("needs verl")
    file = Path(spec.submodule_search_locations[0]) / "trainer/ppo/v1/trainer_base.py"
    functions = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "_write_generations"
    ]
    assert len(functions) == 1, f"verl's writer of dumps moved: it is no longer one function in {file}"
    functions[0].decorator_list = []
    names = {"json": json, "os": os, "np": numpy}
    exec(compile(ast.Module(functions, []), str(file), "exec"), names)
    return names["_write_generations"]


# --- verl's dumps


def test_training_dumps_of_verl_are_read_in_the_order_of_steps(tmp_path, capsys):
    write = verl_write_generations()
    # float32, as verl sums it: 0.1 is then 0.10000000149, which must not count as another reward.
    recorded = numpy.array([0.1, 0.0], dtype=numpy.float32)
    reward_score.register("mine")(lambda s, g, e: Verdict(0.1 if s == g else 0.0, 0.0, 1.0, s, "graded"))
    for step in (10, 9):
        write(
            ["p", "p"],
            ["7\nu2028:\u2028", "8"],
            ["7\nu2028:\u2028", "7"],
            recorded,
            {"uid": ["a", "b"]},
            tmp_path,
            step,
        )
    report, written = score(tmp_path, data_source="mine")
    assert [scored.sample.place for scored in written] == [
        f"{tmp_path}/{step}.jsonl line {line}" for step in (9, 10) for line in (1, 2)
    ]
    assert (report.compared_score, report.compared_acc, report.differing, report.faults) == (4, 0, 0, {})
    assert report.sources["mine"].score == pytest.approx(0.2)


def test_validation_dumps_of_verl_are_compared_by_acc(tmp_path):
    # verl's `reward_extra_info["score"]` takes the place of `score` in such a dump; here it differs, acc does not.
    extra = {
        "reward": [0.5, 0.0, 0.0],
        "score": [0.5, 0.0, 0.0],
        "acc": [numpy.float64(1.0), 1.0, None],
        "reason": ["correct", "correct", None],
        "uid": ["a", "b", "c"],
        "too_short": [1.0],
    }
    verl_write_generations()([HASHES] * 3, ["#### 7", "#### 8", "#### 9"], ["7"] * 3, [9, 9, 9], extra, tmp_path, 5)
    report, written = score(tmp_path / "5.jsonl")
    assert "too_short" not in json.loads((tmp_path / "5.jsonl").read_text().splitlines()[0])
    # Row 2 was right by the dump and is wrong now; row 3 has no acc, and its score 0 agrees.
    assert (report.compared_acc, report.compared_score, report.differing) == (2, 1, 1)
    assert [scored.sample.place[-6:] for scored in report.differences] == ["line 2"]
    assert [scored.verdict["acc"] for scored in written] == [1.0, 0.0, 0.0]


# --- tables and prepared datasets


@pytest.mark.parametrize("write", [write_lines, write_table])
@pytest.mark.parametrize(
    "row",
    [
        {"response": "#### 7", "ground_truth": "7"},
        {"output": "#### 7", "reward_model": {"ground_truth": "7", "style": "rule"}},
        {"solution_str": "#### 7", "gts": "7"},
        {"responses": ["#### 8", "#### 7"], "ground_truth": 7},
    ],
)
def test_tables_with_a_response_are_scored(tmp_path, write, row):
    path = write(tmp_path / f"rows.{'jsonl' if write is write_lines else 'parquet'}", [{"data_source": GSM8K, **row}])
    report, written = score(path)
    assert report.faults == {}
    assert written[-1].verdict["reason"] == "correct"
    assert [scored.sample.place.partition(" response ")[2] for scored in written] in ([""], ["0", "1"])
    assert report.notes == {}


def test_named_columns_and_extra_info_are_passed_on(tmp_path):
    seen = []
    reward_score.register("mine")(lambda s, g, e: seen.append((s, g, e)) or binary_verdict(right=True, pred=""))
    row = {
        "response": "no",
        "answer": "yes",
        "gold": "g",
        "gts": "no",
        "data_source": "mine",
        "extra_info": {"id": "4"},
    }
    path = write_table(tmp_path / "a.parquet", [row])
    score(path, columns=Columns(response="answer", ground_truth="gold"))
    assert seen == [("yes", "g", {"id": "4"})]


def test_a_prepared_dataset_has_its_ground_truths_proven(tmp_path, capsys):
    def row(reference):
        return {
            "data_source": GSM8K,
            "prompt": [{"role": "user", "content": HASHES}],
            "reward_model": {"style": "rule", "ground_truth": "7"},
            "extra_info": {"reference_response": reference, "index": 0},
            # A column of that name is here the set's own, no reward.
            "score": 0.25,
        }

    path = write_table(tmp_path / "train.parquet", [row("#### 7"), row("#### 8")])
    code, out, err = run(capsys, path, "--show", "wrong")
    assert (code, err) == (0, "")
    assert "note: 2 responses held no response: their extra_info.reference_response was scored" in out
    assert f"{path} row 1  openai/gsm8k  acc 0" in out
    assert f"{path} row 0" not in out
    assert "recorded" not in out


# --- which data source


@pytest.mark.parametrize(
    ("prompt", "ground_truth", "data_source"),
    [
        (HASHES, "7", GSM8K),
        (f"system\nYou help.\nuser\n{HASHES}\nassistant\n", "7", GSM8K),
        ("End with `####` and the number.", "7", GSM8K),
        ("Question: 3+4?\nThree and four.\n#### 7\nQuestion: 1+1?", "2", GSM8K),
        ("Give it as\n#### <answer>", "7", GSM8K),
        (DAPO, "7", "math_dapo"),
        ("The last line should be of the form Answer: \\boxed{$Answer} (without quotes).", "7", "math_dapo"),
        (BOXED, "7", "lighteval/MATH"),
        ("12+34=", "46", "dipo/arithmetic"),
        ("user\n\\boxed", "<think> t </think>\n<tool_call>\n{}\n</tool_call>", "rlla"),
        ("", "<response> Hello </response>", "rlla"),
        (HASHES, '{"v":1,"category":"live_simple","functions":[],"possible_answer":[]}', "bfcl_v3/live_simple"),
        ("", {"category": "simple", "possible_answer": []}, "bfcl_v3/simple"),
        # What tells nothing, or two things.
        ("", "7", None),
        ("How many?", "7", None),
        ("12+34=?", "46", None),
        ("#### Tools\nUse them.\n  #### 2. Rules", "7", None),
        ("##### after #####", "7", None),
        ("Answer: the question", "7", None),
        ("Put it in a box {}", "7", None),
        (f"{HASHES} {BOXED}", "7", None),
        (f"{HASHES} {DAPO}", "7", None),
        ("", '{"possible_answer": []}', None),
        ("", '{"category": 3, "possible_answer": []}', None),
        ("", '{"category": "simple", "possible_answer": ', None),
        ("", '["possible_answer", "category"]', None),
        ("", "[" * 100_000 + '"possible_answer"', None),
        ("", {"category": "simple"}, None),
        ("", None, None),
    ],
)
def test_the_source_of_a_row_that_names_none(prompt, ground_truth, data_source):
    inferred = infer_data_source(prompt, ground_truth)
    assert (inferred and inferred.data_source) == data_source


def test_option_goes_before_field_before_inference(tmp_path):
    for name in ("mine/option", "mine/field"):
        reward_score.register(name)(lambda s, g, e: binary_verdict(right=True, pred=""))
    path = write_lines(tmp_path / "1.jsonl", [dumped(data_source="mine/field"), dumped(data_source=None)])
    assert list(score(path)[0].sources) == ["mine/field", GSM8K]
    assert list(score(path)[0].notes.values()) == [1]
    assert list(score(path, data_source="mine/option")[0].sources) == ["mine/option"]


def test_a_source_that_nothing_tells_is_asked_for_once(tmp_path, capsys):
    path = write_lines(tmp_path / "1.jsonl", [dumped(input="?")] * 3 + [dumped()])
    code, out, err = run(capsys, path)
    assert (code, err) == (
        1,
        f"error: {path} line 1: names no data_source, and neither its ground truth nor its prompt tells which: give"
        " --data-source NAME (and 2 more with the same fault)\n",
    )
    assert "openai/gsm8k          1  1.0000" in out


def test_a_source_without_a_verifier_is_told_with_those_that_have_one(tmp_path, capsys):
    path = write_lines(tmp_path / "1.jsonl", [dumped()])
    code, out, err = run(capsys, path, "--data-source", "mine/none")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {path} line 1: data_source must be one that has a verifier (")
    assert "got 'mine/none'" in err


# --- the report


def test_table_reasons_and_differences(tmp_path, capsys):
    rows = [dumped(), dumped("#### 8"), dumped("#### 8", score=0.0), dumped("seven", score=0.0)]
    code, out, err = run(capsys, write_lines(tmp_path / "1.jsonl", rows), "--reasons", 2)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    # Of four: one right; the first three have a number after the marker.
    header = "data source responses acc score format failures seconds per second"
    assert " ".join(lines[0].split()) == header
    assert lines[2].split()[:6] == [GSM8K, "4", "0.2500", "0.2500", "0.7500", "0"]
    assert lines[4:8] == [
        "reasons, openai/gsm8k",
        "  wrong answer  2  50.0%",
        "  correct       1  25.0%",
        "  and 1 more: --reasons 3",
    ]
    assert "recorded reward: score of 4 responses compared, 1 different" in lines
    assert f"  {tmp_path}/1.jsonl line 2: recorded 1, now 0 (wrong answer)" in lines
    assert "note: 4 responses taken for openai/gsm8k" in out


def test_several_sources_have_a_sum(tmp_path, capsys):
    rows = [dumped(data_source=GSM8K), dumped("#### 8", data_source="dipo/arithmetic")]
    _, out, _ = run(capsys, write_lines(tmp_path / "1.jsonl", rows))
    assert [line.split()[:3] for line in out.splitlines()[2:5]] == [
        ["dipo/arithmetic", "1", "0.0000"],
        [GSM8K, "1", "1.0000"],
        ["all", "2", "0.5000"],
    ]


@pytest.mark.parametrize(
    ("reason", "group"),
    [
        ("correct", "correct"),
        ("argument 'days': 3 is not among [4]", "argument '...'"),
        ('argument "a: b": 3 is not among [4]', "argument '...'"),
        ("unparsable gold: must be a number", "unparsable gold"),
        ("3 calls instead of 2", "N calls instead of N"),
        ("the model's call isn't one", "the model's call isn't one"),
        ("ratio 1:2", "ratio N:N"),
    ],
)
def test_reasons_are_grouped_without_their_detail(reason, group):
    assert reason_group(reason) == group


def test_reasons_and_faults_of_any_number_are_bounded(tmp_path):
    # Words of letters alone, since numbers are put together.
    words = ["".join(letters) for letters in islice(product("abcdefg", repeat=3), MAX_GROUPS + 50)]
    reward_score.register("mine")(lambda s, g, e: failed_verdict(f"saw {s}"))
    rows = [{"response": word, "ground_truth": ""} for word in words]
    rows += [{"response": word, f"column {word}": 1} for word in words]
    report, _ = score(write_lines(tmp_path / "1.jsonl", rows), data_source="mine")
    assert len(report.sources["mine"].reasons) == MAX_GROUPS + 1
    assert sum(report.sources["mine"].reasons.values()) == len(words)
    assert len(report.faults) == MAX_GROUPS + 1
    assert sum(report.faults.values()) == len(words)


@pytest.mark.parametrize(
    ("word", "places"),
    [
        ("wrong", ["line 2", "line 3"]),
        ("failures", ["line 4"]),
        ("differs", ["line 2", "line 4"]),
        ("wrong ans", ["line 2"]),
        ("correct", ["line 1"]),
        ("unparsable gold", ["line 4"]),
        ("nothing such", []),
    ],
)
def test_what_is_shown(tmp_path, word, places):
    rows = [dumped(), dumped("#### 8"), dumped("", score=0.0), dumped(gts="x")]
    report, _ = score(write_lines(tmp_path / "1.jsonl", rows), selects=selector(word))
    assert [scored.sample.place[-6:] for scored in report.shown] == places


def test_what_is_shown_is_bounded_and_harmless_to_a_terminal(tmp_path, capsys):
    long = "\x1b[2J\x07" + "word " * 100_000 + "\x1b[31m#### 8"
    path = write_lines(tmp_path / "1.jsonl", [dumped(long, input=HASHES + "\ud800" + long)] * 9)
    code, out, _ = run(capsys, path, "--show", "wrong", "-n", "2")
    shown = out[out.index(f"{path} line 1  ") :]
    assert code == 0
    assert "line 2  " in shown
    assert "line 3  " not in shown
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "?[31m#### 8" in shown
    # Of each text at most 480 characters, which take five lines of 120 with their margin of 12.
    assert len(shown.splitlines()) <= 2 * (1 + 1 + 1 + 1 + 5 + 5)
    assert all(len(line) <= 120 for line in out.splitlines() if str(path) not in line)


def test_nothing_to_show_is_said(tmp_path, capsys):
    assert (
        "no response to show for 'wrong'"
        in run(capsys, write_lines(tmp_path / "1.jsonl", [dumped()]), "--show", "wrong")[1]
    )


# --- options


def test_only_the_last_turn_counts_where_that_is_asked_for(tmp_path):
    turns = (("user", 8), ("assistant", 7), ("user", 9))
    dump = "\n".join(f"<|im_start|>{role}\n#### {number}<|im_end|>" for role, number in turns)
    path = write_lines(tmp_path / "1.jsonl", [dumped(output=dump)])
    for last_turn, right in ((False, 0), (True, 1)):
        _, scored = score(path, data_source="openai/gsm8k", last_turn=last_turn)
        assert sum(one.verdict["acc"] for one in scored) == right
    assert main([str(path), "--data-source", "openai/gsm8k", "--last-turn"]) == 0


def test_options_reach_the_verifier_as_json_or_text(tmp_path):
    seen = []

    def verify(solution_str, ground_truth, extra_info, *, scale="unit", formats=()):
        seen.append((scale, formats))
        return binary_verdict(right=True, pred="")

    reward_score.register("mine")(verify)
    path = write_lines(tmp_path / "1.jsonl", [dumped()])
    arguments = [str(path), "--data-source", "mine"]
    assert main([*arguments, "--option", "scale=binary", "--option", 'formats=["json", "xml"]']) == 0
    assert seen == [("binary", ["json", "xml"])]


def test_an_option_that_no_verifier_takes_is_an_error(tmp_path, capsys):
    code, _, err = run(capsys, write_lines(tmp_path / "1.jsonl", [dumped()]), "--option", "scael=unit")
    assert code == 1
    assert err == "error: --option scael: must be an option of a verifier used here, which have pure_equivalence\n"


def test_a_source_that_nobody_registered_is_told_by_its_prompt_as_one_without_a_name(tmp_path, capsys):
    code, out, _ = run(capsys, write_lines(tmp_path / "1.jsonl", [dumped(data_source="my set")]))
    assert code == 0
    assert "taken for openai/gsm8k: the prompt asks for" in out
    code, _, err = run(capsys, write_lines(tmp_path / "1.jsonl", [dumped(data_source="my set", input="7?")]))
    assert code == 1
    assert "data_source must be one that has a verifier" in err


def test_a_row_that_says_how_it_is_judged_needs_no_registered_source(tmp_path):
    row = {"data_source": "my set", "output": r"\boxed{7}", "gts": "7", "extra_info": {"answer_format": "answer_line"}}
    path = write_lines(tmp_path / "1.jsonl", [row])
    out = tmp_path / "out.parquet"
    for option, acc in (("true", 1.0), ("false", 0.0)):
        assert main([str(path), "--option", f"box_instead={option}", "--output", str(out)]) == 0
        assert pq.read_table(out)["acc"].to_pylist() == [acc]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--option", "scale"],
        ["--option", "=1"],
        ["--option", "data_source=x"],
        ["--limit", "0"],
        ["-n", "x"],
        ["--limit", "-1"],
    ],
)
def test_options_that_make_no_sense_are_refused(capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        main(["x.jsonl", *arguments])
    assert "must be" in capsys.readouterr().err


def test_limit_counts_responses_and_stops_reading(tmp_path):
    path = write_lines(tmp_path / "1.jsonl", [{"responses": ["#### 7"] * 3, "gts": "7", "data_source": GSM8K}] * 2)
    path.write_text(path.read_text() + "{")
    report, written = score(path, limit=4)
    assert (len(written), report.faults) == (4, {})


def test_import_registers_a_verifier(tmp_path, capsys, monkeypatch):
    (tmp_path / "my_verifiers_of_test_offline.py").write_text(
        "from reward_score import Verdict, register\n"
        '@register("mine")\n'
        "def verify(s, g, e):\n"
        '    return Verdict(score=0.5, acc=1.0, format=0.0, pred="", reason="mine")\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = write_lines(tmp_path / "1.jsonl", [dumped()])
    arguments = [path, "--data-source", "mine", "--import"]
    code, out, _ = run(capsys, *arguments, "my_verifiers_of_test_offline")
    assert code == 0
    assert out.splitlines()[2].split()[:5] == ["mine", "1", "1.0000", "0.5000", "0.0000"]
    code, _, err = run(capsys, *arguments, "no_such_module_of_test_offline")
    assert code == 1
    assert "--import no_such_module_of_test_offline: the plug-in " in err
    assert "must be a module that can be imported here" in err


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_output_is_whole_and_can_be_scored_again(tmp_path, capsys, suffix):
    rows = [dumped(), dumped("#### 8\ud800", acc=1.0), dumped(gts=["7"])]
    output = tmp_path / "new" / f"out{suffix}"
    code, out, _ = run(capsys, write_lines(tmp_path / "1.jsonl", rows * 100), "--output", output)
    assert code == 0
    assert f"{output}: 300 responses with their verdicts" in out
    assert [file.name for file in output.parent.iterdir()] == [output.name]
    report, written = score(output)
    verdicts = [(s.verdict["acc"], s.sample.recorded_acc) for s in written]
    # The list ["7"] is written as JSON, which gsm8k's verifier does not take; the first two agree with themselves.
    assert verdicts[:2] == [(1.0, 1.0), (0.0, 0.0)]
    assert (len(written), report.compared_acc) == (300, 300)


def test_output_is_left_alone_by_a_run_that_ends_early(tmp_path, capsys):
    def verify(solution_str, ground_truth, extra_info):
        raise KeyboardInterrupt

    reward_score.register("mine")(verify)
    output = tmp_path / "out.jsonl"
    output.write_text("before")
    path = write_lines(tmp_path / "1.jsonl", [dumped()])
    assert run(capsys, path, "--data-source", "mine", "--output", output) == (130, "", "")
    assert output.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("name", "message"), [("out.csv", "--output must end in"), ("1.jsonl", "must not be one of")])
def test_output_that_cannot_be_is_refused_before_scoring(tmp_path, capsys, name, message):
    path = write_lines(tmp_path / "1.jsonl", [dumped()])
    code, out, err = run(capsys, path, "--output", tmp_path / name)
    assert (code, out) == (1, "")
    assert message in err


# --- faults


def test_a_verifier_that_fails_is_told_and_logged_once(tmp_path, capsys, caplog):
    @reward_score.register("mine")
    def verify(solution_str, ground_truth, extra_info):
        raise ZeroDivisionError("broken")

    path = write_lines(tmp_path / "1.jsonl", [dumped()] * 20)
    code, out, err = run(capsys, path, "--data-source", "mine")
    assert code == 1
    assert "error: 20 responses could not be judged (verifier error 20)" in err
    assert "such as verifier error: ZeroDivisionError: broken" in out
    assert len(caplog.records) == 1


GOOD = json.dumps(dumped()).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"", "", "must hold at least one row, it is empty"),
        (b"\n \n", "", "must hold at least one row, it is empty"),
        (GOOD + GOOD[:40], " line 2", "(the file ends in this line, as if its writing was cut off): complete or drop"),
        (GOOD + b"{]\n" + GOOD, " line 2", "must be one JSON object, but Expecting property name"),
        (GOOD + b"\n[1]\n", " line 3", "must be one JSON object, got [1]"),
        (GOOD + b'{"output": "\xff"}\n', " line 2", "must be UTF-8, but byte 13 of the line is 0xff"),
        (GOOD + b"[" * 200_000 + b"\n", " line 2", "must be one JSON object"),
        (
            GOOD + b'{"score": ' + b"9" * 5000 + b"}\n",
            " line 2",
            "must be one JSON object of ordinary depth and numbers",
        ),
        (GOOD + b'{"gts": "7"}\n', " line 2", "must have a response in the column response or output or"),
        (
            GOOD + b'{"output": "7", "x": 1}\n',
            " line 2",
            "must have a ground truth in the column gts or ground_truth or",
        ),
        (GOOD + b'{"output": 7, "gts": "7"}\n', " line 2", "output must be a text or a list of texts, got 7"),
        (GOOD + b'{"output": null, "gts": "7"}\n', " line 2", "output must be a text or a list of texts, got nothing"),
        (GOOD + b'{"output": [], "gts": "7"}\n', " line 2", "output must be a text or a list of texts, got []"),
        (
            GOOD + b'{"output": ["a", 1], "gts": "7"}\n',
            " line 2",
            "output must be a text or a list of texts, got ['a', 1]",
        ),
        (GOOD + b'{"output": "", "gts": "", "data_source": 1}\n', " line 2", "data_source must be a text, got 1"),
        (GOOD + b'{"output": "", "gts": "", "extra_info": "x"}\n', " line 2", "extra_info must be an object, got 'x'"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_scored(tmp_path, capsys, content, place, message):
    path = tmp_path / "1.jsonl"
    path.write_bytes(content)
    code, out, err = run(capsys, path)
    assert code == 1
    assert err.startswith(f"error: {path}{place}: ")
    assert message in err
    assert err.count("\n") == 1
    good = content.count(GOOD)
    assert (f"note: {good} response" in out) == (good > 0)


def test_a_line_without_end_is_not_read_into_memory(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE_BYTES", len(GOOD))
    path = tmp_path / "1.jsonl"
    path.write_bytes(GOOD + b" " + GOOD)
    code, out, err = run(capsys, path)
    assert (code, err) == (
        1,
        f"error: {path}: line 2 must have at most {len(GOOD)} bytes, it has more: write one JSON object a line\n",
    )
    assert "note: 1 response taken" in out


def test_columns_that_are_named_must_be_there(tmp_path, capsys):
    path = write_lines(tmp_path / "1.jsonl", [dumped()])
    assert "in the column answer, has input, output" in run(capsys, path, "--response-column", "answer")[2]
    assert "in the column gold, has input, output" in run(capsys, path, "--ground-truth-column", "gold")[2]


def test_a_file_that_is_no_parquet_is_told_and_the_next_is_read(tmp_path, capsys):
    whole = write_table(tmp_path / "2.parquet", [dumped()])
    (tmp_path / "1.parquet").write_bytes(whole.read_bytes()[:-10])
    code, out, err = run(capsys, tmp_path)
    assert code == 1
    assert err.startswith(f"error: {tmp_path / '1.parquet'}: must be a whole parquet file, but ")
    assert "note: 1 response taken" in out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.jsonl", "no such file or folder"),
        ("empty", "the folder must hold files ending in"),
        ("a.txt", "must end in"),
    ],
)
def test_paths_that_hold_nothing_to_read(tmp_path, capsys, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".1.jsonl.7.partial").touch()
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=message):
        find_files([tmp_path / name])
    assert run(capsys, tmp_path / name)[:2] == (1, "")


def test_a_folder_is_read_by_step(tmp_path):
    for name in ("10.jsonl", "9.jsonl", "best.jsonl", "a.parquet", ".hidden.jsonl", "notes.txt", "9" * 30 + ".jsonl"):
        (tmp_path / name).touch()
    assert [file.name for file in find_files([tmp_path])] == [
        "9.jsonl",
        "10.jsonl",
        "9" * 30 + ".jsonl",
        "a.parquet",
        "best.jsonl",
    ]


# --- size, streams and the command itself


@pytest.mark.parametrize(("suffix", "count"), [(".jsonl", 20_000), (".parquet", 5_000)])
def test_memory_does_not_grow_with_the_file(tmp_path, suffix, count):
    # Rows of a little over 1,000 characters: 20 MB of JSON Lines, 5 MB of parquet. A batch of 64 rows is 0.1 MB.
    verdict = binary_verdict(right=False, pred="8")
    reward_score.register("mine")(lambda s, g, e: verdict)
    row = dumped("x" * 1000, data_source="mine")
    path = tmp_path / "1.jsonl"
    with path.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for _ in range(count))
    if suffix == ".parquet":
        table = pa.Table.from_pylist([row] * 500)
        path = tmp_path / "1.parquet"
        with pq.ParquetWriter(path, table.schema) as writer:
            for _ in range(count // 500):
                writer.write_table(table)
    tracemalloc.start()
    try:
        settings = Settings(selects=selector("wrong"), show_count=50)
        report = score_files([path], settings, lambda scored: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.sources["mine"].responses == report.differing == count
    assert peak < 2_000_000


def command(*arguments, **environment):
    # PYTHONUNBUFFERED would hide what a flush at the interpreter's end does.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [sys.executable, "-m", "reward_score", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(reward_score.__file__).parents[1],
        env=inherited | environment,
        # Whatever runs the tests in the background has Ctrl-C ignored, and its children after it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_the_command_runs_and_its_output_has_no_colours(tmp_path):
    path = write_lines(tmp_path / "1.jsonl", [dumped("#### 7 \u00e9"), dumped("\u00e9 #### 8")])
    process = command(path, "--show", "wrong", PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("data source ")
    assert "response  ? #### 8" in out
    assert "\x1b" not in out


def test_a_reader_that_has_gone_and_an_interrupt_end_it_quietly(tmp_path):
    path = write_lines(tmp_path / "1.jsonl", [dumped()])
    process = command(path)
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (141, "")
    process.stderr.close()
    large = tmp_path / "2.jsonl"
    write_lines(large, [dumped()] * 200_000)
    process = command(large)
    # The first of many seconds of scoring: after the imports, before the end.
    wait_for_open_file(process.pid, large)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")


def wait_for_open_file(pid, path):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(os.path.realpath(link) == str(path.resolve()) for link in Path(f"/proc/{pid}/fd").iterdir()):
            return
        time.sleep(0.01)
    raise AssertionError("the command did not open its file within a minute")


def test_importing_the_package_imports_neither_pyarrow_nor_the_command():
    code = (
        "import sys, reward_score;"
        " print([m for m in sys.modules if m.startswith(('pyarrow', 'pandas', 'reward_score.rescore'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "[]\n"
