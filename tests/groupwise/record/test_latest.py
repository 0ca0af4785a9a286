"""Which checkpoint is resumed where verl's file of the latest step was left without one."""

import zipfile

import pytest

from groupwise.record import latest
from groupwise.record.latest import LATEST_FILE


@pytest.fixture
def folder(tmp_path):
    """Checkpoints 9 and 10, both whole, and 11, whose last file was not written to its end."""
    for step in (9, 10, 11):
        (tmp_path / f"global_step_{step}").mkdir()
        with zipfile.ZipFile(tmp_path / f"global_step_{step}" / "data.pt", "w") as file:
            file.writestr("data", "state")
    cut = tmp_path / "global_step_11" / "data.pt"
    cut.write_bytes(cut.read_bytes()[:40])
    return tmp_path


@pytest.mark.parametrize("text", ["", "\n", "1\x00\x00", "\x00\x00", "global_step_9"])
def test_without_a_step_it_is_the_newest_whole_one(folder, text):
    (folder / LATEST_FILE).write_text(text)
    assert latest.latest(folder) == folder / "global_step_10"
    assert f"goes on from the newest whole checkpoint, {folder / 'global_step_10'}" in latest.fault(folder)
    assert "newest whole" in latest.mend(folder)
    assert (folder / LATEST_FILE).read_text() == "10"
    assert latest.fault(folder) is latest.mend(folder) is None


def test_where_none_is_whole_the_run_begins_anew(tmp_path):
    (tmp_path / LATEST_FILE).touch()
    assert "begins anew" in latest.mend(tmp_path)
    assert not (tmp_path / LATEST_FILE).exists()
    assert latest.latest(tmp_path) is latest.fault(tmp_path) is latest.mend(tmp_path) is None


def test_a_step_that_is_named_stays(folder):
    (folder / LATEST_FILE).write_text("9\n")
    assert latest.latest(folder) == folder / "global_step_9"
    assert latest.fault(folder) is latest.mend(folder) is None
    assert (folder / LATEST_FILE).read_text() == "9\n"
