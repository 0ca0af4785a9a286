"""The layouts in which public evaluations write their outputs: found as they are, or told which option names what."""

import gzip
import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reward_score.__main__ import main
from reward_score.rescore.columns import Columns
from reward_score.rescore.files import find_files
from reward_score.rescore.scoring import Settings, score_files

BOXED = "Think. So \\boxed{7}."
WRONG = "So \\boxed{8}."
SAID = [{"role": "user", "content": "How many? Put it in \\boxed{}."}, {"role": "assistant", "content": BOXED}]
PARTS = [{"role": said["role"], "content": [{"type": "text", "text": said["content"]}]} for said in SAID]
QUESTION = {"question": "How many?"}

LAYOUTS = {
    "plain": {"response": BOXED, "answer": "7"},
    "completion and gold": {"completion": BOXED, "gold": "7", **QUESTION},
    "completion of a conversation": {"completion": [{"role": "assistant", "content": BOXED}], "answer": "7"},
    "messages": {"messages": SAID, "answer": "7"},
    "messages of parts": {"messages": PARTS, "answer": "7"},
    "history": {"history": SAID, "gt": "7"},
    "history of pairs": {"history": [["How many?", BOXED]], "gt": "7"},
    "history as text": {"history": BOXED, "gt": "7"},
    "ShareGPT": {"conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": BOXED}], "answer": "7"},
    "lm-evaluation-harness": {
        "doc_id": 0,
        "doc": {"question": "How many?", "answer": "3+4=7\n#### 7"},
        "target": "3+4=7\n#### 7",
        "arguments": {"gen_args_0": {"arg_0": "How many?", "arg_1": {"until": ["Q:"]}}},
        "resps": [[BOXED]],
        "filtered_resps": ["7"],
        "filter": "strict-match",
        "exact_match": 1.0,
    },
    "Qwen2.5-Math": {
        "idx": 0,
        "question": "How many?",
        "gt_cot": "3+4=7",
        "gt": "7",
        "level": "Level 5",
        "solution": "3+4=7",
        "answer": "7",
        "code": [BOXED],
        "pred": ["7"],
        "report": [None],
        "score": [True],
    },
    "NeMo-Skills": {
        "problem": "How many?",
        "expected_answer": "7",
        "generation": BOXED,
        "predicted_answer": "7",
        "symbolic_correct": True,
        "num_generated_tokens": 9,
    },
    "OpenMathInstruct": {
        "problem": "How many?",
        "generated_solution": BOXED,
        "expected_answer": "7",
        "problem_source": "augmented_math",
    },
    "OpenCompass, a row": {
        "origin_prompt": [{"role": "HUMAN", "prompt": "How many?"}],
        "prediction": BOXED,
        "gold": "7",
    },
    "lighteval, formerly": {"example": "How many?", "full_prompt": "How many?", "predictions": [BOXED], "gold": ["7"]},
    "lighteval": {
        "doc": {"query": "How many?", "choices": ["7"], "gold_index": [0]},
        "model_response": {"text": [BOXED], "input_tokens": [1]},
        "metric": {"extractive_match": 1.0},
    },
    "OLMES": {"doc_id": 0, "model_output": [{"continuation": BOXED, "num_tokens": 9}], "label": "7"},
    "OlympiadBench": {"question": "How many?", "model_output": BOXED, "final_answer": ["7"]},
    "LIMO": {"question": "How many?", "generated_responses": [BOXED], "gold_answer": "7"},
    "open-r1": {"problem": "?", "answer": "7", "generations": [BOXED], "messages": SAID, "source": "olympiads"},
    "verl's main_generation": {"prompt": SAID[:1], "reward_model": {"ground_truth": "7"}, "responses": [BOXED]},
    "verl's dump": {"input": "\\boxed", "output": BOXED, "gts": "7", "score": 1.0, "pred": "7", "answer": "8"},
    "OpenAI's completions": {"outputs": [{"text": BOXED}], "answer": 7},
    "whether it was right beside the gold": {"response": BOXED, "label": True, "answer": "7"},
    "the same under two names": {"response": BOXED, "output": BOXED + "\n", "answer": "7", "target": " 7"},
    "GSM8K's own answers": {"response": BOXED, "answer": "3+4=<<3+4=7>>7\n#### 7"},
    "a gold that is a number": {"response": BOXED, "target": 7},
    "no response of another kind": {"response": BOXED, "output": {"tokens": 3}, "answer": "7"},
}


def write(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def verdicts(path, **settings):
    scored = []
    settings = {"data_source": "math500", **settings}
    report = score_files(find_files([path]), Settings(**settings), scored.append)
    return [one.verdict["acc"] for one in scored], report


def spoiled(value):
    """The row with the wrong response in place of the right one."""
    if isinstance(value, dict):
        return {key: spoiled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [spoiled(inner) for inner in value]
    return value.replace(BOXED, WRONG) if isinstance(value, str) else value


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_is_read_as_it_is(tmp_path, layout, suffix):
    row = LAYOUTS[layout]
    accs, report = verdicts(write(tmp_path / f"a.{suffix}", [row, spoiled(row)]))
    assert report.faults == {}
    assert accs == [1.0, 0.0]


@pytest.mark.parametrize(
    "row",
    [
        {"generations": [BOXED, WRONG], "answer": "7"},
        {"resps": [[BOXED], [WRONG]], "target": "7"},
        {"resps": [[BOXED, WRONG]], "target": "7"},
        {"code": [BOXED, WRONG], "gt": "7"},
        {"model_response": {"text": [BOXED, WRONG]}, "gold": "7"},
        {"outputs": [{"text": BOXED}, {"text": WRONG}], "answer": "7"},
    ],
)
def test_each_of_several_responses_is_scored(tmp_path, row):
    accs, report = verdicts(write(tmp_path / "a.jsonl", [row]))
    assert (accs, report.faults) == ([1.0, 0.0], {})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"response": BOXED, "completion": WRONG, "answer": "7"},
            "may have its response in response or completion, which differ: name one with --response-column",
        ),
        (
            {"output": BOXED, "messages": [*SAID[:1], {"role": "assistant", "content": WRONG}], "answer": "7"},
            "may have its response in output or messages, which differ: name one with --response-column",
        ),
        (
            {"response": BOXED, "gold": "7", "answer": "8"},
            "may have its ground truth in gold or answer, which differ: name one with --ground-truth-column",
        ),
        (
            {"reply": BOXED, "key": "7"},
            "has reply, key: name the columns with --response-column and --ground-truth-column",
        ),
        (
            {"response": BOXED, "key": "7"},
            "has response, key: name the columns with --response-column and --ground-truth-column",
        ),
        ({"messages": SAID[:1], "answer": "7"}, "must have a response in the column response or output or"),
        ({"messages": [], "answer": "7"}, "must have a response in the column response or output or"),
        ({"generation": None, "answer": "7"}, "generation must be a text or a list of texts, got nothing"),
        ({"generation": [1], "answer": "7"}, "generation must be a text or a list of texts, got [1]"),
        ({"response": BOXED, "answer": None}, "must have a ground truth in the column gts or ground_truth or"),
    ],
)
def test_what_is_not_known_is_asked_for_once(tmp_path, capsys, row, message):
    path = write(tmp_path / "a.jsonl", [row] * 5)
    assert main([str(path), "--data-source", "math500"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path} line 1: ")
    assert message in line
    assert line.endswith("(and 4 more with the same fault)")


def test_the_options_name_columns_and_fields_in_them(tmp_path):
    row = {"response": WRONG, "reply": {"last": BOXED}, "key": {"value": "7"}, "answer": "8"}
    path = write(tmp_path / "a.jsonl", [row])
    assert verdicts(path, columns=Columns("reply.last", "key.value"))[0] == [1.0]
    assert verdicts(path, columns=Columns("response", "answer"))[0] == [1.0]
    assert verdicts(path, columns=Columns("response", "key.value"))[0] == [0.0]
    assert "in the column reply.first, has response, reply" in next(
        iter(verdicts(path, columns=Columns("reply.first", "answer"))[1].faults)
    )


def test_the_form_that_a_prompt_asks_for_tells_the_source(tmp_path):
    rows = [
        {"messages": SAID, "answer": "7"},
        {"problem": "How many? \\boxed{}", "generation": BOXED, "expected_answer": "7"},
        {"arguments": [["How many? \\boxed{}", {"until": []}]], "resps": [[BOXED]], "target": "7"},
        {"origin_prompt": [{"role": "HUMAN", "prompt": "In \\boxed{}?"}], "prediction": BOXED, "gold": "7"},
    ]
    accs, report = verdicts(write(tmp_path / "a.jsonl", rows), data_source="")
    assert (accs, list(report.sources)) == ([1.0] * 4, ["lighteval/MATH"])
    # What only the response shows is no form that was asked for.
    accs, report = verdicts(write(tmp_path / "b.jsonl", [rows[1] | {"problem": "How many?"}]), data_source="")
    assert accs == []
    assert "give --data-source NAME" in next(iter(report.faults))


ROWS = [
    {"prediction": BOXED, "gold": "7", "origin_prompt": "?"},
    {"prediction": WRONG, "gold": "7", "origin_prompt": "?"},
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=4),
        json.dumps(dict(enumerate(ROWS))),
        json.dumps(dict(enumerate(ROWS)), indent=4, ensure_ascii=False),
        json.dumps({"config": {"model": "m"}, "samples": ROWS}),
        json.dumps({"accuracy": 50.0, "details": ROWS}, indent=2),
        LINES,
        "\ufeff" + json.dumps(ROWS),
        "\n\n" + LINES,
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_json_in_one_piece(tmp_path, text, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    accs, report = verdicts(path)
    assert (accs, report.faults) == ([1.0, 0.0], {})


def test_lines_that_hold_lists_of_objects_are_rows(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("".join(json.dumps(row | {"details": [{"a": 1}]}) + "\n" for row in ROWS))
    assert verdicts(path)[0] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1, 2]", "must be one JSON object, got 1"),
        (b"[{", "must be JSON, one object a line or one array of them, but"),
        (b"[" * 100_000, "must be JSON, one object a line or one array of them, but"),
        (b"[]", "must hold at least one row, it is empty"),
    ],
)
def test_json_that_is_no_rows(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert any(message in fault for fault in verdicts(path)[1].faults)


@pytest.mark.parametrize("kind", [".jsonl", ".json", ".json.gz", ".parquet"])
def test_standard_input_is_read_whatever_it_holds(tmp_path, monkeypatch, capsys, kind):
    path, output = tmp_path / f"piped{kind}", tmp_path / "out.jsonl"
    text = LINES if kind == ".jsonl" else json.dumps(ROWS)
    if kind == ".parquet":
        write(path, ROWS)
    else:
        path.write_bytes(gzip.compress(text.encode()) if kind.endswith(".gz") else text.encode())
    with path.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["-", "--data-source", "math500", "--output", str(output)]) == 0
    assert [json.loads(line)["acc"] for line in output.read_text().splitlines()] == [1.0, 0.0]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"bad')))
    assert main(["-"]) == 1
    assert "error: standard input line 1: must be one JSON object" in capsys.readouterr().err


def test_a_gzip_file_that_is_cut_off_is_told(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINES.encode() * 1000))
    assert len(verdicts(path)[0]) == 2000
    path.write_bytes(path.read_bytes()[:-20])
    assert "end-of-stream" in next(iter(verdicts(path)[1].faults))


def test_deeply_nested_columns_end(tmp_path):
    nested = BOXED
    for _ in range(200):
        nested = [{"text": nested}]
    path = write(tmp_path / "a.jsonl", [{"response": nested, "answer": "7", "prompt": nested, "gold": nested}])
    assert list(verdicts(path)[1].faults)
