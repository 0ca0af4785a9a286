"""BFCL's files: which are taken, how answers are joined, and every bad input by file, line and what was expected."""

import json
import re

import pytest

from data_prep.bfcl import main
from data_prep.bfcl_files import find_sources, read_entries
from data_prep.card import card_path
from data_prep.schema import read_rows
from reward_score.tool_calls.bfcl.gold import CATEGORIES

FUNCTION = {
    "name": "area",
    "description": "Computes an area.",
    "parameters": {"type": "dict", "properties": {"base": {"type": "integer"}}, "required": ["base"]},
}


def question(number, category="simple", **changes):
    """One good row, with fields changed, or left out where they are given as `...`."""
    asked = [[{"role": "user", "content": f"Question {number}?"}]]
    # Each has a function document of its own, so that each is a group of its own.
    function = {**FUNCTION, "description": f"Computes area {number}."}
    fields = {"id": f"{category}_{number}", "question": asked, "function": [function], **changes}
    return {name: value for name, value in fields.items() if value is not ...}


def answer(number, category="simple", **changes):
    fields = {"id": f"{category}_{number}", "ground_truth": [{"area": {"base": [number]}}], **changes}
    return {name: value for name, value in fields.items() if value is not ...}


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines))
    return path


def bfcl_folder(folder, category="simple", questions=None, answers=None):
    """A folder of one category with ten rows, or with these lines."""
    name = f"BFCL_v3_{category}.json"
    questions = [question(n, category) for n in range(10)] if questions is None else questions
    answers = [answer(n, category) for n in range(10)] if answers is None else answers
    write(folder / name, questions)
    if "relevance" not in category:
        write(folder / "possible_answer" / name, answers)
    return folder


def run(source, output, *options):
    sources = source if isinstance(source, list) else [source]
    return main(["--input", *map(str, sources), "--output", str(output), "--val-share", "0.5", *options])


def with_line_2(line):
    return [question(0), line, *(question(n) for n in range(2, 10))]


def message(role="user", content="Question 1?", **more):
    return {"role": role, "content": content, **more}


def asking(*messages):
    return question(1, question=[list(messages)])


def offering(**changes):
    changed = {**FUNCTION, **changes}
    return question(1, function=[{name: value for name, value in changed.items() if value is not ...}])


def nested(depth):
    schema = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "dict", "properties": {"base": schema}}
    return schema


DEEP = b'{"id": "simple_1", "question": ' + b"[" * 100_000
ONE_TURN = "'question' must be a list of one turn, a list of messages, got"
ROLE = "a message's role must be one of system, user, assistant, got"
CONTENT = "a message's content must be a text that is not empty, got"
USER_LAST = "'question' must end in a message of the user's, got"

BAD_QUESTIONS = [
    (json.dumps(question(1)).encode()[:-40], "must be one JSON object, but Unterminated string"),
    (json.dumps(question(1)).encode()[:-2], "must be one JSON object, but Expecting"),
    (b"{'id': 'simple_1'}", "must be one JSON object, but Expecting property name"),
    (b"simple_1", "must be one JSON object, but Expecting value"),
    (b'["simple_1"]', r"must be one JSON object, got \['simple_1'\]"),
    (b"null", "must be one JSON object, got nothing"),
    (DEEP, "must be one JSON object of ordinary depth"),
    (b'{"id": "simple_1\xff"}', "must be UTF-8, but byte 17 of the line is 0xff"),
    (question(1, id=...), "must have the field 'id', has 'question', 'function'"),
    (question(1, id=None), "'id' must be a text that is not empty, got nothing"),
    (question(1, id=1), "'id' must be a text that is not empty, got 1"),
    (question(1, id=["simple_1"]), "'id' must be a text that is not empty, got"),
    (question(1, id={"a": 1}), "'id' must be a text that is not empty, got"),
    (question(1, id="simple_77"), ".*possible_answer/BFCL_v3_simple.json, which has none for id 'simple_77'"),
    (question(0), "the id bfcl_v3/simple_0 must occur once, it occurred before: drop one of the records"),
    (question(1, question=...), f"{ONE_TURN} nothing"),
    (question(1, question=None), f"{ONE_TURN} nothing"),
    (question(1, question="Question 1?"), f"{ONE_TURN} 'Question 1\\?'"),
    (question(1, question=[]), ONE_TURN + r" \[\]"),
    (question(1, question=[[message()], [message()]]), ONE_TURN + r" \[\[\{"),
    (question(1, question=[message()]), ONE_TURN + r" \[\{"),
    (question(1, question={"0": [message()]}), ONE_TURN + r" \{"),
    (asking(), USER_LAST + r" \[\]"),
    (asking("Question 1?"), "a message of 'question' must be an object, got 'Question 1\\?'"),
    (asking(message(role="tool")), f"{ROLE} 'tool'"),
    (asking(message(role="User")), f"{ROLE} 'User'"),
    (asking(message(role=None)), f"{ROLE} nothing"),
    (asking(message(role=["user"])), ROLE + r" \['user'\]"),
    (asking({"content": "Question 1?"}), f"{ROLE} nothing"),
    (asking(message(content="")), f"{CONTENT} ''"),
    (asking(message(content=" \n")), CONTENT),
    (asking(message(content=None)), f"{CONTENT} nothing"),
    (asking(message(content=[{"type": "text", "text": "Question 1?"}])), CONTENT + r" \[\{"),
    (asking({"role": "user"}), f"{CONTENT} nothing"),
    (asking(message(content="\ud800")), "a message's content must be text that UTF-8 can hold"),
    (asking(message(), message(role="assistant")), USER_LAST + r" \[\{"),
    (asking(message(role="system")), USER_LAST + r" \[\{"),
    (question(1, function=...), "'function' must be a list of function documents, got nothing"),
    (question(1, function=FUNCTION), "'function' must be a list of function documents, got {"),
    (question(1, function="area"), "'function' must be a list of function documents, got 'area'"),
    (question(1, function=5), "'function' must be a list of function documents, got 5"),
    (question(1, function=True), "'function' must be a list of function documents, got True"),
    (question(1, function=["area"]), "a function document must be an object, got 'area'"),
    (question(1, function=[None]), "a function document must be an object, got nothing"),
    (question(1, function=[]), "functions must hold one in simple"),
    (offering(name=...), "a function's name must be a text that is not empty, got nothing"),
    (offering(name=""), "a function's name must be a text that is not empty, got ''"),
    (offering(name=7), "a function's name must be a text that is not empty, got 7"),
    (offering(name="\ud800"), "a function's name must be text that UTF-8 can hold"),
    (offering(description=...), "a function's description must be a text that is not empty, got nothing"),
    (offering(parameters=...), "the parameters of area must be an object, got nothing"),
    (offering(parameters=[]), r"the parameters of area must be an object, got \[\]"),
    (offering(parameters={"type": "dict"}), "the properties of area must be an object, got None"),
    (
        offering(parameters={"type": "dict", "properties": {"base": {"type": "number"}}}),
        "the type of area's base must be a BFCL type, got 'number'",
    ),
    (
        offering(parameters={"type": "dict", "properties": {"base": {"type": "array"}}}),
        "items of area's base must be an object, got None",
    ),
    (
        offering(parameters={"type": "dict", "properties": {"base": {"type": "integer"}}, "required": "base"}),
        "required must be a list, got 'base'",
    ),
    (offering(parameters=nested(400)), ".*(deep|depth|nest)"),
]


@pytest.mark.parametrize(("line", "expected"), BAD_QUESTIONS)
def test_a_bad_question_is_named_with_what_was_expected(tmp_path, capsys, line, expected):
    folder = bfcl_folder(tmp_path / "in", questions=with_line_2(line))
    # For training, where a line is read to group the rows before one is made of it.
    assert run(folder, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert re.search(
        rf"^error: {re.escape(str(folder / 'BFCL_v3_simple.json'))} line 2: {expected}", said, re.MULTILINE
    )
    assert "1 of " in said
    assert "--skip-bad" in said
    assert not (tmp_path / "out" / "train.parquet").exists()


@pytest.mark.parametrize(("line", "expected"), BAD_QUESTIONS[::6])
def test_the_rest_is_written_with_skip_bad(tmp_path, capsys, line, expected):
    folder = bfcl_folder(tmp_path / "in", questions=with_line_2(line))
    assert run(folder, tmp_path / "out", "--split", "test", "--skip-bad") == 0
    path = tmp_path / "out" / "test.parquet"
    # Nine of the ten lines are good.
    numbers = [0, *range(2, 10)]
    rows = list(read_rows(path))
    assert [row["extra_info"]["id"] for row in rows] == [f"bfcl_v3/simple_{number}" for number in numbers]
    assert [row["extra_info"]["index"] for row in rows] == list(range(9))
    said = capsys.readouterr().out
    assert "9 rows of 10 records\n  1 skipped: at fault\n" in said
    place = f"{folder / 'BFCL_v3_simple.json'} line 2: "
    assert re.search(re.escape(place) + expected, said)
    records = json.loads(card_path(path).read_text())["records"]
    assert (records["read"], records["written"], records["at_fault"]["count"]) == (10, 9, 1)
    (listed,) = records["at_fault"]["listed"]
    assert listed.startswith(place)


@pytest.mark.parametrize("depth", [100, 250, 310, 400, 450, 480, 600])
def test_a_function_of_any_depth_is_taken_or_skipped(tmp_path, depth):
    # Written by hand, because `json.dumps` recurses as well.
    levels = '{"type": "dict", "properties": {"base": ' * depth + '{"type": "integer"}' + "}}" * depth
    line = json.dumps(offering(parameters="LEVELS")).replace('"LEVELS"', levels).encode()
    folder = bfcl_folder(tmp_path / "in", "irrelevance", questions=[question(0), line])
    assert run(folder, tmp_path / "out", "--split", "test", "--skip-bad") == 0
    records = json.loads(card_path(tmp_path / "out" / "test.parquet").read_text())["records"]
    assert records["written"] + records["at_fault"]["count"] == 2
    # What is nested a hundred times is well below Python's limit of a thousand calls.
    assert records["written"] == 2 or depth > 100


def test_every_fault_is_told_at_once_and_skipped_once_over_both_files(tmp_path, capsys):
    lines = [question(n) for n in range(10)]
    lines[3], lines[5], lines[8] = b"{", question(5, question="?"), offering(parameters=...) | {"id": "simple_8"}
    folder = bfcl_folder(tmp_path / "in", questions=lines)
    assert run(folder, tmp_path / "out", "--split", "test") == 1
    said = capsys.readouterr().err
    assert [int(number) for number in re.findall(r" line (\d+): ", said)] == [4, 6, 9]
    assert "3 of 10 records are at fault" in said
    assert run(folder, tmp_path / "out", "--skip-bad") == 0
    cards = [json.loads((tmp_path / "out" / f"{name}.parquet.json").read_text()) for name in ("train", "val")]
    assert sum(card["records"]["at_fault"]["count"] for card in cards) == 3
    assert sum(card["records"]["written"] for card in cards) == 7


def test_nothing_good_is_an_error_even_with_skip_bad(tmp_path, capsys):
    folder = bfcl_folder(tmp_path / "in", questions=[b"{", b"}"])
    for split in ("train", "test"):
        assert run(folder, tmp_path / "out", "--split", split, "--skip-bad") == 1
        assert re.search(r"^error: .*parquet", capsys.readouterr().err, re.MULTILINE)
    assert not list((tmp_path / "out").glob("*.parquet"))


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": ...}, "must have the field 'id'"),
        ({"id": None}, "'id' must be a text"),
        ({"id": "\ud800"}, "'id' must be text that UTF-8 can hold"),
    ],
)
def test_a_bad_id_is_named_where_there_are_no_answers_too(tmp_path, capsys, changes, expected, split):
    lines = [question(n, "irrelevance", **(changes if n == 1 else {})) for n in range(10)]
    folder = bfcl_folder(tmp_path / "in", "irrelevance", questions=lines)
    assert run(folder, tmp_path / "out", "--split", split) == 1
    said = capsys.readouterr().err
    assert re.search(rf"^error: {re.escape(str(folder))}/BFCL_v3_irrelevance.json line 2: {expected}", said, re.M)


BAD_GOLD = [
    (..., "possible_answer must be a list, got None"),
    (None, "possible_answer must be a list, got None"),
    ({"area": {"base": [1]}}, "possible_answer must be a list, got {"),
    ("area(base=1)", "possible_answer must be a list, got 'area"),
    ([], "possible_answer must hold 1 to 1 calls in simple, got 0"),
    ([{"area": {"base": [1]}}] * 2, "possible_answer must hold 1 to 1 calls in simple, got 2"),
    (["area(base=1)"], "a gold call must be an object, got 'area"),
    ([{}], r"a gold call must have one key, the function's name, got \[\]"),
    ([{"area": {}, "other": {}}], "a gold call must have one key, the function's name, got"),
    ([{"area": [1]}], r"the arguments of area must be an object, got \[1\]"),
    ([{"area": {"base": 1}}], "what is accepted for area's base must be a list, got 1"),
]


@pytest.mark.parametrize(("gold", "expected"), BAD_GOLD)
def test_a_bad_answer_is_named_with_the_row_that_it_belongs_to(tmp_path, capsys, gold, expected):
    answers = [answer(n) if n != 1 else answer(n, ground_truth=gold) for n in range(10)]
    folder = bfcl_folder(tmp_path / "in", answers=answers)
    assert run(folder, tmp_path / "out", "--split", "test") == 1
    said = capsys.readouterr().err
    assert re.search(rf"^error: {re.escape(str(folder))}/BFCL_v3_simple.json line 2: {expected}", said, re.MULTILINE)


def test_an_answer_of_a_function_that_is_not_offered_is_a_fault(tmp_path, capsys):
    answers = [answer(n, "multiple", ground_truth=[{"volume": {"base": [1]}}]) for n in range(10)]
    folder = bfcl_folder(tmp_path / "in", "multiple", answers=answers)
    assert run(folder, tmp_path / "out", "--split", "test") == 1
    assert "line 1: the gold call must be of a function offered, of area, got 'volume'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (answer(0), "the id simple_0 must occur once in the file"),
        (answer(1, id=...), "must have the field 'id', has 'ground_truth'"),
        (answer(1, id=1), "'id' must be a text that is not empty, got 1"),
        (answer(1, id=[1]), "'id' must be a text that is not empty, got"),
        (b'{"id": "simple_1", "ground_tr', "must be one JSON object, but Unterminated string"),
        (b"[]", r"must be one JSON object, got \[\]"),
        (b"\xe9", "must be UTF-8, but byte 1 of the line is 0xe9"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--skip-bad"]])
def test_a_file_of_answers_has_to_be_whole(tmp_path, capsys, line, expected, more):
    folder = bfcl_folder(tmp_path / "in", answers=[answer(0), line, *(answer(n) for n in range(2, 10))])
    assert run(folder, tmp_path / "out", *more) == 1
    place = re.escape(str(folder / "possible_answer" / "BFCL_v3_simple.json"))
    assert re.search(rf"^error: {place} line 2: {expected}", capsys.readouterr().err, re.MULTILINE)
    assert not list((tmp_path / "out").glob("*"))


def _no_answers(folder):
    (folder / "possible_answer" / "BFCL_v3_simple.json").unlink()
    return folder


def _empty_answers(folder):
    (folder / "possible_answer" / "BFCL_v3_simple.json").write_bytes(b"")
    return folder


def _empty_questions(folder):
    (folder / "BFCL_v3_simple.json").write_bytes(b"\n\n")
    return folder


def _other_names(folder):
    (folder / "BFCL_v3_simple.json").rename(folder / "simple.json")
    return folder


def _only_java(folder):
    (folder / "BFCL_v3_simple.json").rename(folder / "BFCL_v3_java.json")
    return folder


def _file(name):
    def given(folder):
        return (folder / "BFCL_v3_simple.json").rename(folder / name)

    return given


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_no_answers, "no file .*possible_answer/BFCL_v3_simple.json"),
        (_empty_answers, "possible_answer/BFCL_v3_simple.json: must hold at least one record, it is empty"),
        (_empty_questions, "in/BFCL_v3_simple.json: must hold at least one record, it is empty"),
        (_other_names, "in: must hold files named BFCL_v3_<category>.json, has none that is judged here"),
        (_only_java, "in: must hold files named BFCL_v3_<category>.json, has none that is judged here"),
        (_file("questions.json"), "questions.json: must be named after its category, as BFCL_v3_simple.json is"),
        (_file("BFCL_simple.json"), "BFCL_simple.json: must be named after its category"),
        (_file("BFCL_v3_simple.txt"), "BFCL_v3_simple.txt: the name must end in .jsonl, .json, .parquet"),
        (_file("BFCL_v3_easy.json"), "the category must be one of simple, .*, got easy: leave it out"),
        (_file("BFCL_v3_java.json"), "got java: leave it out"),
        (_file("BFCL_v4_simple_javascript.json"), "got simple_javascript: leave it out"),
        (_file("BFCL_v3_multi_turn_base.json"), "got multi_turn_base: leave it out"),
        (lambda folder: folder / "absent", "no file .*absent"),
        (lambda folder: [folder, folder], "no file .*in$"),
        (lambda folder: [folder / "BFCL_v3_simple.json", folder / "absent.json"], "no file .*absent.json"),
    ],
)
def test_bad_files_are_named(tmp_path, capsys, change, expected):
    source = change(bfcl_folder(tmp_path / "in"))
    assert run(source, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert re.search(f"^error: .*{expected}", said, re.MULTILINE)
    assert not list((tmp_path / "out").glob("*"))


def test_a_file_given_twice_is_an_error(tmp_path, capsys):
    file = bfcl_folder(tmp_path / "in") / "BFCL_v3_simple.json"
    assert run([file, file], tmp_path / "out", "--split", "test") == 1
    assert "the id bfcl_v3/simple_0 must occur once" in capsys.readouterr().err


def test_an_unknown_category_is_refused_with_those_that_there_are(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(bfcl_folder(tmp_path / "in"), tmp_path / "out", "--categories", "simple", "easy")
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "invalid choice: 'easy'" in said
    assert "live_parallel_multiple" in said


def test_a_category_without_its_file_is_an_error(tmp_path, capsys):
    folder = bfcl_folder(tmp_path / "in")
    assert run(folder, tmp_path / "out", "--categories", "simple", "multiple", "live_simple") == 1
    said = capsys.readouterr().err
    assert said == "error: --input must have a file for each of --categories, lacks multiple, live_simple\n"


def test_sources_come_in_one_order_however_they_are_given(tmp_path):
    for category in ("live_relevance", "simple", "parallel", "irrelevance"):
        bfcl_folder(tmp_path, category)
    bfcl_folder(tmp_path, "java")
    expected = ["simple", "parallel", "irrelevance", "live_relevance"]
    assert [source.category for source in find_sources([str(tmp_path)], None)] == expected
    files = [str(tmp_path / f"BFCL_v3_{category}.json") for category in sorted(expected)]
    given = find_sources(files, None)
    assert [source.category for source in given] == expected == sorted(expected, key=CATEGORIES.index)
    assert [source.category for source in find_sources(files, ["irrelevance", "simple"])] == ["simple", "irrelevance"]
    assert given == find_sources([str(tmp_path)], None)


def test_answers_are_joined_by_id_and_not_by_line(tmp_path):
    answers = [answer(n) for n in reversed(range(10))]
    folder = bfcl_folder(tmp_path, answers=answers)
    entries = list(read_entries(find_sources([str(folder)], None)))
    assert [entry.identity for entry in entries] == [f"bfcl_v3/simple_{number}" for number in range(10)]
    assert [entry.answer for entry in entries] == [[{"area": {"base": [number]}}] for number in range(10)]
    assert [entry.record.number for entry in entries] == list(range(10))
    assert entries[4].where == f"{folder / 'BFCL_v3_simple.json'} line 5"


def test_an_answer_without_its_question_says_that_the_questions_may_be_cut_off(tmp_path, capsys):
    folder = bfcl_folder(tmp_path / "in", answers=[answer(n) for n in range(12)])
    assert run(folder, tmp_path / "out", "--split", "test") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {folder / 'BFCL_v3_simple.json'}: must ask what {folder / 'possible_answer'}")
    assert "but 2 questions are not there, such as 'simple_10'" in said
    assert run(folder, tmp_path / "out", "--split", "test", "--skip-bad") == 0
    assert len(list(read_rows(tmp_path / "out" / "test.parquet"))) == 10


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_no_fault(tmp_path):
    lines = [json.dumps(question(number)).encode() + b"\r" for number in range(10)]
    lines[0] = b"\xef\xbb\xbf" + lines[0]
    folder = bfcl_folder(tmp_path / "in", questions=[*lines[:4], b"  ", b"", *lines[4:]])
    assert run(folder, tmp_path / "out", "--split", "test") == 0
    assert len(list(read_rows(tmp_path / "out" / "test.parquet"))) == 10
