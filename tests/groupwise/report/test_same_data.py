"""Runs of different data are not compared."""

import pytest

from groupwise.errors import GroupwiseError
from groupwise.report.runs import check_same_data, data_fault, load_run


def hashes(train="a", val="b"):
    return {
        "train_files": {"/d/t.parquet": train and f"sha256:{train * 64}"},
        "val_files": {"/d/v.parquet": f"sha256:{val * 64}"},
    }


@pytest.fixture
def runs(make_run, step):
    def runs(*data):
        return [
            load_run(make_run(f"run{place}", [step(1)], data=files, is_configured=files is not None))
            for place, files in enumerate(data)
        ]

    return runs


def test_the_same_bytes_under_any_name_are_the_same_data(runs):
    moved = {"train_files": {"/x/y.parquet": "sha256:" + "a" * 64}, "val_files": {"/z.parquet": "sha256:" + "b" * 64}}
    check_same_data(runs(hashes(), moved, None))


def test_both_runs_and_their_files_are_named(runs):
    first, second = both = runs(hashes(), hashes(train="c"))
    with pytest.raises(GroupwiseError, match="must have the same data") as caught:
        check_same_data(both)
    for word in (
        str(first.path),
        str(second.path),
        "training data",
        "sha256:aaaaaaaaaaaa",
        "sha256:cccccccccccc",
        "--different-data",
    ):
        assert word in str(caught.value)


def test_other_validation_data_is_other_data(runs):
    assert "different validation data" in data_fault(runs(hashes(), hashes(val="c")))


def test_names_stand_in_where_files_were_not_hashed(runs):
    unhashed = hashes(train=None)
    assert data_fault(runs(unhashed, unhashed)) is None
    other = {**unhashed, "train_files": {"/d/other.parquet": None}}
    assert "(t.parquet and other.parquet)" in data_fault(runs(unhashed, other))


def test_a_name_and_a_hash_say_nothing_about_each_other(runs):
    assert data_fault(runs(hashes(), hashes(train=None))) is None
