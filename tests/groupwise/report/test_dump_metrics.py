"""What rollout dumps add."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groupwise.dumps.schema import FOLDER, METADATA_KEY
from groupwise.report import dump_metrics
from groupwise.report.dump_metrics import read_dump_metrics


@pytest.fixture
def dump(tmp_path):
    def dump(step, **columns):
        (tmp_path / FOLDER).mkdir(exist_ok=True)
        about = {"format": 2, "step": step, "estimator": "dipo", "methods": {}, "updates": []}
        table = pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(about).encode()})
        pq.write_table(table, tmp_path / FOLDER / f"{step}.parquet")
        return tmp_path

    return dump


def test_quantiles_of_the_judged_and_means_by_source(dump):
    wrong = [1.0, 2.0, 3.0, 4.0, 11.0]
    folder = dump(
        7,
        perplexity=[*wrong, 1.5, None, 9.0],
        acc=[0.0] * 5 + [1.0, 1.0, None],
        score=[0.5] * 8,
        format=[None] * 8,
        data_source=["a"] * 4 + ["b/c"] * 4,
    )
    steps, notes = read_dump_metrics(folder)
    found = steps[7]
    # numpy's linear rule on five sorted values: 0.1 of 4 intervals is 0.4 into the first.
    assert found["dump/perplexity/wrong/p10"] == pytest.approx(1.4)
    assert found["dump/perplexity/wrong/p50"] == 3.0
    # 0.9 of 4 is 3.6: 4 + 0.6 * 7.
    assert found["dump/perplexity/wrong/p90"] == pytest.approx(8.2)
    # The response without a token has no perplexity, the one without a verdict takes no part.
    assert found["dump/perplexity/correct/p90"] == 1.5
    assert (found["dump/set/a/acc"], found["dump/set/b/c/acc"]) == (0.0, pytest.approx(2 / 3))
    assert found["dump/set/a/score"] == 0.5
    assert not any(name.endswith("format") for name in found)
    assert notes == []


def test_a_dump_of_plain_verl_has_what_it_has(tmp_path):
    (tmp_path / "3.jsonl").write_text(json.dumps({"input": "q", "output": "a", "score": 0.5, "step": 3}) + "\n")
    assert read_dump_metrics(tmp_path) == ({3: {}}, [])


def test_a_half_written_dump_is_said_and_left_out(dump):
    folder = dump(1, perplexity=[1.0], acc=[1.0])
    (folder / FOLDER / "2.parquet").write_bytes(b"PAR1")
    steps, notes = read_dump_metrics(folder)
    assert list(steps) == [1]
    assert len(notes) == 1
    assert "2.parquet" in notes[0]


def test_an_empty_folder_is_said(tmp_path):
    steps, notes = read_dump_metrics(tmp_path)
    assert steps == {}
    assert "must hold dumps" in notes[0]


def test_of_many_dumps_an_even_part_is_read(dump, monkeypatch):
    monkeypatch.setattr(dump_metrics, "MOST_DUMPS", 3)
    for step in range(1, 10):
        folder = dump(step, perplexity=[float(step)], acc=[1.0])
    steps, notes = read_dump_metrics(folder)
    assert list(steps) == [1, 5, 9]
    assert notes == [f"Of the 9 dumps in {folder / 'groupwise'}, 3 were read, evenly spaced."]
    np.testing.assert_equal([data["dump/perplexity/correct/p50"] for data in steps.values()], [1.0, 5.0, 9.0])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        # a: 1 and 0; b: 0 twice; c: 0.5 twice.
        ({"uid": list("abcabc"), "score": [1.0, 0.0, 0.5, 0.0, 0.0, 0.5]}, 2 / 3),
        ({"uid": ["a", None], "score": [1.0, 0.0]}, None),
        ({"score": [1.0, 0.0]}, None),
    ],
)
def test_groups_whose_scores_are_all_equal(dump, columns, expected):
    steps, _ = read_dump_metrics(dump(1, **columns))
    assert steps[1].get("dump/collapse_rate") == expected
