"""Which files are evaluated, and what they must be."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groupwise.errors import GroupwiseError
from groupwise.evaluation.sets import MATH, TOOLS, find_files, name_of, read_sets


def make_row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "data_source": "dipo/arithmetic",
        "prompt": [{"role": "user", "content": f"{number}+1="}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": str(number + 1)},
        "extra_info": {"id": f"sum/{number}", "index": number},
        **changes,
    }


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_the_default_is_what_prepare_data_writes(tmp_path):
    aime = write(tmp_path / "math_eval" / "aime24.parquet", [make_row(0)])
    amc = write(tmp_path / "math_eval" / "amc23.parquet", [make_row(0)])
    bfcl = write(tmp_path / "bfcl_v3" / "test.parquet", [make_row(0)])
    write(tmp_path / "rlla" / "test.parquet", [make_row(0)])
    assert find_files([], kinds="all", folder=tmp_path) == [aime, amc, bfcl]
    assert find_files([], kinds="math", folder=tmp_path) == [aime, amc]
    assert find_files([], kinds="tools", folder=tmp_path) == [bfcl]
    assert find_files([bfcl], kinds="math", folder=tmp_path) == [bfcl]


@pytest.mark.parametrize("kinds", ["math", "tools", "all"])
def test_a_folder_without_sets_names_the_script(tmp_path, kinds):
    with pytest.raises(GroupwiseError, match=f"prepare_data.sh {kinds}`"):
        find_files([], kinds=kinds, folder=tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(GroupwiseError, match=r"no .*none\.parquet"):
        find_files([tmp_path / "none.parquet"], kinds="all", folder=tmp_path)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/math_eval/aime24.parquet", "aime24"),
        ("data/bfcl_v3/test.parquet", "bfcl_v3"),
        ("data/gsm8k/train.parquet", "gsm8k_train"),
        ("data/gsm8k/val.parquet", "gsm8k_val"),
    ],
)
def test_a_sets_name(path, name):
    assert name_of(Path(path)) == name


def test_a_set_has_its_rows_ids_and_digest(tmp_path):
    path = write(tmp_path / "sums.parquet", [make_row(number) for number in range(3)])
    (each,) = read_sets([path], limit=None)
    assert (each.name, each.kind, each.prompt_ids) == ("sums", MATH, ["sum/0", "sum/1", "sum/2"])
    assert each.rows[2] == make_row(2)
    assert each.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_limit_takes_the_first_rows(tmp_path):
    path = write(tmp_path / "sums.parquet", [make_row(number) for number in range(3)])
    assert read_sets([path], limit=2)[0].prompt_ids == ["sum/0", "sum/1"]
    assert len(read_sets([path], limit=9)[0].rows) == 3


def test_a_set_of_tool_rows_is_sampled_as_one(tmp_path):
    gold = '{"functions": [], "calls": []}'
    tool = make_row(0, ability="tool", data_source="bfcl_v3/irrelevance", reward_model={"ground_truth": gold})
    (tools, mixed) = read_sets(
        [write(tmp_path / "tools.parquet", [tool]), write(tmp_path / "mixed.parquet", [tool, make_row(1)])], limit=None
    )
    assert (tools.kind, mixed.kind) == (TOOLS, MATH)


def test_rows_of_other_makers_are_named_by_their_number(tmp_path):
    rows = [{**make_row(number), "extra_info": {"index": 0}} for number in range(2)]
    assert read_sets([write(tmp_path / "theirs.parquet", rows)], limit=None)[0].prompt_ids == ["row 0", "row 1"]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([make_row(0), make_row(0)], r"must be unique, but 1 occur more than once \(sum/0\)"),
        ([{"prompt": "1+1="}], "must have rows with data_source, prompt, reward_model, but has prompt"),
        ([make_row(0, data_source="unheard_of")], "got 'unheard_of'"),
    ],
)
def test_a_file_that_cannot_be_evaluated_is_refused(tmp_path, rows, sentence):
    with pytest.raises(GroupwiseError, match=sentence):
        read_sets([write(tmp_path / "bad.parquet", rows)], limit=None)


def test_a_file_without_rows_is_refused(tmp_path):
    pq.write_table(pa.Table.from_pylist([make_row(0)]).slice(0, 0), tmp_path / "empty.parquet")
    with pytest.raises(GroupwiseError, match="has no rows"):
        read_sets([tmp_path / "empty.parquet"], limit=None)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(GroupwiseError, match=r"cut\.parquet must be a whole parquet file"):
        read_sets([tmp_path / "cut.parquet"], limit=None)


def test_two_sets_of_one_name_are_refused(tmp_path):
    paths = [write(tmp_path / folder / "aime24.parquet", [make_row(0)]) for folder in ("a", "b")]
    with pytest.raises(GroupwiseError, match="2 files give 'aime24'"):
        read_sets(paths, limit=None)
