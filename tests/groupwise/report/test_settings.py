"""What a run was."""

import json
from itertools import pairwise

import pytest

from groupwise.errors import GroupwiseError
from groupwise.report.folders import read_settings


def record(estimator, digest="sha256:1"):
    files = {"train_files": {"/d/t.parquet": digest}, "val_files": {"/d/v.parquet": None}}
    return json.dumps({"data": files, "config": {"algorithm": {"adv_estimator": estimator}}})


def test_the_latest_start_counts_and_a_half_written_one_does_not(tmp_path):
    (tmp_path / "runs.jsonl").write_text("\n".join([record("grpo"), record("dipo"), record("rloo")[:-20]]))
    (tmp_path / "config.yaml").write_text("algorithm: {adv_estimator: gae}")
    settings = read_settings(tmp_path)
    assert settings.config == {"algorithm.adv_estimator": "dipo"}
    # What was not hashed goes by its name.
    assert settings.data == {"train_files": frozenset({"sha256:1"}), "val_files": frozenset({"v.parquet"})}


def test_a_configuration_alone(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "data:\n  train_files: [/d/a.parquet, /d/b.parquet]\n  val_files: /d/v.parquet\n"
    )
    settings = read_settings(tmp_path)
    assert settings.config["data.val_files"] == "/d/v.parquet"
    assert settings.data == {
        "train_files": frozenset({"a.parquet", "b.parquet"}),
        "val_files": frozenset({"v.parquet"}),
    }


def test_a_configuration_without_files_says_nothing_of_the_data(tmp_path):
    (tmp_path / "config.yaml").write_text("algorithm: {adv_estimator: grpo}")
    assert read_settings(tmp_path).data is None


def test_a_first_record_that_is_still_written_says_nothing(tmp_path):
    (tmp_path / "runs.jsonl").write_text(record("dipo")[:-20])
    assert read_settings(tmp_path) == (None, None)


BOMB = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{x: *{a}, y: *{a}}}\n" for a, b in pairwise("abcdefghijklmnopqrstuvwxyz")
)


def test_settings_without_end_are_kept_whole_from_some_level_on(tmp_path):
    deep = {"x": 1}
    for _ in range(400):
        deep = {"a": deep}
    (tmp_path / "runs.jsonl").write_text(json.dumps({"config": deep}) + "\n")
    (key,) = read_settings(tmp_path).config
    assert key.count(".") == 50


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", "", "\x00", BOMB, "a: " + "[" * 5000, "a: " + "{a: " * 400])
def test_an_unreadable_configuration_is_a_sentence(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(GroupwiseError, match=r"config\.yaml must be the run's configuration"):
        read_settings(tmp_path)
