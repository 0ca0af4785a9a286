"""Steps of a run: whether there are any, and whether the last one is reached."""

import functools
import re

import pytest

from groupwise.preflight.steps import find_faults


@pytest.fixture
def compose_with(shipped):
    """Gives the configuration that this file starts from, with overrides."""
    return functools.partial(shipped, "cpu", "data.train_batch_size=16")


@pytest.mark.parametrize(
    ("rows", "overrides"),
    [
        (16, []),
        (None, ["trainer.total_training_steps=9", "trainer.total_epochs=1"]),
        # 40 // 16 = 2 steps an epoch, so 3 epochs are just enough for 6 steps.
        (40, ["trainer.total_training_steps=6", "trainer.total_epochs=3"]),
        (40, ["trainer.total_training_steps=1", "trainer.save_freq=1", "trainer.test_freq=-1"]),
        # Nothing is trained, so that rows do not matter.
        (3, ["trainer.val_only=true"]),
        (100, ["data.train_max_samples=16"]),
    ],
)
def test_a_run_that_reaches_its_end_is_sound(compose_with, rows, overrides):
    assert list(find_faults(compose_with(*overrides), rows)) == []


@pytest.mark.parametrize(
    ("rows", "overrides", "sentence"),
    [
        (15, [], "data.train_files must hold at least data.train_batch_size=16 rows, .* but 15 are used"),
        (100, ["data.train_max_samples=8"], r"but 8 are used; .* \(data.train_max_samples limits them\)"),
        (
            40,
            ["trainer.total_training_steps=7", "trainer.total_epochs=3"],
            # 7 steps at 2 an epoch take 4 epochs.
            "40 rows make 2 steps an epoch: the run would end after step 6, .* set trainer.total_epochs=4",
        ),
        (None, ["trainer.total_training_steps=0"], "total_training_steps must be a whole number .* but is 0"),
        (None, ["trainer.total_training_steps=1.5"], "total_training_steps must be a whole number .* but is 1.5"),
        (None, ["trainer.save_freq=0"], "trainer.save_freq must be a whole number of steps, or -1 .* but is 0"),
        (None, ["trainer.test_freq=0.5"], "trainer.test_freq must be a whole number of steps, or -1 .* but is 0.5"),
        (None, ["trainer.save_freq=true"], "trainer.save_freq must be a whole number of steps, or -1 .* but is True"),
        (None, ["trainer.test_freq=null"], "trainer.test_freq must be a whole number of steps, or -1 .* but is None"),
    ],
)
def test_a_run_without_steps_or_without_its_end_is_a_fault(compose_with, rows, overrides, sentence):
    faults = list(find_faults(compose_with(*overrides), rows))
    assert len(faults) == 1
    assert re.search(sentence, faults[0]), faults[0]
