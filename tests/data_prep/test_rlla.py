"""ToolRL's data: the real files in both layouts, the authors' own split, and every bad input by place."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.card import card_path
from data_prep.conversion import EXCLUDED, UNSOLVABLE
from data_prep.rlla import main
from data_prep.schema import read_rows
from reward_score import compute_score

OUTPUT = '<think> I should. </think>\n<tool_call>\n{"name": "f", "parameters": {"x": 1}}\n</tool_call>'


def raw_record(number, **changes):
    """A record of the raw JSON, with fields changed, or left out where they are given as `...`."""
    fields = {"instruction": "Use tools.", "input": f"**Dialogue Records History**\n<user> {number}? </user>"}
    fields = {**fields, "output": OUTPUT, **changes}
    return {name: value for name, value in fields.items() if value is not ...}


def verl_record(number, **changes):
    """A record as the authors' parquet files hold it."""
    system, user = raw_record(number)["instruction"], raw_record(number)["input"]
    fields = {
        "data_source": "rlla",
        "prompt": [{"content": system, "role": "system"}, {"content": user, "role": "user"}],
        "ability": "math",
        "reward_model": {"ground_truth": OUTPUT, "style": "rule"},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not ...}


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in records))
    return path


def run(source, output, *options):
    sources = source if isinstance(source, list) else [source]
    return main(["--input", *map(str, sources), "--output", str(output), *options])


def rows_of(output, split):
    return list(read_rows(output / f"{split}.parquet"))


def records_of(output, split):
    return json.loads(card_path(output / f"{split}.parquet").read_text())["records"]


def judge(row):
    extra_info = row["extra_info"]
    return compute_score("rlla", extra_info["reference_response"], row["reward_model"]["ground_truth"], extra_info)


def check_rows(rows, split, dialogues):
    """Checks rows against (system, user, reference) of the raw records."""
    assert len(rows) == len(dialogues)
    for number, (row, (system, user, reference)) in enumerate(zip(rows, dialogues, strict=True)):
        said = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        assert (row["data_source"], row["prompt"], row["ability"]) == ("rlla", said, "tool")
        assert row["reward_model"] == {"style": "rule", "ground_truth": reference}
        assert row["extra_info"]["question"] == user
        assert row["extra_info"]["reference_response"] == reference
        assert (row["extra_info"]["id"], row["extra_info"]["index"]) == (f"rlla/{split}/{number}", number)
        assert (row["extra_info"]["split"], row["extra_info"]["prompt_style"]) == (split, "toolrl")


@pytest.mark.parametrize("by_folder", [False, True])
def test_the_authors_test_file_converts_whole(shared_data, tmp_path, by_folder):
    source = shared_data / "toolrl" / "rlla_4k_test.parquet"
    raw = pq.read_table(source).to_pylist()
    assert run(source.parent if by_folder else source, tmp_path) == 0
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["test.parquet"]
    rows = rows_of(tmp_path, "test")
    fields = [(*(message["content"] for message in r["prompt"]), r["reward_model"]["ground_truth"]) for r in raw]
    check_rows(rows, "test", fields)
    assert len(rows) == 80
    assert {row["extra_info"]["think"] for row in rows} == {"asked"}
    # 3 for the right calls, or none where none is wanted, and 1 for the form.
    assert {(v["acc"], v["format"], v["score"]) for v in map(judge, rows)} == {(1.0, 1.0, 4.0)}
    card = json.loads(card_path(tmp_path / "test.parquet").read_text())
    assert [entry["file"] for entry in card["source"]] == [str(source)]
    assert "xLAM-60k (CC-BY-4.0, Salesforce)" in card["licence"]


@pytest.mark.parametrize("think", ["asked", "opened", "none"])
def test_references_earn_full_marks_with_any_thinking(shared_data, tmp_path, think):
    assert run(shared_data / "toolrl" / "rlla_4k_test.parquet", tmp_path, "--think", think) == 0
    rows = rows_of(tmp_path, "test")
    for row in rows:
        response, reference = row["extra_info"]["reference_response"], row["reward_model"]["ground_truth"]
        # The prompt ends in the opening tag where the thinking is opened.
        assert response == (reference[len("<think>") :] if think == "opened" else reference)
        assert reference.startswith("<think>")
        assert row["extra_info"]["think"] == think
    assert {(v["acc"], v["format"], v["score"]) for v in map(judge, rows)} == {(1.0, 1.0, 4.0)}


def test_the_next_rows_reference_is_judged_wrong(shared_data, tmp_path):
    # Were the verifier to pass anything, a proven row would show nothing. Nine rows want no call, in any words.
    run(shared_data / "toolrl" / "rlla_4k_test.parquet", tmp_path)
    rows = rows_of(tmp_path, "test")
    golds = [row["reward_model"]["ground_truth"] for row in rows]
    right = [compute_score("rlla", golds[n - 1], golds[n])["acc"] for n in range(len(rows))]
    assert sum(right) <= 9


def authors_split(records, seed=31415, share=0.02):
    """What dataset/rlla_4k_raw/rlla.py does: numpy's global state, a shuffle of the list, the last 2% for test."""
    kept = np.random.get_state()
    shuffled = list(records)
    np.random.seed(seed)
    np.random.shuffle(shuffled)
    np.random.set_state(kept)
    number = int(len(shuffled) * share)
    return {"train": shuffled[:-number], "test": shuffled[-number:]}


@pytest.mark.parametrize(
    ("options", "seed", "share", "numbers"),
    [([], 31415, 0.02, (392, 8)), (["--seed", "1", "--test-share", "0.25"], 1, 0.25, (300, 100))],
)
def test_the_raw_file_is_split_as_the_authors_split_it(shared_data, tmp_path, options, seed, share, numbers):
    source = shared_data / "toolrl" / "rlla_sft.json"
    before = np.random.get_state()[1].copy()
    assert run(source, tmp_path, *options) == 0
    assert (np.random.get_state()[1] == before).all()
    expected = authors_split(json.loads(source.read_text("utf-8")), seed, share)
    assert (len(expected["train"]), len(expected["test"])) == numbers
    for split, records in expected.items():
        rows = rows_of(tmp_path, split)
        check_rows(rows, split, [(r["instruction"], r["input"], r["output"]) for r in records])
        assert {v["acc"] for v in map(judge, rows)} == {1.0}


@pytest.mark.parametrize("name", ["rlla_rl.json", "rlla_rl.jsonl"])
def test_raw_records_in_a_folder_an_array_or_lines(tmp_path, name):
    records = [raw_record(number) for number in range(50)]
    if name.endswith("l"):
        source = write_lines(tmp_path / "in" / name, records)
    else:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / name).write_text(json.dumps(records, indent=1))
        source = tmp_path / "in"
    assert run(source, tmp_path / "out") == 0
    # int(50 * 0.02) is one row.
    for split, expected in authors_split(records).items():
        assert [row["extra_info"]["question"] for row in rows_of(tmp_path / "out", split)] == [
            record["input"] for record in expected
        ]


def test_both_layouts_give_the_same_rows(tmp_path):
    raw = [raw_record(number) for number in range(50)]
    write_lines(tmp_path / "raw.jsonl", raw)
    verl = authors_split([verl_record(number) for number in range(50)])
    for split, records in verl.items():
        (tmp_path / "verl").mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(records), tmp_path / "verl" / f"{split}.parquet")
    assert run(tmp_path / "raw.jsonl", tmp_path / "a") == run(tmp_path / "verl", tmp_path / "b") == 0
    for split in verl:
        a, b = (tmp_path / side / f"{split}.parquet" for side in "ab")
        assert a.read_bytes() == b.read_bytes()


def test_a_question_on_both_sides_of_the_authors_split_is_kept_for_test_only(tmp_path):
    records = [raw_record(number // 2) for number in range(100)]
    write_lines(tmp_path / "raw.json", records)
    assert run(tmp_path / "raw.json", tmp_path / "out") == 0
    asked = {
        split: {row["prompt"][1]["content"] for row in rows_of(tmp_path / "out", split)} for split in ("train", "test")
    }
    expected = authors_split(records)
    assert asked["test"] == {record["input"] for record in expected["test"]}
    assert asked["train"] == {record["input"] for record in expected["train"]} - asked["test"]
    assert asked["train"] & {record["input"] for record in expected["test"]} == set()
    assert records_of(tmp_path / "out", "train")["dropped"][EXCLUDED]["count"] >= 1


ONE_OBJECT = "must be one JSON object, but"
TWO_MESSAGES = "'prompt' must be a system and a user message, got"
SYSTEM, USER = verl_record(1)["prompt"]

BAD = [
    (json.dumps(raw_record(1)).encode()[:-30], f"{ONE_OBJECT} Unterminated string"),
    (b"{", f"{ONE_OBJECT} Expecting property name"),
    (b"[]", r"must be one JSON object, got \[\]"),
    (b'{"input": "\xe9"}', "must be UTF-8, but byte 12 of the line is 0xe9"),
    (raw_record(1, instruction=...), "must have the field 'instruction', has 'input', 'output'"),
    (raw_record(1, input=...), "must have the field 'input', has 'instruction', 'output'"),
    (raw_record(1, output=...), "must have the field 'output', has 'instruction', 'input'"),
    ({}, "must have the field 'instruction', has none"),
    (raw_record(1, instruction=5), "'instruction' must be a text that is not empty, got 5"),
    (raw_record(1, input=""), "'input' must be a text that is not empty, got ''"),
    (raw_record(1, input=[USER]), r"'input' must be a text that is not empty, got \[\{"),
    (raw_record(1, output=None), "'output' must be a text that is not empty, got nothing"),
    (raw_record(1, output="\ud800"), "'output' must be text that UTF-8 can hold"),
    (verl_record(1, prompt="Hello"), f"{TWO_MESSAGES} 'Hello'"),
    (verl_record(1, prompt=[]), TWO_MESSAGES + r" \[\]"),
    (verl_record(1, prompt=[USER]), TWO_MESSAGES),
    (verl_record(1, prompt=[SYSTEM]), TWO_MESSAGES),
    (verl_record(1, prompt=[USER, SYSTEM]), TWO_MESSAGES),
    (verl_record(1, prompt=[SYSTEM, USER, USER]), TWO_MESSAGES),
    (verl_record(1, prompt=[SYSTEM, {**USER, "role": "assistant"}]), TWO_MESSAGES),
    (verl_record(1, prompt=[SYSTEM, "Hello"]), "the user message must be an object, got 'Hello'"),
    (verl_record(1, prompt=[None, USER]), "the system message must be an object, got nothing"),
    (verl_record(1, prompt=[SYSTEM, {"role": "user"}]), "the user message's content must be a text that is not empty"),
    (verl_record(1, prompt=[{**SYSTEM, "content": ["x"]}, USER]), "the system message's content must be a text"),
    (verl_record(1, reward_model=...), "'reward_model' must be an object, got nothing"),
    (verl_record(1, reward_model="x"), "'reward_model' must be an object, got 'x'"),
    (verl_record(1, reward_model={"style": "rule"}), "reward_model.ground_truth must be a text that is not empty"),
    (verl_record(1, reward_model={"ground_truth": " "}), "reward_model.ground_truth must be a text that is not empty"),
]


@pytest.mark.parametrize(("line", "expected"), BAD)
def test_a_bad_record_is_named_with_what_was_expected(tmp_path, capsys, line, expected):
    source = write_lines(tmp_path / "train.jsonl", [verl_record(0), line, verl_record(2)])
    assert run(source, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert re.search(rf"^error: {re.escape(str(source))} line 2: {expected}", said, re.MULTILINE)
    assert "1 of 3 records are at fault: correct them, or leave them out with --skip-bad" in said
    assert list((tmp_path / "out").iterdir()) == []
    assert run(source, tmp_path / "out", "--skip-bad") == 0
    assert [row["extra_info"]["id"] for row in rows_of(tmp_path / "out", "train")] == ["rlla/train/0", "rlla/train/2"]
    records = records_of(tmp_path / "out", "train")
    assert records["at_fault"]["count"] == 1
    assert records["at_fault"]["listed"][0] in capsys.readouterr().out


@pytest.mark.parametrize(
    "output",
    [
        "The answer, without a tag.",
        "<think> never closed",
        '<think> a </think>\n<tool_call>\n{"name": "f"\n</tool_call>',
        "<think> a </think>\n<tool_call>\nf(x=1)\n</tool_call>",
        '<think> a </think>\n<tool_call>\n{"name": "f", "parameters": "x"}\n</tool_call>',
    ],
)
def test_a_reference_that_cannot_be_judged_against_is_dropped_with_the_reason(tmp_path, capsys, output):
    records = [verl_record(0), verl_record(1, reward_model={"ground_truth": output}), verl_record(2)]
    source = write_lines(tmp_path / "test.jsonl", records)
    assert run(source, tmp_path / "out") == 0
    assert len(rows_of(tmp_path / "out", "test")) == 2
    (entry,) = records_of(tmp_path / "out", "test")["dropped"][UNSOLVABLE]["listed"]
    assert entry["id"] == "rlla/test/1"
    assert entry["reason"].startswith(f"{source} line 2: ")
    assert "the reference answer" in entry["reason"]
    assert entry["reason"] in capsys.readouterr().out


def test_bad_raw_records_are_named_once_with_their_place(tmp_path, capsys):
    records = [raw_record(number) for number in range(100)]
    records[40] = raw_record(40, input=...)
    (tmp_path / "raw.json").write_text(json.dumps(records))
    assert run(tmp_path / "raw.json", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.count("error: ") == 2  # the fault, and that nothing is written
    assert f"{tmp_path / 'raw.json'} item 41: must have the field 'input'" in said
    assert run(tmp_path / "raw.json", tmp_path / "out", "--skip-bad") == 0
    written = [records_of(tmp_path / "out", split)["written"] for split in ("train", "test")]
    assert sum(written) == 99


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "must hold at least one record, it is empty"),
        (b"[]", "must hold at least one record, it is empty"),
        (b"[{}", "must be JSON, but"),
        (b'["text"]', "must have records for both splits, 0.02 of 1 are 0 for test"),
        (
            json.dumps([raw_record(n) for n in range(49)]).encode(),
            "must have records for both splits, 0.02 of 49 are 0 for test",
        ),
        (b'[{"input": "\xff"}]', "must be UTF-8, but byte 13 is 0xff"),
    ],
)
def test_bad_raw_files_are_named(tmp_path, capsys, content, expected):
    (tmp_path / "raw.json").write_bytes(content)
    assert run(tmp_path / "raw.json", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert re.search(rf"^error: {re.escape(str(tmp_path))}/raw.json.*: {re.escape(expected)}", said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", ["0", "1", "-0.5", "1.5", "nan", "inf"])
def test_a_share_that_leaves_a_split_empty_is_one_sentence(tmp_path, capsys, share):
    write_lines(tmp_path / "raw.json", [raw_record(number) for number in range(60)])
    assert run(tmp_path / "raw.json", tmp_path / "out", "--test-share", share) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "share" in said or "must have records for both splits" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_that_numpy_does_not_take_is_one_sentence(tmp_path, capsys, seed):
    write_lines(tmp_path / "raw.json", [raw_record(number) for number in range(60)])
    assert run(tmp_path / "raw.json", tmp_path / "out", "--seed", seed) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: --seed must")
    assert said.count("\n") == 1
