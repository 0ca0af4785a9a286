"""The files of an evaluation: whole or not there, and never of two settings."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from groupwise.errors import GroupwiseError
from groupwise.evaluation.responses import (
    SCHEMA,
    Journal,
    Record,
    is_finished,
    read_begun,
    read_record,
    read_table,
    write,
)

SETTINGS = {"model": {"path": "/m", "weights": {"a": [1, 2]}}, "sampling": {"seed": 0, "temperature": 1.0}}


def make_record(sample: int, **changes: Any) -> dict[str, Any]:
    return {
        **{"set": "aime24", "data_source": "aime24", "prompt_id": "aime24/1", "sample": sample},
        **{"prompt": "<|user|>1+1=", "prompt_tokens": 4, "response": "Answer: 2", "response_tokens": 9},
        **{"finished": True, "acc": 1.0, "bfcl": None, "score": 1.0, "format": 1.0, "pred": "2", "reason": "correct"},
        **changes,
    }


def write_set(folder: Path, settings: dict[str, Any] = SETTINGS, **changes: Any) -> None:
    write(folder, "aime24", [make_record(0, **changes), make_record(1)], Record(settings, {"verl": "0.9.1"}))


def test_what_is_written_is_read(tmp_path):
    write_set(tmp_path, acc=None, reason="timeout: 2 s")
    table = read_table(tmp_path, "aime24", columns=SCHEMA.names)
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == [make_record(0, acc=None, reason="timeout: 2 s"), make_record(1)]
    assert read_record(tmp_path, "aime24") == Record(SETTINGS, {"verl": "0.9.1"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aime24.json", "aime24.parquet"]


def test_text_that_no_file_can_hold_is_replaced(tmp_path):
    write_set(tmp_path, reason="wrong call: \ud800")
    assert read_table(tmp_path, "aime24", columns=["reason"]).to_pylist()[0] == {"reason": "wrong call: ?"}


def test_a_finished_set_is_known_by_its_settings(tmp_path):
    assert not is_finished(tmp_path, "aime24", SETTINGS)
    write_set(tmp_path)
    assert is_finished(tmp_path, "aime24", SETTINGS)
    # As the settings of a run are: tuples and integers that JSON gives back as lists.
    assert is_finished(tmp_path, "aime24", {**SETTINGS, "model": {"path": "/m", "weights": {"a": (1, 2)}}})
    assert not is_finished(tmp_path, "amc23", SETTINGS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sampling": {"seed": 1, "temperature": 1.0}}, r"\(sampling.seed: 0 there, 1 now\); --again"),
        ({"sampling": {"seed": 0}}, r"\(sampling.temperature: 1.0 there, null now\)"),
        ({"model": {"path": "/m", "weights": {"a": [1, 3]}}}, r"model.weights.a: \[1, 2\] there, \[1, 3\] now"),
        ({"limit": 4}, r"limit: null there, 4 now"),
        ({"model": {"path": "x" * 90, "weights": {"a": [1, 2]}}}, r"x{56}\.\.\. now"),
    ],
)
def test_other_settings_are_never_mixed(tmp_path, changes, sentence):
    write_set(tmp_path)
    with pytest.raises(GroupwiseError, match=sentence):
        is_finished(tmp_path, "aime24", {**SETTINGS, **changes})


@pytest.mark.parametrize("gone", ["aime24.json", "aime24.parquet"])
def test_half_a_set_is_not_finished(tmp_path, gone):
    write_set(tmp_path)
    (tmp_path / gone).unlink()
    assert not is_finished(tmp_path, "aime24", SETTINGS)


@pytest.mark.parametrize("renames", [0, 1])
def test_an_interrupted_replacement_leaves_no_mixture(tmp_path, monkeypatch, renames):
    """After none or one of its two renames: old responses without settings, or new ones without."""
    write_set(tmp_path)
    replace, done = os.replace, []

    def interrupted(source, target):
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_set(tmp_path, {**SETTINGS, "limit": 1}, response="new")
    assert not (tmp_path / "aime24.json").exists()
    assert not is_finished(tmp_path, "aime24", SETTINGS)
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_leaves_what_stood_there(tmp_path, monkeypatch):
    write_set(tmp_path)

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="No space left"):
        write_set(tmp_path, response="new")
    assert is_finished(tmp_path, "aime24", SETTINGS)


@pytest.mark.parametrize("text", ["{", "[1]", '{"other": 1}'])
def test_a_damaged_record_is_told(tmp_path, text):
    write_set(tmp_path)
    (tmp_path / "aime24.json").write_text(text)
    with pytest.raises(GroupwiseError, match=r"aime24\.json must tell what aime24\.parquet was made with"):
        is_finished(tmp_path, "aime24", SETTINGS)


def test_a_damaged_table_is_told(tmp_path):
    (tmp_path / "aime24.parquet").write_bytes(b"PAR1")
    with pytest.raises(GroupwiseError, match="must be a whole parquet file"):
        read_table(tmp_path, "aime24", columns=["acc"])


def test_a_record_is_plain_json(tmp_path):
    write_set(tmp_path)
    assert json.loads((tmp_path / "aime24.json").read_text()) == {"settings": SETTINGS, "versions": {"verl": "0.9.1"}}


def begin(folder: Path, settings: dict[str, Any] = SETTINGS, *, samples: int = 3) -> None:
    """Writes the responses of a set until an interruption."""
    with suppress(KeyboardInterrupt), Journal(folder, "aime24", settings) as journal:
        for sample in range(len(journal.found), samples):
            journal.add(7, sample, [[sample, 5], "stop"])
        raise KeyboardInterrupt


def found(folder: Path, settings: dict[str, Any] = SETTINGS) -> dict[tuple[int, int], Any]:
    begin(folder, settings, samples=0)
    return read_begun(folder, "aime24")[1]


def test_a_set_that_was_interrupted_goes_on(tmp_path):
    begin(tmp_path, samples=2)
    begin(tmp_path, samples=3)
    assert found(tmp_path) == {(7, sample): [[sample, 5], "stop"] for sample in range(3)}
    assert not is_finished(tmp_path, "aime24", SETTINGS)
    with Journal(tmp_path, "aime24", SETTINGS):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_a_response_that_a_kill_cut_off_is_made_again_and_no_other(tmp_path, cut):
    begin(tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    left = found(tmp_path)
    # A line has about 60 bytes.
    assert 3 - (cut + 59) // 50 <= len(left) < 3
    begin(tmp_path)
    assert found(tmp_path) == {(7, sample): [[sample, 5], "stop"] for sample in range(3)}


def test_an_interrupted_set_of_other_settings_is_refused_and_replaced_only_when_asked(tmp_path):
    begin(tmp_path)
    other = {**SETTINGS, "sampling": {"seed": 1, "temperature": 1.0}}
    with pytest.raises(
        GroupwiseError, match=r"aime24\.partial\.jsonl holds .* \(sampling\.seed: 0 there, 1 now\); --again"
    ):
        is_finished(tmp_path, "aime24", other)
    assert found(tmp_path, other) == {}
    assert found(tmp_path, other) == {}
    assert not is_finished(tmp_path, "aime24", other)
