"""What all converters share: order of the files, exclusion, the data card, what is told, and exit codes."""

import json
from hashlib import sha256

import pytest

from data_prep.card import check_card, write_card
from data_prep.command import Part, converter_parser, run
from data_prep.conversion import Dropped, Report
from data_prep.hub import HubSet
from data_prep.records import Fault
from data_prep.schema import make_row, read_rows, write_parquet


def row(split, number, question):
    return make_row(
        data_source="openai/gsm8k",
        prompt=question,
        ability="math",
        ground_truth="4",
        reference_response="#### 4",
        split=split,
        identity=f"set/{split}/{number}",
        question=question,
    )


def part(split, *questions, origin=None, dedupe=False, expected=None, more=()):
    rows = [(f"{split} {number}", row(split, number, question)) for number, question in enumerate(questions)]
    return Part(split, split, lambda: iter([*more, *rows]), origin, "MIT", dedupe=dedupe, expected=expected)


def convert(folder, parts, *options):
    parser = converter_parser("name", "A set.", hub_name="owner/name", styles=("one", "two"), style="one")
    return run(parser, lambda _: parts, ["--output", str(folder), *map(str, options)])


def card(folder, name):
    return json.loads((folder / f"{name}.parquet.json").read_text())


def questions(path):
    return [row["extra_info"]["question"] for row in read_rows(path)]


def test_what_the_own_test_split_asks_is_not_trained_on(tmp_path, capsys):
    assert convert(tmp_path, [part("train", "A?", "B?", "C?"), part("test", "b ?")]) == 0
    assert questions(tmp_path / "train.parquet") == ["A?", "C?"]
    assert questions(tmp_path / "test.parquet") == ["b ?"]
    said = capsys.readouterr().out
    assert "train.parquet: 2 rows of 3 records\n  1 dropped: asked in an evaluation set\n    set/train/1 (" in said


def test_evaluation_sets_lose_nothing_to_exclusion(tmp_path):
    write_parquet([("x", row("test", 9, "A?"))], tmp_path / "other.parquet")
    options = ("--exclude", tmp_path / "other.parquet")
    assert (
        convert(tmp_path / "out", [part("test", "A?", "B?"), part("val", "A?"), part("train", "A?", "D?")], *options)
        == 0
    )
    assert questions(tmp_path / "out" / "test.parquet") == ["A?", "B?"]
    assert questions(tmp_path / "out" / "val.parquet") == ["A?"]
    assert questions(tmp_path / "out" / "train.parquet") == ["D?"]
    assert card(tmp_path / "out", "train")["options"]["exclude"] == [str(tmp_path / "other.parquet")]


@pytest.mark.parametrize(
    ("default", "option", "rows"),
    [(False, (), 2), (True, (), 1), (False, ("--dedupe",), 1), (True, ("--no-dedupe",), 2)],
)
def test_dedupe_is_the_sets_default_unless_the_user_says_otherwise(tmp_path, default, option, rows):
    assert convert(tmp_path, [part("train", "A?", "A?", dedupe=default)], *option) == 0
    assert len(questions(tmp_path / "train.parquet")) == rows
    assert card(tmp_path, "train")["options"]["dedupe"] is (rows == 1)


def test_the_file_to_write_cannot_be_excluded(tmp_path, capsys):
    convert(tmp_path, [part("train", "A?")])
    assert convert(tmp_path, [part("train", "A?")], "--exclude", tmp_path / "train.parquet") == 1
    assert "--exclude must name other files than those to write" in capsys.readouterr().err


def test_an_absent_file_to_exclude_is_named_before_anything_is_written(tmp_path, capsys):
    assert convert(tmp_path / "out", [part("train", "A?")], "--exclude", tmp_path / "absent.parquet") == 1
    assert "--exclude must name files or folders, but there is no file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_card_says_what_the_file_was_made_of(tmp_path):
    source = tmp_path / "raw.jsonl"
    source.write_bytes(b"raw\n")
    more = [Fault("raw.jsonl line 1: bad"), Dropped("set/x", "no answer can be right", "no box")]
    made = part("train", "A?", "A?", origin=(source,), dedupe=True, more=more)
    assert convert(tmp_path, [made], "--skip-bad", "--prompt-style", "two") == 0
    told = card(tmp_path, "train")
    whole = (tmp_path / "train.parquet").read_bytes()
    assert told.pop("made_with").keys() == {"verl-dipo", "pyarrow"}
    assert told == {
        "file": "train.parquet",
        "sha256": sha256(whole).hexdigest(),
        "bytes": len(whole),
        "split": "train",
        "rows": 1,
        "rows_by_data_source": {"openai/gsm8k": 1},
        "licence": "MIT",
        "source": [{"file": str(source), "bytes": 4, "sha256": sha256(b"raw\n").hexdigest()}],
        "options": {
            "converter": "python -m data_prep.name",
            "prompt_style": "two",
            "hub_config": None,
            "hub_revision": None,
            "exclude": [],
            "dedupe": True,
            "skip_bad": True,
        },
        "records": {
            "read": 4,
            "written": 1,
            "dropped": {
                "asked before": {"count": 1, "listed": [{"id": "set/train/1"}]},
                "no answer can be right": {"count": 1, "listed": [{"id": "set/x", "reason": "no box"}]},
            },
            "at_fault": {"count": 1, "listed": ["raw.jsonl line 1: bad"]},
        },
    }


def test_the_card_of_a_hub_set_names_the_commit(tmp_path):
    assert convert(tmp_path, [part("train", "A?", origin=HubSet("owner/name", "main", "0123abcd"))]) == 0
    assert card(tmp_path, "train")["source"] == [{"hub": "owner/name", "config": "main", "revision": "0123abcd"}]


def test_the_same_run_gives_the_same_bytes_file_and_card(tmp_path):
    for name in ("a", "b"):
        assert convert(tmp_path / name, [part("train", "A?", "B?"), part("test", "C?")]) == 0
    for file in ("train.parquet", "train.parquet.json", "test.parquet", "test.parquet.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_skipped_records_are_counted_and_listed(tmp_path, capsys):
    faults = [Fault(f"raw line {number}: bad") for number in range(30)]
    assert convert(tmp_path, [part("train", "A?", more=faults)], "--skip-bad") == 0
    said = capsys.readouterr().out
    assert "  30 skipped: at fault\n    raw line 0: bad (and 29 more records with the same fault)\n" in said
    assert len(card(tmp_path, "train")["records"]["at_fault"]["listed"]) == 30


def test_faults_end_the_run_with_a_line_each(tmp_path, capsys):
    assert convert(tmp_path / "out", [part("train", "A?", more=[Fault("raw line 3: bad")])]) == 1
    assert capsys.readouterr().err == (
        "error: raw line 3: bad\n"
        "error: train.parquet is not written: 1 of 2 records are at fault:"
        " correct them, or leave them out with --skip-bad\n"
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("expected", "noted"), [(None, False), (2, False), (3, True)])
def test_another_number_of_rows_than_known_is_told(tmp_path, capsys, expected, noted):
    assert convert(tmp_path, [part("test", "A?", "B?", expected=expected)]) == 0
    assert ("note: this set is known with 3 rows" in capsys.readouterr().out) is noted


def test_a_changed_file_no_longer_fits_its_card(tmp_path):
    path = tmp_path / "train.parquet"
    assert check_card(path) == ""
    write_parquet([("x", row("train", 1, "A?"))], path)
    assert check_card(path) == ""
    write_card(path, Report(written=1), split="train", source=[], options={}, licence="MIT")
    assert check_card(path) == ""
    write_parquet([("x", row("train", 1, "B?"))], path)
    assert (
        check_card(path)
        == f"{path}: must be the file that train.parquet.json describes, but its content differs: make it again"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "[" * 100_000])
def test_an_unreadable_card_is_told_in_one_sentence(tmp_path, text):
    path = tmp_path / "train.parquet"
    write_parquet([("x", row("train", 1, "A?"))], path)
    (tmp_path / "train.parquet.json").write_text(text)
    fault = check_card(path)
    assert "must be the data card that data_prep wrote" in fault
    assert "\n" not in fault


def test_files_of_one_run_appear_together_or_not_at_all(tmp_path, capsys):
    assert convert(tmp_path, [part("train", "A?"), part("val", "B?")]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["train.parquet", "train.parquet.json", "val.parquet", "val.parquet.json"]
    assert convert(tmp_path, [part("train", "B?", more=[Fault("raw line 1: bad")]), part("val", "A?")]) == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_ctrl_c_leaves_no_half_file_and_says_so(tmp_path, capsys):
    def interrupted():
        yield "train 0", row("train", 0, "A?")
        raise KeyboardInterrupt

    assert convert(tmp_path, [part("train")._replace(rows=interrupted)]) == 130
    assert capsys.readouterr().err == "interrupted: a file that was not finished is not there\n"
    assert list(tmp_path.iterdir()) == []
