"""Which rows get into a file, what is told of the others, and that a file is whole or not there."""

import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from data_prep import conversion, schema
from data_prep.conversion import (
    CONTRADICTORY,
    DUPLICATE,
    EXCLUDED,
    UNSOLVABLE,
    Dropped,
    convert,
    make_rows,
)
from data_prep.errors import DataError, UnsolvableError
from data_prep.question import questions_in
from data_prep.records import Fault, Record
from data_prep.schema import make_row, read_rows, write_parquet


def row(number, question=None, answer="4", *, response=None, source="openai/gsm8k"):
    question = question or f"{number} and what is 4?"
    return make_row(
        data_source=source,
        prompt=f"{question} Answer!",
        ability="math",
        ground_truth=answer,
        reference_response=f"#### {answer}" if response is None else response,
        split="train",
        identity=f"set/{number}",
        question=question,
    )


def located(*rows):
    return [(f"file line {number}", row) for number, row in enumerate(rows, start=1)]


def run(items, path, **changes):
    options = {"exclude": set(), "dedupe": False, "skip_bad": False} | changes
    return convert(lambda: iter(items), path, **options)


def ids(path):
    return [row["extra_info"]["id"] for row in read_rows(path)]


def test_all_good_rows_are_written_in_order_and_numbered(tmp_path):
    path = tmp_path / "train.parquet"
    report = run(located(row(3), row(1), row(2)), path)
    assert ids(path) == ["set/3", "set/1", "set/2"]
    assert [row["extra_info"]["index"] for row in read_rows(path)] == [0, 1, 2]
    assert (report.read, report.written, report.faulty, dict(report.dropped)) == (3, 3, 0, {})
    assert report.data_sources == {"openai/gsm8k": 3}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(2, response="#### 5"), r"must score 1 against the ground truth '4', got 0 \(wrong answer\)"),
        (row(2, response="4"), "must score 1"),
        (row(2, answer="four"), "the ground truth must be a number"),
    ],
)
def test_a_row_that_no_answer_satisfies_is_dropped_with_id_and_reason(tmp_path, bad, reason):
    path = tmp_path / "train.parquet"
    report = run(located(row(1), bad, row(3)), path)
    assert ids(path) == ["set/1", "set/3"]
    assert [row["extra_info"]["index"] for row in read_rows(path)] == [0, 1]
    (dropped,) = report.listed
    assert (dropped.identity, dropped.kind) == ("set/2", UNSOLVABLE)
    with pytest.raises(DataError, match=reason):
        raise DataError(dropped.reason)


def test_what_the_converter_dropped_is_counted(tmp_path):
    report = run([Dropped("set/9", UNSOLVABLE, "no box"), *located(row(1))], tmp_path / "train.parquet")
    assert (report.read, report.written, report.dropped[UNSOLVABLE]) == (2, 1, 1)


FAULTS = [Fault("file line 2: must be one JSON object, got 7"), Fault("file line 3: must have the field 'answer'")]


def test_faults_are_all_told_and_no_file_is_written(tmp_path):
    path = tmp_path / "train.parquet"
    with pytest.raises(DataError) as error:
        run([*located(row(1)), *FAULTS, *located(row(2), row(3, source="gsm"))], path)
    assert str(error.value).splitlines() == [
        "file line 2: must be one JSON object, got 7",
        "file line 3: must have the field 'answer'",
        str(error.value).splitlines()[2],
        "train.parquet is not written: 3 of 5 records are at fault: correct them, or leave them out with --skip-bad",
    ]
    assert "data_source must be one that has a verifier" in str(error.value).splitlines()[2]
    assert list(tmp_path.iterdir()) == []


def test_faults_are_skipped_and_listed_if_asked(tmp_path):
    path = tmp_path / "train.parquet"
    report = run([*FAULTS, *located(row(1))], path, skip_bad=True)
    assert ids(path) == ["set/1"]
    assert report.faults == [fault.message for fault in FAULTS]
    assert (report.read, report.faulty) == (3, 2)


def test_a_file_of_nothing_but_faults_is_an_error_even_then(tmp_path):
    with pytest.raises(DataError, match="2 of 2 records are at fault: no record is left"):
        run(FAULTS, tmp_path / "train.parquet", skip_bad=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_rows_are_all_dropped_says_why(tmp_path):
    with pytest.raises(DataError, match=f"must .* none is left of 2: 2 {UNSOLVABLE} \\(file line 1: .* must score 1"):
        run(located(row(1, response=""), row(2, response="")), tmp_path / "train.parquet")


def test_of_each_kind_of_faults_the_first_is_shown_and_the_others_counted(tmp_path):
    lack = "must have the field"
    many = [Fault(f"file line {number}: {lack} '{'ab'[number % 2]}', has 'c{number}'") for number in range(50)]
    many += [Fault(f"file line 50: bad in way {chr(97 + number)}") for number in range(19)]
    with pytest.raises(DataError) as error:
        run([*many, *located(row(1))], tmp_path / "train.parquet")
    lines = str(error.value).splitlines()
    assert lines[:2] == [
        f"file line {number}: {lack} '{name}', has 'c{number}' (and 24 more records with the same fault)"
        for number, name in enumerate("ab")
    ]
    assert lines[19:21] == ["file line 50: bad in way r", "... and 1 more records are at fault"]
    assert "69 of 70 records" in lines[21]


def test_what_is_listed_is_bounded_and_what_is_counted_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "MAX_LISTED", 3)
    items = [Dropped(f"set/{number}", UNSOLVABLE) for number in range(10)] + FAULTS * 5
    report = run([*items, *located(row(1))], tmp_path / "train.parquet", skip_bad=True)
    assert (len(report.listed), report.dropped[UNSOLVABLE]) == (3, 10)
    assert (len(report.faults), report.faulty) == (3, 10)


def test_an_id_that_occurs_twice_is_a_fault(tmp_path):
    with pytest.raises(DataError, match="file line 2: the id set/1 must occur once, it occurred before"):
        run(located(row(1), row(1, "another question")), tmp_path / "train.parquet")


def test_questions_of_an_evaluation_set_are_dropped_whatever_their_spelling(tmp_path):
    write_parquet(located(row(1, "What is $\\dfrac{1}{2}$ of eight?")), tmp_path / "eval.parquet")
    exclude = questions_in([tmp_path / "eval.parquet"])
    rows = [
        row(5, "what is \\(\\frac12\\)  of EIGHT?".replace("12", "{1}{2}")),
        row(6, "What is $\\dfrac{1}{3}$ of eight?"),
    ]
    report = run(located(*rows), tmp_path / "train.parquet", exclude=exclude)
    assert ids(tmp_path / "train.parquet") == ["set/6"]
    assert [(dropped.identity, dropped.kind) for dropped in report.listed] == [("set/5", EXCLUDED)]
    assert "of EIGHT" in report.listed[0].reason


def test_repeated_prompts_are_dropped_only_if_asked(tmp_path):
    rows = located(row(1, "A?"), row(2, "B?"), row(3, "a ?"), row(4, "A?"))
    assert run(rows, tmp_path / "all.parquet").written == 4
    report = run(rows, tmp_path / "once.parquet", dedupe=True)
    assert ids(tmp_path / "once.parquet") == ["set/1", "set/2"]
    assert report.dropped == {DUPLICATE: 2}


def test_prompts_with_several_answers_are_dropped_whole_though_the_other_answer_comes_last(tmp_path):
    rows = located(row(1, "A?"), row(2, "B?"), row(3, "A?"), row(4, "A?", "5"))
    report = run(rows, tmp_path / "train.parquet", dedupe=True)
    assert ids(tmp_path / "train.parquet") == ["set/2"]
    assert report.dropped == {CONTRADICTORY: 3}


def test_answers_of_one_value_do_not_contradict_each_other(tmp_path):
    rows = located(row(1, "A?", "27"), row(2, "A?", "27.0"))
    report = run(rows, tmp_path / "train.parquet", dedupe=True)
    assert (ids(tmp_path / "train.parquet"), report.dropped) == (["set/1"], {DUPLICATE: 1})


def test_an_unsolvable_copy_contradicts_nothing(tmp_path):
    report = run(located(row(1, "A?", response="#### 9"), row(2, "A?")), tmp_path / "train.parquet", dedupe=True)
    assert ids(tmp_path / "train.parquet") == ["set/2"]
    assert report.dropped == {UNSOLVABLE: 1}


def test_faults_are_told_with_dedupe_too(tmp_path):
    with pytest.raises(DataError, match="2 of 3 records are at fault"):
        run([*FAULTS, *located(row(1))], tmp_path / "train.parquet", dedupe=True)


def test_make_rows_puts_each_error_in_its_place():
    def make(record, identity):
        if record.number == 1:
            raise UnsolvableError(f"{record.where}: no answer")
        if record.number == 2:
            raise DataError(f"{record.where}: no question")
        return row(record.number)

    def identify(record):
        if record.number == 3:
            raise DataError(f"{record.where}: no id")
        return f"set/{record.number}"

    records = [Record(f"line {number}", number, {}) for number in range(4)]
    made = list(make_rows(lambda: iter([*records, FAULTS[0]]), identify, make)())
    assert made == [
        ("line 0", row(0)),
        Dropped("set/1", UNSOLVABLE, "line 1: no answer"),
        Fault("line 2: no question"),
        Fault("line 3: no id"),
        FAULTS[0],
    ]


INTERRUPTED = """
import sys, time
from pathlib import Path
from data_prep import schema
from data_prep.conversion import convert
from data_prep.schema import make_row

schema.ROWS_PER_GROUP = 2
folder = Path(sys.argv[1])

def rows():
    for number in range(1000):
        if number == 5:
            (folder / "started").touch()
            time.sleep(60)
        yield "here", make_row(
            data_source="openai/gsm8k", prompt="4?", ability="math", ground_truth="4", reference_response="#### 4",
            split="train", identity=str(number), question="4?",
        )

convert(rows, folder / "train.parquet", exclude=set(), dedupe=False, skip_bad=False)
"""


def test_a_killed_run_leaves_the_old_file_and_the_next_run_cleans_up(tmp_path):
    path = tmp_path / "train.parquet"
    run(located(row(1)), path)
    before = path.read_bytes()
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.read_bytes() == before
    (leftover,) = tmp_path.glob(".*.partial")
    others = [tmp_path / ".train.parquet.1.kept", tmp_path / ".mine.partial"]
    for other in others:
        other.mkdir()
    run(located(row(1)), path)
    assert not leftover.exists()
    assert all(other.exists() for other in others)


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    living = tmp_path / f".{os.getppid()}.partial"
    living.mkdir()
    run(located(row(1)), tmp_path / "train.parquet")
    assert living.exists()


def test_row_groups_have_the_size_that_bounds_the_readers_memory(tmp_path):
    count = schema.ROWS_PER_GROUP + 1
    run(located(*(row(number) for number in range(count))), tmp_path / "train.parquet")
    file = pq.ParquetFile(tmp_path / "train.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [2048, 1]
