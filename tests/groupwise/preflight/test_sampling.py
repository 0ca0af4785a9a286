"""Temperatures with which responses to a prompt are all the same."""

import functools
import re

import pytest

from groupwise.preflight.sampling import find_faults

VALIDATION = "actor_rollout_ref.rollout.val_kwargs"


@pytest.fixture
def compose_with(shipped):
    """Gives the configuration that this file starts from, with overrides."""
    return functools.partial(shipped, "cpu")


@pytest.mark.parametrize(
    "overrides",
    [
        # verl's default: one greedy response
        [],
        ["actor_rollout_ref.rollout.temperature=0.6"],
        [f"{VALIDATION}.n=8", f"{VALIDATION}.temperature=1.0", f"{VALIDATION}.do_sample=true"],
        # verl's V1 trainers read the temperature alone (agent_loop_tq.py); do_sample is verl's own check's.
        [f"{VALIDATION}.n=8", f"{VALIDATION}.temperature=0.6", f"{VALIDATION}.do_sample=false"],
    ],
)
def test_responses_that_can_differ_are_sound(compose_with, overrides):
    assert list(find_faults(compose_with(*overrides))) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["actor_rollout_ref.rollout.temperature=0"], "rollout.temperature must be above 0, .* but is 0"),
        (["actor_rollout_ref.rollout.temperature=-1.0"], "rollout.temperature must be above 0, .* but is -1.0"),
        ([f"{VALIDATION}.n=8"], "val_kwargs.n=8 asks for several .* val_kwargs.temperature is 0"),
        ([f"{VALIDATION}.n=2", f"{VALIDATION}.do_sample=true"], "val_kwargs.n=2 asks for several"),
    ],
)
def test_equal_responses_are_a_fault(compose_with, overrides, sentence):
    faults = list(find_faults(compose_with(*overrides)))
    assert len(faults) == 1
    assert re.search(sentence, faults[0]), faults[0]
