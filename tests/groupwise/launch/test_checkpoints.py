"""Old checkpoints are removed, those of other makers and the one in use are not."""

import os

import pytest

from groupwise.launch.checkpoints import remove_old_checkpoints, saved_checkpoints
from groupwise.record.run_record import METHOD_FILE


@pytest.fixture
def save(tmp_path):
    """Makes a checkpoint of a step, saved at a second."""

    def save_(step: int, second: int):
        folder = tmp_path / f"global_step_{step}"
        (folder / "actor").mkdir(parents=True)
        (folder / METHOD_FILE).touch()
        os.utime(folder / METHOD_FILE, (second, second))
        return folder

    return save_


def steps(folder):
    return sorted(int(path.name.split("_")[-1]) for path in folder.glob("global_step_*"))


def test_the_latest_stay(save, tmp_path):
    for step in (5, 10, 15, 20):
        save(step, second=step)
    removed = remove_old_checkpoints(tmp_path, 2, in_use=None)
    assert [path.name for path in removed] == ["global_step_5", "global_step_10"]
    assert steps(tmp_path) == [15, 20]


def test_a_run_that_was_set_back_keeps_what_it_saved_last(save, tmp_path):
    # Resumed from 10 by name, it now saves 12: 20 and 30 are of the abandoned part.
    for step, second in ((10, 1), (20, 2), (30, 3), (12, 4)):
        save(step, second)
    remove_old_checkpoints(tmp_path, 2, in_use=None)
    assert steps(tmp_path) == [12, 30]


def test_the_one_that_the_run_was_resumed_from_stays(save, tmp_path):
    first = save(10, 1)
    for step in (20, 30, 40):
        save(step, step)
    remove_old_checkpoints(tmp_path, 1, in_use=first)
    assert steps(tmp_path) == [10, 40]


@pytest.mark.parametrize("keep", [None, 0, -1])
def test_without_a_limit_all_stay(save, tmp_path, keep):
    for step in (1, 2, 3):
        save(step, step)
    assert remove_old_checkpoints(tmp_path, keep, in_use=None) == []
    assert steps(tmp_path) == [1, 2, 3]


def test_checkpoints_of_another_launcher_and_other_folders_stay(save, tmp_path):
    (tmp_path / "global_step_1" / "actor").mkdir(parents=True)
    for name in ("global_step_best", "global_step_0_copy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / METHOD_FILE).touch()
    save(2, 2)
    save(3, 3)
    remove_old_checkpoints(tmp_path, 1, in_use=None)
    stay = ["global_step_0_copy", "global_step_1", "global_step_3", "global_step_best"]
    assert sorted(path.name for path in tmp_path.iterdir()) == stay


def test_order_is_that_of_saving(save, tmp_path):
    for step, second in ((3, 1), (1, 2), (2, 3)):
        save(step, second)
    assert [path.name[-1] for path in saved_checkpoints(tmp_path)] == ["3", "1", "2"]


def test_of_two_saved_at_once_the_lower_number_is_older(save, tmp_path):
    # A file system that counts whole seconds; as names, 10 comes before 9.
    for step in (10, 9, 11):
        save(step, 1)
    assert [path.name for path in saved_checkpoints(tmp_path)] == ["global_step_9", "global_step_10", "global_step_11"]
