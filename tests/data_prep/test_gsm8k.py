"""GSM8K: the real files whole and row by row as verl's example makes them, and every bad line named."""

import json
import re

import pytest

from data_prep import validate
from data_prep.gsm8k import main
from data_prep.prompts import MATH_STYLES
from data_prep.schema import read_rows
from reward_score import compute_score

GOOD = {"question": "How many?", "answer": "Half of 2,469 rounded is <<2468/2=1234>>1234.\n#### 1,234"}


def write(path, *lines):
    path.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines) + b"\n"
    )
    return path


def run(inputs, output, *options):
    return main(["--input", *map(str, inputs), "--output", str(output), *options])


def rows(path):
    return list(read_rows(path))


def card(path):
    return json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gsm8k")
    assert run([shared_data / "gsm8k"], folder) == 0
    return folder


def test_the_real_files_convert_whole_and_pass_the_validator(real, capsys):
    # The numbers of the paper's section 2 and of README_math.md.
    files = [real / "train.parquet", real / "test.parquet"]
    assert validate.main([str(file) for file in files]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[1] for line in table if line[0] == "openai/gsm8k"] == ["7473", "1319"]
    assert [card(file)["records"]["dropped"] for file in files] == [{}, {}]


def test_files_give_the_same_bytes_as_their_folder(shared_data, real, tmp_path):
    assert run([shared_data / "gsm8k" / "test.jsonl"], tmp_path) == 0
    assert (tmp_path / "test.parquet").read_bytes() == (real / "test.parquet").read_bytes()
    assert not (tmp_path / "train.parquet").exists()


@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_equal_what_verls_example_makes(shared_data, real, split):
    raw = [json.loads(line) for line in (shared_data / "gsm8k" / f"{split}.jsonl").read_text("utf-8").splitlines()]
    for index, (record, row) in enumerate(zip(raw, rows(real / f"{split}.parquet"), strict=True)):
        # The expression, the instruction and the layout of examples/data_preprocess/gsm8k.py.
        gold = re.search(r"#### (\-?[0-9\.\,]+)", record["answer"])[1].replace(",", "")
        asked = record["question"] + ' Let\'s think step by step and output the final answer after "####".'
        assert row["data_source"] == "openai/gsm8k"
        assert row["prompt"] == [{"role": "user", "content": asked}]
        assert row["ability"] == "math"
        assert row["reward_model"] == {"style": "rule", "ground_truth": gold}
        assert (row["extra_info"]["split"], row["extra_info"]["index"]) == (split, index)


def test_one_record(tmp_path):
    # Byte order mark, Windows line end and blank lines are no fault.
    lines = ["\N{ZERO WIDTH NO-BREAK SPACE}".encode() + json.dumps(GOOD).encode() + b"\r", b"", b"  "]
    assert run([write(tmp_path / "test.jsonl", *lines)], tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"test.parquet", "test.parquet.json"}
    (row,) = rows(tmp_path / "out" / "test.parquet")
    assert row["reward_model"]["ground_truth"] == "1234"
    assert row["extra_info"] == {
        "split": "test",
        "index": 0,
        "id": "openai/gsm8k/test/0",
        "category": "",
        "difficulty": 0,
        "question": "How many?",
        "reference_response": GOOD["answer"],
        "prompt_style": "gsm8k",
        "answer_format": "hash",
        "think": "",
    }


@pytest.mark.parametrize("style", MATH_STYLES)
def test_in_every_style_the_answer_stands_where_the_style_asks_for_it(tmp_path, style):
    assert run([write(tmp_path / "test.jsonl", GOOD)], tmp_path / "out", "--prompt-style", style) == 0
    (row,) = rows(tmp_path / "out" / "test.parquet")
    info = row["extra_info"]
    assert (info["prompt_style"], info["answer_format"]) == (style, MATH_STYLES[style].answer_format)
    assert info["reference_response"].startswith(GOOD["answer"])
    verdict = compute_score("openai/gsm8k", info["reference_response"], "1234", info)
    assert (verdict["acc"], verdict["format"]) == (1.0, 1.0)
    wrong = compute_score("openai/gsm8k", info["reference_response"], "1235", info)
    assert (wrong["acc"], wrong["format"]) == (0.0, 1.0)


CAUSES = [
    (json.dumps(GOOD).encode()[:-20], "must be one JSON object, but Unterminated string"),
    (b'{"question": 1,', "must be one JSON object, but "),
    (b"[1, 2]", r"must be one JSON object, got \[1, 2\]"),
    (b"null", "must be one JSON object, got nothing"),
    (b'"text"', "must be one JSON object, got 'text'"),
    (b'{"question": ' + b"[" * 100_000, "must be one JSON object"),
    (b'{"question": ' + b"1" * 5000 + b"}", "must be one JSON object of ordinary depth and numbers"),
    (b'{"question": "caf\xe9"}', "must be UTF-8, but byte 18 of the line is 0xe9"),
    ({"question": "x"}, "must have the field 'answer', has 'question'"),
    ({"answer": "#### 1"}, "must have the field 'question', has 'answer'"),
    ({}, "must have the field 'question', has none"),
    (GOOD | {"question": 5}, "'question' must be a text that is not empty, got 5"),
    (GOOD | {"question": " "}, "'question' must be a text that is not empty, got ' '"),
    (GOOD | {"answer": None}, "'answer' must be a text that is not empty, got nothing"),
    (GOOD | {"answer": ["#### 1"]}, "'answer' must be a text that is not empty"),
    (GOOD | {"question": "\ud800"}, "'question' must be text that UTF-8 can hold"),
    (GOOD | {"answer": "1234"}, "'answer' must end in a line '#### NUMBER', got"),
    (GOOD | {"answer": "#### twelve"}, "'answer' must end in a line '#### NUMBER', got"),
    (GOOD | {"answer": "#### 12 or 13"}, "'answer' must end in a line '#### NUMBER', got"),
]


@pytest.mark.parametrize(("line", "message"), CAUSES)
def test_bad_line_is_named_with_what_was_expected(tmp_path, capsys, line, message):
    source = write(tmp_path / "train.jsonl", GOOD, line, GOOD)
    assert run([source], tmp_path / "out") == 1
    said = capsys.readouterr().err
    fault, sum_up = said.splitlines()
    assert re.search(rf"^error: {re.escape(str(source))} line 2: {message}", fault)
    assert len(fault) < 400
    assert sum_up == (
        "error: train.parquet is not written: 1 of 3 records are at fault: correct them, or"
        " leave them out with --skip-bad"
    )
    assert said.endswith("\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_all_faults_of_a_file_are_told_and_summed_up(tmp_path, capsys):
    source = write(tmp_path / "train.jsonl", GOOD, *(line for line, _ in CAUSES))
    assert run([source], tmp_path / "out") == 1
    *faults, sum_up = capsys.readouterr().err.splitlines()
    told = 0
    for fault in faults:
        number = int(re.search(r" line (\d+): ", fault)[1])
        assert re.search(rf"^error: {re.escape(str(source))} line {number}: {CAUSES[number - 2][1]}", fault)
        more = re.search(r" \(and (\d+) more records with the same fault\)$", fault)
        told += 1 + int(more[1] if more else 0)
    assert told == len(CAUSES)
    assert f"{len(CAUSES)} of {len(CAUSES) + 1} records are at fault" in sum_up


def test_a_row_that_nothing_can_solve_is_dropped_and_counted_but_no_fault(tmp_path, capsys):
    # The gold without its commas is 1234, but the solution's own last line is no number to the verifier.
    source = write(tmp_path / "train.jsonl", GOOD, GOOD | {"answer": "#### 12,3,4"}, GOOD)
    assert run([source], tmp_path / "out") == 0
    path = tmp_path / "out" / "train.parquet"
    assert [row["extra_info"]["id"] for row in rows(path)] == ["openai/gsm8k/train/0", "openai/gsm8k/train/2"]
    said = capsys.readouterr()
    assert said.err == ""
    assert "2 rows of 3 records\n  1 dropped: no answer can be right\n    openai/gsm8k/train/1 (" in said.out
    assert card(path)["records"]["dropped"]["no answer can be right"]["count"] == 1
