"""Old checkpoints are removed, those of other makers and the one in use are not; sizes, and the sentence on no room."""

import os
import shutil
from collections import namedtuple

import pytest
from omegaconf import DictConfig, OmegaConf

from groupwise.launch.checkpoints import bytes_per_parameter, checkpoint_bytes, remove_old_checkpoints, space_fault
from groupwise.record.latest import LATEST_FILE
from groupwise.record.run_record import METHOD_FILE

Usage = namedtuple("Usage", "total used free")
GIB = 2**30


@pytest.fixture
def save(tmp_path):
    """Makes a checkpoint of a step; later ones with the earlier times, as under a clock that is set back."""
    seconds = iter(range(1000, 0, -1))

    def save_(step: int):
        folder = tmp_path / f"global_step_{step}"
        (folder / "actor").mkdir(parents=True)
        (folder / METHOD_FILE).touch()
        second = next(seconds)
        os.utime(folder / METHOD_FILE, (second, second))
        return folder

    return save_


def steps(folder):
    return sorted(int(path.name.split("_")[-1]) for path in folder.glob("global_step_*"))


def test_those_of_the_highest_steps_stay_whatever_the_clock_said(save, tmp_path):
    for step in (5, 9, 10, 20):
        save(step)
    removed = remove_old_checkpoints(tmp_path, 2, in_use=[])
    assert [path.name for path in removed] == ["global_step_5", "global_step_9"]
    assert steps(tmp_path) == [10, 20]


@pytest.mark.parametrize("by", ["named", "through a link", "latest"])
def test_one_that_is_in_use_stays(save, tmp_path, by):
    # As the one just saved by a run that was set back, the one it was resumed from, and the one verl would resume.
    first = save(10)
    for step in (20, 30, 40):
        save(step)
    (tmp_path / "link").symlink_to(first)
    if by == "latest":
        (tmp_path / LATEST_FILE).write_text("10")
    remove_old_checkpoints(tmp_path, 1, in_use={"named": [first], "through a link": [tmp_path / "link"]}.get(by, []))
    assert steps(tmp_path) == [10, 40]


@pytest.mark.parametrize("keep", [None, 0, -1])
def test_without_a_limit_all_stay(save, tmp_path, keep):
    for step in (1, 2, 3):
        save(step)
    assert remove_old_checkpoints(tmp_path, keep, in_use=[]) == []
    assert steps(tmp_path) == [1, 2, 3]


def test_checkpoints_of_another_launcher_links_and_other_folders_stay(save, tmp_path):
    (tmp_path / "global_step_1" / "actor").mkdir(parents=True)
    for name in ("global_step_best", "global_step_0_copy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / METHOD_FILE).touch()
    save(2)
    save(4)
    (tmp_path / "global_step_3").symlink_to(tmp_path / "global_step_4")
    (tmp_path / "global_step_0").symlink_to(tmp_path / "gone")
    remove_old_checkpoints(tmp_path, 1, in_use=[])
    stay = [
        "global_step_0",
        "global_step_0_copy",
        "global_step_1",
        "global_step_3",
        "global_step_4",
        "global_step_best",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == stay


def test_one_that_cannot_be_removed_is_no_end_of_the_run(save, tmp_path, monkeypatch, caplog):
    for step in (1, 2, 3):
        save(step)

    def refuse(path):
        raise PermissionError(f"no {path.name}")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert remove_old_checkpoints(tmp_path, 1, in_use=[]) == []
    assert caplog.text.count("could not be removed") == 2


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


def sized(model, **changes) -> DictConfig:
    """A configuration of what decides a checkpoint's size."""
    values = {"save_contents": ["model", "optimizer", "extra"], "model_dtype": "fp32", "strategy": "fsdp", **changes}
    actor = {
        "strategy": values["strategy"],
        "checkpoint": {key: values[key] for key in ("save_contents", "save_lora_only") if key in values},
        "fsdp_config": {"model_dtype": values["model_dtype"]},
    }
    path = {"path": str(model), "lora_rank": values.get("lora_rank", 0), "lora_adapter_path": None}
    return OmegaConf.create({"actor_rollout_ref": {"actor": actor, "model": path}})


class TestCheckpointBytes:
    @pytest.mark.parametrize(
        ("changes", "size"),
        [
            # 4 bytes of each parameter for the weight and 8 for Adam's moments.
            ({}, 12),
            ({"save_contents": ["model"]}, 4),
            ({"save_contents": ["hf_model"]}, 4),
            # The model in Hugging Face's format lies beside the rest.
            ({"save_contents": ["model", "hf_model", "optimizer", "extra"]}, 16),
            ({"model_dtype": "bfloat16"}, 6),
            ({"model_dtype": "bf16", "save_contents": ["hf_model"]}, 2),
            ({"model_dtype": None}, 12),
            # The adapters' moments are as good as nothing.
            ({"lora_rank": 8}, 4),
            ({"lora_rank": 8, "save_lora_only": True}, 0),
            ({"strategy": "megatron"}, 14),
        ],
    )
    def test_by_what_is_saved(self, model, changes, size):
        assert bytes_per_parameter(sized(model, **changes)) == size
        # 1600 bytes of files, 2 each: 800 parameters.
        assert checkpoint_bytes(sized(model, **changes)) == 800 * size
        assert checkpoint_bytes(sized(model, **changes), 5) == 5 * size

    def test_a_home_folder_is_expanded(self, model, monkeypatch):
        monkeypatch.setenv("HOME", str(model.parent))
        assert checkpoint_bytes(sized("~/model")) == 9600

    @pytest.mark.parametrize("path", ["Qwen/Qwen2.5-7B", "/no/such/model", "hdfs://cluster/model"])
    def test_nothing_where_the_weights_are_not_here(self, path):
        assert checkpoint_bytes(sized(path)) == 0

    def test_weights_in_folders_below_are_not_verls(self, model):
        (model / "original").mkdir()
        (model / "original" / "model.safetensors").write_bytes(bytes(100))
        assert checkpoint_bytes(sized(model)) == 9600


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
