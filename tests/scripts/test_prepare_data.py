"""The one command that prepares the paper's data, on the real raw files."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from data_prep.schema import read_rows

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "prepare_data.sh"


def prepare(*arguments, **environment):
    command = ["bash", str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


def test_an_unknown_setting_is_refused_before_anything_is_set_up():
    done = prepare("maths")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "usage: prepare_data.sh [math|tools|all] [options], got maths\n"


@pytest.mark.slow
def test_both_settings_from_local_files(shared_data, tmp_path):
    done = prepare("all", RAW_DIR=str(shared_data), DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")}
    evaluated = {f"math_eval/{name}.parquet" for name in ("aime24", "amc23", "math500", "minerva", "olympiadbench")}
    tools = {"rlla/test.parquet", "bfcl_v3/test.parquet", "bfcl_v3/whole.parquet"}
    assert made == evaluated | tools | {"dapo_math/train.parquet"}
    assert all((tmp_path / f"{name}.json").is_file() for name in made)
    card = json.loads((tmp_path / "dapo_math" / "train.parquet.json").read_text())
    assert card["records"]["dropped"]["asked in an evaluation set"]["count"] > 0
    # Trained on ToolRL's rows, evaluated on BFCL's in the same style.
    for file in tools:
        assert {row["extra_info"]["prompt_style"] for row in read_rows(tmp_path / file)} == {"toolrl"}
    # Validated: the tables of both settings, and of the whole of BFCL.
    assert done.stdout.count("data source") == len(tools)


@pytest.mark.slow
def test_options_go_to_the_converters_and_a_fault_stops_the_script(shared_data, tmp_path):
    done = prepare("math", "--prompt-style", "boxed", RAW_DIR=str(shared_data), DATA_DIR=str(tmp_path / "good"))
    assert done.returncode == 0, done.stderr[-3000:]
    (row, *_) = read_rows(tmp_path / "good" / "dapo_math" / "train.parquet")
    assert row["prompt"][0]["content"].endswith("\\boxed{}.")
    raw = tmp_path / "raw"
    (raw / "aime24").mkdir(parents=True)
    (raw / "aime24" / "test.jsonl").write_text('{"problem": "A?", "answer": "1000"}\n')
    done = prepare("math", RAW_DIR=str(raw), DATA_DIR=str(tmp_path / "bad"))
    assert done.returncode == 1
    assert "an answer of AIME must be an integer from 0 to 999, got '1000'" in done.stderr
    assert not list((tmp_path / "bad").rglob("*.parquet"))
