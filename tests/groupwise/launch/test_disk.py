"""Sizes of checkpoints from sizes of weight files, and the sentence where they do not fit."""

import shutil
from collections import namedtuple

import pytest

from groupwise.launch.disk import checkpoint_bytes, space_fault

Usage = namedtuple("Usage", "total used free")
GIB = 2**30


@pytest.fixture
def model(tmp_path):
    """A folder with weights of 1,600 bytes and other files."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name, size in (("model-1.safetensors", 1000), ("model-2.safetensors", 600), ("tokenizer.json", 50)):
        (folder / name).write_bytes(bytes(size))
    return folder


@pytest.fixture
def disk(monkeypatch):
    """A disk with as many free bytes as a test says, that remembers which place was asked for."""

    def disk_(free: int) -> list:
        asked = []
        monkeypatch.setattr(shutil, "disk_usage", lambda place: asked.append(place) or Usage(0, 0, free))
        return asked

    return disk_


class TestCheckpointBytes:
    def test_twelve_bytes_for_each_parameter_of_two(self, model):
        # 1600 / 2 = 800 parameters, 4 bytes of each for the weight and 8 for Adam's moments.
        assert checkpoint_bytes(str(model)) == 9600

    def test_a_home_folder_is_expanded(self, model, monkeypatch):
        monkeypatch.setenv("HOME", str(model.parent))
        assert checkpoint_bytes("~/model") == 9600

    @pytest.mark.parametrize("path", ["Qwen/Qwen2.5-7B", "/no/such/model", "hdfs://cluster/model"])
    def test_nothing_where_the_weights_are_not_here(self, path):
        assert checkpoint_bytes(path) == 0

    def test_weights_in_folders_below_are_not_verls(self, model):
        (model / "original").mkdir()
        (model / "original" / "model.safetensors").write_bytes(bytes(100))
        assert checkpoint_bytes(str(model)) == 9600


class TestSpace:
    @pytest.mark.parametrize("free", [100, 101])
    def test_what_fits_is_no_fault(self, tmp_path, disk, free):
        disk(free)
        assert space_fault(tmp_path, 100) is None

    def test_a_byte_too_few_is_one(self, tmp_path, disk):
        disk(99)
        assert space_fault(tmp_path, 100) is not None

    def test_the_sentence_names_folder_need_room_and_cure(self, tmp_path, disk):
        disk(GIB // 4)
        assert space_fault(tmp_path / "runs", 3 * GIB // 2, what="2 checkpoints") == (
            f"trainer.default_local_dir={tmp_path}/runs must have room for 2 checkpoints of about 1.50 GiB, but "
            "0.25 GiB are free; free some, name another folder, or set trainer.save_freq=-1."
        )

    def test_one_checkpoint_unless_told_otherwise(self, tmp_path, disk):
        disk(0)
        assert "room for a checkpoint of about" in (space_fault(tmp_path, 1) or "")

    @pytest.mark.parametrize(
        ("folder", "place"),
        [("{}", "."), ("{}/not", "."), ("{}/not/yet", "."), ("not/yet", "here"), ("~/not/yet", "home")],
    )
    def test_the_disk_is_that_of_the_nearest_folder_that_exists(self, tmp_path, disk, monkeypatch, folder, place):
        for name in ("here", "home"):
            (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.setenv("HOME", f"{tmp_path}/home")
        asked = disk(1)
        space_fault(folder.format(tmp_path), 1)
        assert asked == [tmp_path / place]
