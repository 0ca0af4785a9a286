r"""MATH: the real sample against verl's example, every layout it is published in, and what has no answer."""

import functools
import importlib.util
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.hendrycks_math import main
from data_prep.prompts import MATH_STYLES
from data_prep.schema import read_rows
from reward_score import compute_score

GOOD = {
    "problem": "What is $2+2$?",
    "level": "Level 5",
    "type": "Algebra",
    "solution": r"It is $\boxed{4}$.",
}


def problem(number, **changes):
    return GOOD | {"problem": f"What is ${number}+4$?", "solution": rf"$\boxed{{{number + 4}}}$"} | changes


def write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def run(source, output, *options):
    return main(["--input", str(source), "--output", str(output), *options])


def rows(path):
    return list(read_rows(path))


def told(row):
    """What a row has of its record, its place in the source aside."""
    info = row["extra_info"]
    return row["prompt"], row["reward_model"], {name: info[name] for name in info if name not in ("id", "index")}


def dropped(path):
    card = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
    return card["records"]["dropped"]


@functools.cache
def verls_math_reward():
    """verl's file, loaded by its path: it needs the standard library only, the package torch and seconds."""
    verl = importlib.util.find_spec("verl")
    if verl is None:
        pytest.skip("needs verl, whose last_boxed_only_string is the oracle")
    file = Path(verl.submodule_search_locations[0]) / "utils" / "reward_score" / "math_reward.py"
    spec = importlib.util.spec_from_file_location("verls_math_reward", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def raw(shared_data):
    lines = (shared_data / "math" / "train_sample1000.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("math")
    assert run(shared_data / "math" / "train_sample1000.jsonl", folder) == 0
    return folder / "train.parquet"


def test_the_real_sample_converts_whole_but_for_the_two_rows_with_an_empty_box(real):
    # README_math.md: the sample's last two rows are 5341 and 5343 of the train split, whose box is empty.
    assert [row["extra_info"]["id"] for row in rows(real)] == [f"math/train/{number}" for number in range(998)]
    told = dropped(real)
    assert list(told) == ["no answer can be right"]
    assert told["no answer can be right"]["count"] == 2
    listed = told["no answer can be right"]["listed"]
    assert [one["id"] for one in listed] == ["math/train/998", "math/train/999"]
    for one, line in zip(listed, (999, 1000), strict=True):
        assert one["reason"].endswith(f"line {line}: 'solution' must have its answer in a last \\boxed{{}}, got none")


# The ground truth that verl's example takes, where it is not ours.
VERLS_OWN = {
    # Two boxes side by side are one answer, the two points of intersection; verl takes the last one alone, so that
    # half of the answer would earn the reward.
    334: ("(8,38)", "(-2,18) ; (8,38)"),
    504: ("(0, 1)", "(-2, 23) ; (0, 1)"),
    # An earlier box of the solution is written "\boxed {17}.", and verl splits at "\boxed " wherever there is one.
    252: ("{17}.", "17"),
}


def test_ground_truths_equal_those_of_verls_example_but_where_several_boxes_stand_side_by_side(raw, real):
    verl = verls_math_reward()
    others = {}
    for number, (record, row) in enumerate(zip(raw, rows(real), strict=False)):
        theirs = verl.remove_boxed(verl.last_boxed_only_string(record["solution"]))
        ours = row["reward_model"]["ground_truth"]
        if theirs != ours:
            others[number] = (theirs, ours)
    assert others == VERLS_OWN


def test_rows_equal_what_verls_example_makes(raw, real):
    for index, (record, row) in enumerate(zip(raw, rows(real), strict=False)):
        # The instruction and the layout of examples/data_preprocess/math_dataset.py.
        asked = record["problem"] + " " + "Let's think step by step and output the final answer within \\boxed{}."
        assert row["data_source"] == "DigitalLearningGmbH/MATH-lighteval"
        assert row["prompt"] == [{"role": "user", "content": asked}]
        assert row["ability"] == "math"
        assert row["reward_model"]["style"] == "rule"
        info = row["extra_info"]
        assert (info["split"], info["index"]) == ("train", index)
        assert (info["category"], f"Level {info['difficulty']}") == (record["type"], record["level"])
        assert (info["question"], info["reference_response"]) == (record["problem"], record["solution"])


@pytest.mark.parametrize("style", MATH_STYLES)
def test_in_every_style_every_reference_response_has_the_answer_where_it_is_asked_for(shared_data, tmp_path, style):
    assert run(shared_data / "math" / "train_sample1000.jsonl", tmp_path, "--prompt-style", style) == 0
    made = rows(tmp_path / "train.parquet")
    assert len(made) == 998
    for row in made:
        info = row["extra_info"]
        assert (info["prompt_style"], info["answer_format"]) == (style, MATH_STYLES[style].answer_format)
        gold = row["reward_model"]["ground_truth"]
        verdict = compute_score(row["data_source"], info["reference_response"], gold, info)
        assert (info["id"], verdict["acc"], verdict["format"]) == (info["id"], 1.0, 1.0)


@pytest.mark.parametrize("style", MATH_STYLES)
def test_in_every_style_another_answer_scores_0(tmp_path, style):
    assert run(write(tmp_path / "train.jsonl", GOOD), tmp_path, "--prompt-style", style) == 0
    (row,) = rows(tmp_path / "train.parquet")
    verdict = compute_score(row["data_source"], row["extra_info"]["reference_response"], "5", row["extra_info"])
    assert (verdict["acc"], verdict["format"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("level", "difficulty"),
    [("Level 5", 5), ("Level 1", 1), ("3", 3), (3, 3), ("Level ?", 0), ("hard", 0), ("", 0), (None, 0)],
)
def test_levels(tmp_path, level, difficulty):
    assert run(write(tmp_path / "train.jsonl", GOOD | {"level": level}), tmp_path) == 0
    assert rows(tmp_path / "train.parquet")[0]["extra_info"]["difficulty"] == difficulty


@pytest.mark.parametrize(
    ("fields", "category"),
    [({"type": "Algebra"}, "Algebra"), ({"subject": "Geometry"}, "Geometry"), ({"type": None}, ""), ({}, "")],
)
def test_subjects(tmp_path, fields, category):
    record = {"problem": GOOD["problem"], "solution": GOOD["solution"]} | fields
    assert run(write(tmp_path / "train.jsonl", record), tmp_path) == 0
    (row,) = rows(tmp_path / "train.parquet")
    assert (row["extra_info"]["category"], row["extra_info"]["difficulty"]) == (category, 0)


def authors_folder(folder):
    """As the authors' archive: a folder for each split and subject, one pretty-printed problem a file."""
    files = {
        "train/algebra/2.json": problem(1),
        "train/algebra/10.json": problem(2),
        "train/geometry/1.json": problem(3, type="Geometry", level="Level ?"),
        "test/algebra/1.json": problem(4),
    }
    for name, record in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=4), encoding="utf-8")
    return folder


def test_the_authors_folders_are_read_in_the_order_of_subject_and_number(tmp_path):
    assert run(authors_folder(tmp_path / "MATH"), tmp_path / "out") == 0
    made = rows(tmp_path / "out" / "train.parquet")
    assert [row["extra_info"]["question"] for row in made] == [f"What is ${number}+4$?" for number in (1, 2, 3)]
    assert [row["extra_info"]["id"] for row in made] == [f"math/train/{number}" for number in range(3)]
    assert [(row["extra_info"]["category"], row["extra_info"]["difficulty"]) for row in made] == [
        ("Algebra", 5),
        ("Algebra", 5),
        ("Geometry", 0),
    ]
    (row,) = rows(tmp_path / "out" / "test.parquet")
    assert (row["extra_info"]["id"], row["reward_model"]["ground_truth"]) == ("math/test/0", "8")
    card = json.loads((tmp_path / "out" / "train.parquet.json").read_text("utf-8"))
    names = [Path(source["file"]).relative_to(tmp_path / "MATH").as_posix() for source in card["source"]]
    assert names == ["train/algebra/2.json", "train/algebra/10.json", "train/geometry/1.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "2.json: must hold at least one record, it is empty"),
        (b'{\n "problem": "x",\n', "2.json line 3: must be JSON, but "),
        (b'{"problem": "x"', "2.json line 1: must be one JSON object, but "),
        (b'{\n "problem": "caf\xe9"\n}', "2.json: must be UTF-8, but byte 19 is 0xe9"),
        (b'{\n "problem": "x"\n}', "2.json: must have the field 'solution', has 'problem'"),
        (b"5", "2.json line 1: must be one JSON object, got 5"),
    ],
)
def test_a_bad_file_of_the_authors_is_one_bad_record(tmp_path, capsys, content, message):
    folder = authors_folder(tmp_path / "MATH")
    (folder / "train" / "algebra" / "2.json").write_bytes(content)
    assert run(folder, tmp_path / "a") == 1
    fault, sum_up = capsys.readouterr().err.splitlines()
    assert f"{folder / 'train' / 'algebra'}/{message}" in fault
    assert "train.parquet is not written: 1 of 3 records are at fault" in sum_up
    assert not (tmp_path / "a" / "train.parquet").exists()
    assert run(folder, tmp_path / "b", "--skip-bad") == 0
    # The others keep the numbers that they have when it is good.
    assert [row["extra_info"]["id"] for row in rows(tmp_path / "b" / "train.parquet")] == [
        "math/train/1",
        "math/train/2",
    ]


def test_parquet_as_the_hub_has_it_gives_the_same_rows_as_json_lines(tmp_path):
    # EleutherAI/hendrycks_math: text columns problem, level, type, solution.
    records = [problem(number) for number in range(5)]
    lines = write(tmp_path / "raw" / "train.jsonl", *records)
    (tmp_path / "hub").mkdir()
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "hub" / "train-00000-of-00001.parquet")
    assert run(lines, tmp_path / "a") == run(tmp_path / "hub", tmp_path / "b") == 0
    assert (tmp_path / "a" / "train.parquet").read_bytes() == (tmp_path / "b" / "train.parquet").read_bytes()


@pytest.mark.parametrize("solution", ["It is 4.", r"It is $\boxed{}$.", r"It is $\boxed{4", r"$\boxed{ }$"])
def test_a_solution_without_an_answer_is_dropped_and_counted(tmp_path, capsys, solution):
    source = write(tmp_path / "train.jsonl", problem(0), problem(1, solution=solution))
    assert run(source, tmp_path / "out") == 0
    assert [row["extra_info"]["id"] for row in rows(tmp_path / "out" / "train.parquet")] == ["math/train/0"]
    assert dropped(tmp_path / "out" / "train.parquet")["no answer can be right"]["count"] == 1
    said = capsys.readouterr()
    assert "1 rows of 2 records\n  1 dropped: no answer can be right\n    math/train/1 (" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problem": ""}, "'problem' must be a text that is not empty, got ''"),
        ({"problem": None}, "'problem' must be a text that is not empty, got nothing"),
        ({"solution": ["x"]}, "'solution' must be a text that is not empty, got ['x']"),
        ({"level": 5.5}, "'level' must be a text that is not empty, got 5.5"),
        ({"type": ["Algebra"]}, "'type' must be a text that is not empty, got ['Algebra']"),
    ],
)
def test_a_field_of_another_type_is_named(tmp_path, capsys, changes, message):
    assert run(write(tmp_path / "train.jsonl", GOOD, GOOD | changes), tmp_path / "out") == 1
    assert f"error: {tmp_path / 'train.jsonl'} line 2: {message}\n" in capsys.readouterr().err
