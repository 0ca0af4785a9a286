"""The page "Your own converter in 20 lines", followed from an empty folder, and what its two functions refuse."""

import re
import runpy
from pathlib import Path

import pytest

from data_prep import DataError, make_row, validate, write_parquet
from data_prep.schema import read_rows

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_converter.md").read_text("utf-8")
FIELDS = {
    "data_source": "quiz",
    "prompt": "2+3? Box it.",
    "question": "2+3?",
    "answer_format": "boxed",
    "split": "train",
}


def code(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_page_leads_from_nothing_to_a_checked_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("quiz.jsonl").write_text(code("json"))
    Path("quiz.py").write_text(code("python"))
    assert len([line for line in code("python").splitlines() if line]) <= 20
    runpy.run_path("quiz.py", run_name="__main__")
    assert validate.main(["train.parquet"]) == 0
    assert capsys.readouterr().out.startswith("3 rows\n")
    made = list(read_rows(Path("train.parquet")))
    assert [row["reward_model"]["ground_truth"] for row in made] == ["B", "A", "C"]
    assert [row["extra_info"]["index"] for row in made] == [0, 1, 2]
    assert [row["extra_info"]["reference_response"] for row in made] == [rf"\boxed{{{one}}}" for one in "BAC"]


@pytest.mark.parametrize(
    ("gold", "written"),
    [(5, "5"), (0.5, "0.5"), ("5", "5"), (["5", "five", "5"], '{"any": ["5", "five"]}'), ([5], "5")],
)
def test_a_ground_truth_is_an_answer_or_several(tmp_path, gold, written):
    row = make_row(**FIELDS, ground_truth=gold, identity="a")
    assert row["reward_model"]["ground_truth"] == written
    assert write_parquet([row], str(tmp_path / "x.parquet")) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"ground_truth": []}], "^a: ground_truth must be an answer, or several, got none"),
        (
            [{"ground_truth": "We think.\n#### 5"}],
            "^row 0: the ground truth must be an answer that a response can give",
        ),
        ([{"ground_truth": "5", "reference_response": "5"}], r"^row 0: extra_info.reference_response must score 1"),
        ([{"ground_truth": "5", "answer_format": ""}], "^row 0: data_source must be one that has a verifier"),
        ([{"ground_truth": "5"}] * 2, "^row 1: the id a must occur once, it occurred before"),
        ([{"ground_truth": "5", "prompt": []}], "^row 0: prompt must be a list of chat messages"),
    ],
)
def test_a_row_at_fault_is_a_sentence_and_no_file(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        write_parquet((make_row(**{**FIELDS, "identity": "a", **row}) for row in rows), tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []
