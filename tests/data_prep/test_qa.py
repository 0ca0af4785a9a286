"""Users' own questions and answers: every kind of file and of answer, what is refused, and the README's commands."""

import gzip
import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep import gsm8k, hendrycks_math, validate
from data_prep.qa import main
from data_prep.schema import read_rows
from reward_score import compute_score

README = Path(__file__).resolve().parents[2] / "data_prep" / "README.md"
TEN = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(10)]
KEYS = ("--question-key", "question", "--answer-key", "answer")


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def run(source, output, *options, keys=KEYS, style="boxed", name="mine", split="train"):
    given = [*keys, "--data-source", name, "--style", style, *(["--split", split] if split else []), *options]
    return main(
        ["--input", *([source] if isinstance(source, str) else map(str, source)), "--output", str(output), *given]
    )


def rows(folder, split="train"):
    return list(read_rows(folder / f"{split}.parquet"))


def golds(folder, split="train"):
    return [row["reward_model"]["ground_truth"] for row in rows(folder, split)]


def judge(row, response):
    return compute_score(row["data_source"], response, row["reward_model"]["ground_truth"], row["extra_info"])["acc"]


def put(path, records):
    """The same records in the kind of file that the name says."""
    table = pa.Table.from_pylist(records)
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        pq.write_table(table, path)
    elif name.endswith(".csv"):
        path.write_text("question,answer\n" + "".join(f'"{one["question"]}",{one["answer"]}\n' for one in records))
    elif name.endswith(".json"):
        path.write_text(json.dumps(records, indent=1))
    else:
        write(path, records)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    "suffix", [f"{kind}{gz}" for kind in ("jsonl", "json", "csv", "parquet") for gz in ("", ".gz")]
)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, suffix):
    assert run([put(tmp_path / f"own.{suffix}", TEN)], tmp_path / "out") == 0
    assert golds(tmp_path / "out") == [one["answer"] for one in TEN]
    assert [row["extra_info"]["question"] for row in rows(tmp_path / "out")] == [one["question"] for one in TEN]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train.parquet", "train.parquet.json"}


def test_patterns_and_folders_of_shards_give_all_their_files(tmp_path):
    for number in range(3):
        put(tmp_path / f"part-{number}.jsonl.gz", TEN[number * 3 : number * 3 + 3])
    assert run(str(tmp_path / "part-*.gz"), tmp_path / "a") == run(str(tmp_path), tmp_path / "b") == 0
    assert golds(tmp_path / "a") == golds(tmp_path / "b") == [one["answer"] for one in TEN[:9]]


def test_a_folder_that_names_its_splits_gives_a_file_for_each(tmp_path):
    for name, records in (("train.csv", TEN[:7]), ("dev.jsonl", TEN[7:])):
        put(tmp_path / name, records)
    assert run(str(tmp_path), tmp_path / "out", split=None) == 0
    assert (len(rows(tmp_path / "out")), len(rows(tmp_path / "out", "val"))) == (7, 3)


def test_what_datasets_saved_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(TEN).save_to_disk(tmp_path / "saved", num_shards=2)
    assert run(str(tmp_path / "saved"), tmp_path / "out", split="val") == 0
    assert golds(tmp_path / "out", "val") == [one["answer"] for one in TEN]


RESPONSES = {
    "boxed": r"So \boxed{%s}.",
    "answer": "So.\nAnswer: %s",
    "gsm8k": "So.\n#### %s",
    "qwen_boxed": r"\boxed{%s}",
}


@pytest.mark.parametrize("style", RESPONSES)
@pytest.mark.parametrize("name", ["mine", "a name/with-all 1.0", "math_dapo", "aime24"])
def test_a_row_of_any_name_is_judged_by_its_style(tmp_path, style, name):
    assert run([write(tmp_path / "x.jsonl", TEN)], tmp_path / "out", style=style, name=name) == 0
    for row, one in zip(rows(tmp_path / "out"), TEN, strict=True):
        assert row["data_source"] == name
        assert judge(row, RESPONSES[style] % one["answer"]) == 1.0
        assert judge(row, RESPONSES[style] % "77") == 0.0
        assert judge(row, f"It is {one['answer']}") == 0.0
        assert one["question"] in row["prompt"][-1]["content"]
    assert validate.main([str(tmp_path / "out" / "train.parquet")]) == 0


@pytest.mark.parametrize(
    ("answer", "gold", "right", "wrong"),
    [
        (72, "72", ["72", "72.0"], ["73"]),
        (72.0, "72", ["72"], ["7.2"]),
        (0.5, "0.5", [r"\frac12"], ["5"]),
        (-3, "-3", ["-3"], ["3"]),
        (1e-7, "0.0000001", ["0.0000001", "10^{-7}"], ["0.000001"]),
        (10**20 + 1, "100000000000000000001", ["100000000000000000001"], ["100000000000000000000"]),
        ("Paris", "Paris", ["Paris"], ["London"]),
        (["Paris"], "Paris", ["Paris"], ["Lyon"]),
        (["Paris", "the capital of France"], None, ["Paris", "the capital of France"], ["London", "any"]),
        ([0.5, "one half", 0.5], '{"any": ["0.5", "one half"]}', ["1/2", "one half"], ["one", "0.5, one half"]),
        (r"We get $2+3=\boxed{5}$. Thus 5.", "5", ["5"], ["2", "2+3"]),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}", [r"\frac{\sqrt2}{2}"], [r"\frac12"]),
        (r"First \boxed{7}, again \boxed{ 7 }", "7", ["7"], ["77"]),
        ("2 + 3 = 5 apples.\n#### 5", "5", ["5"], ["2"]),
        ("A box of 2 and a box of 3 hold 5.\n#### 5", "5", ["5"], ["2"]),
        ("12 red and 5 blue", "12 red and 5 blue", ["12 red and 5 blue"], ["5"]),
        ("no real solution", "no real solution", ["no real solution"], ["one"]),
    ],
)
def test_answers_of_every_kind(tmp_path, answer, gold, right, wrong):
    source = write(tmp_path / "x.jsonl", [{"question": "What?", "answer": answer}])
    assert run([source], tmp_path / "out") == 0
    (row,) = rows(tmp_path / "out")
    assert gold in (None, row["reward_model"]["ground_truth"])
    assert [judge(row, rf"\boxed{{{one}}}") for one in right] == [1.0] * len(right)
    assert [judge(row, rf"\boxed{{{one}}}") for one in wrong] == [0.0] * len(wrong)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "'answer' must be a text that is not empty, got ''"),
        (None, "'answer' must be a text that is not empty, got nothing"),
        (True, "'answer' must be a text that is not empty, got True"),
        ([], "'answer': the ground truth must be 1 to 64 answers, got 0 of them"),
        (["5", ""], "'answer' must be a text that is not empty, got ''"),
        (["5", {"x": 1}], "'answer' must be a text that is not empty, got {'x': 1}"),
        (float("nan"), "'answer' must be a finite number or text, got nan"),
        ("We add them. The answer is 5.", "must be an answer, or a solution with exactly one \\boxed{}, got 'We add"),
        ("x = 1 and let y be 2 so that 5", "'answer' must be an answer, or a solution with exactly one \\boxed{}"),
        ("one " * 30, "'answer' must be an answer, or a solution with exactly one \\boxed{}"),
        (
            r"\boxed{1} or \boxed{2}",
            "'answer' must be an answer, or a solution with exactly one \\boxed{}, got '1', '2'",
        ),
        (r"We get \boxed{5", "'answer' must be an answer, or a solution with exactly one \\boxed{}"),
        (r"We get \boxed{}", "'answer' must be an answer, or a solution with exactly one \\boxed{}"),
        ("#### 1\n#### 2", "'answer' must be an answer, or a solution with exactly one \\boxed{}, got '1', '2'"),
        ("5" * 5000, "'answer': the ground truth must be an answer, got '555"),
        (["5", "$$"], "'answer': the ground truth must be an answer, got '$$'"),
    ],
)
def test_what_is_no_answer_is_a_fault_with_file_and_line(tmp_path, capsys, answer, message):
    source = write(tmp_path / "x.jsonl", [TEN[0], {"question": "What?", "answer": answer}])
    assert run([source], tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {source} line 2: ")
    assert message in said
    assert list((tmp_path / "out").iterdir()) == []
    assert run([source], tmp_path / "out", "--skip-bad") == 0
    assert golds(tmp_path / "out") == ["0"]


@pytest.mark.parametrize("answer", ["proof", "notfound", " N/A "])
def test_a_record_that_says_that_it_has_no_answer_is_dropped_and_counted(tmp_path, capsys, answer):
    source = write(tmp_path / "x.jsonl", [*TEN, {"question": "Prove it.", "answer": answer}])
    assert run([source], tmp_path / "out") == 0
    assert "1 dropped: no answer can be right" in capsys.readouterr().out
    assert len(rows(tmp_path / "out")) == 10


@pytest.mark.parametrize(
    ("keys", "record", "question"),
    [
        (["q"], {"q": "Why?"}, "Why?"),
        (["q"], {"q": [{"role": "user", "content": "Why?"}]}, "Why?"),
        (["body", "q"], {"body": "Ann has 3.", "q": "How many?"}, "Ann has 3.\n\nHow many?"),
        (["q", "choices"], {"q": "Which?", "choices": ["cat", 2.0]}, "Which?\n\n(A) cat\n(B) 2"),
        (["q", "options"], {"q": "Which?", "options": {"a": "cat", "b": "dog"}}, "Which?\n\n(a) cat\n(b) dog"),
        (["q", "choices"], {"q": "W?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}}, "W?\n\n(1) x\n(2) y"),
        (["in.q"], {"in": {"q": "Why?"}}, "Why?"),
        (["in.q"], {"in.q": "Why?", "in": 5}, "Why?"),
        (["q"], {"q": "Why?", "options": [], "image": None}, "Why?"),
    ],
)
def test_a_question_is_put_together_from_its_fields(tmp_path, keys, record, question):
    source = write(tmp_path / "x.jsonl", [record | {"gold": {"text": ["A", "B"]}}])
    assert run([source], tmp_path / "out", keys=("--question-key", *keys, "--answer-key", "gold.text")) == 0
    assert rows(tmp_path / "out")[0]["extra_info"]["question"] == question
    assert golds(tmp_path / "out") == ['{"any": ["A", "B"]}']


@pytest.mark.parametrize("name", ["options", "Choices", "context", "passage", "body", "image"])
def test_a_field_that_a_question_needs_is_not_dropped_in_silence(tmp_path, capsys, name):
    source = write(tmp_path / "x.jsonl", [one | {name: "x"} for one in TEN])
    assert run([source], tmp_path / "out") == 1
    assert capsys.readouterr().err.splitlines()[0] == (
        f"error: {source} line 1: the field {name!r} must be part of the question or be left out on purpose:"
        " data_prep.qa takes it behind --question-key, or leaves it out with --ignore"
        " (and 9 more records with the same fault)"
    )
    assert run([source], tmp_path / "out", "--ignore", name) == 0
    assert run([source], tmp_path / "out2", keys=("--question-key", name, "question", "--answer-key", "answer")) == 0
    assert rows(tmp_path / "out2")[0]["extra_info"]["question"] == "x\n\nWhat is 0 + 0?"


@pytest.mark.parametrize(
    ("keys", "name"), [(("question", "gold"), "gold"), (("q", "answer"), "q"), (("question.a", "answer"), "question.a")]
)
def test_a_field_that_no_record_has_is_told_once(tmp_path, capsys, keys, name):
    source = write(tmp_path / "x.jsonl", TEN)
    assert run([source], tmp_path / "out", keys=("--question-key", keys[0], "--answer-key", keys[1])) == 1
    said, _ = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {source} line 1: ")
    assert said.endswith("(and 9 more records with the same fault)")
    assert f"must have the field {name!r}" in said or f"{name.split('.')[0]!r} must be an object" in said


def test_held_out_questions_are_asked_in_no_other_file(tmp_path):
    records = [{"question": f"What is {n}?", "answer": n} for n in range(200)]
    records += [one | {"question": one["question"].upper()} for one in records]
    source = write(tmp_path / "x.jsonl", records)
    assert run([source], tmp_path / "out", "--val-share", "0.2") == 0
    train, val = (rows(tmp_path / "out", split) for split in ("train", "val"))
    assert len(train) + len(val) == 400
    assert len(val) == 80  # a fifth of the 200 questions, each asked twice
    asked = [{row["extra_info"]["question"].lower() for row in part} for part in (train, val)]
    assert not asked[0] & asked[1]
    assert validate.main([str(tmp_path / "out" / f"{split}.parquet") for split in ("train", "val")]) == 0
    first = (tmp_path / "out" / "val.parquet").read_bytes()
    assert run([source], tmp_path / "out", "--val-share", "0.2", "--seed", "1") == 0
    assert (tmp_path / "out" / "val.parquet").read_bytes() != first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--val-share", "0.1", "--input", "one.jsonl"), "--val-share needs two questions or more, got 1"),
        (("--val-share", "1"), "--val-share must lie between 0 and 1"),
        (("--val-share", "0.1", "--split", "test"), "--val-share must lie between 0 and 1 and be of --split train"),
        (("--data-source", " x"), "--data-source must be a name without blanks around it"),
        (("--data-source", "a\nb"), "--data-source must be a name without blanks around it"),
        (("--data-source", "rlla"), "must get at least one row, but none is left"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "one.jsonl", TEN[:1])
    assert run([write(tmp_path / "x.jsonl", TEN)], tmp_path / "out", *options) == 1
    assert message in capsys.readouterr().err


def test_the_licence_is_the_users_to_say(tmp_path):
    source = write(tmp_path / "x.jsonl", TEN)
    for options, licence in (((), "not stated"), (("--licence", "CC0"), "CC0")):
        assert run([source], tmp_path / "out", *options) == 0
        card = json.loads((tmp_path / "out" / "train.parquet.json").read_text())
        assert card["licence"] == licence
        assert card["source"][0]["file"] == str(source)


def test_gsm8k_and_math_give_what_their_own_converters_give(shared_data, tmp_path):
    source = shared_data / "gsm8k" / "test.jsonl"
    assert run([source], tmp_path / "a", style="gsm8k") == 0
    assert gsm8k.main(["--input", str(source), "--output", str(tmp_path / "b")]) == 0
    assert [gold.replace(",", "") for gold in golds(tmp_path / "a")] == golds(tmp_path / "b", "test")
    keys = ("--question-key", "problem", "--answer-key", "solution")
    source = shared_data / "math" / "train_sample1000.jsonl"
    assert run([source], tmp_path / "c", "--skip-bad", keys=keys) == 0
    assert hendrycks_math.main(["--input", str(source), "--output", str(tmp_path / "d"), "--split", "train"]) == 0
    theirs = {row["extra_info"]["question"]: row["reward_model"]["ground_truth"] for row in rows(tmp_path / "d")}
    ours = [(row["extra_info"]["question"], row["reward_model"]["ground_truth"]) for row in rows(tmp_path / "c")]
    assert len(ours) > 970
    assert [pair for pair in ours if theirs[pair[0]].strip() != pair[1]] == []


def test_the_readmes_commands_lead_from_a_file_to_checked_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mine.jsonl", TEN)
    section = README.read_text("utf-8").split("## Your own data")[1].split("\n## ")[0]
    text = re.search(r"(?:^    .*\n)+", section, re.MULTILINE)[0].replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines() if line.strip()]
    assert [command[:3] for command in commands] == [
        ["python", "-m", name] for name in ("data_prep.qa", "data_prep.validate", "recipe.dipo.main_dipo")
    ]
    assert main(commands[0][3:]) == 0
    assert validate.main(commands[1][3:]) == 0
    written = {str(path) for path in Path("data/mine").glob("*.parquet")}
    assert {part.partition("=")[2] for part in commands[2] if "_files=" in part} == written
    assert capsys.readouterr().err == ""
