"""`preflight` and `resume`: values that are taken, and those that are refused with the key, the range and the value."""

import dataclasses
import re

import pytest

from groupwise.config import PreflightConfig, ResumeConfig

CHECKS = ("method", "files", "memory")
VALID = {"skip": [], "gpu_memory_gib": None}


def make(**values) -> PreflightConfig:
    return PreflightConfig.from_mapping({**VALID, **values}, checks=CHECKS)


@pytest.mark.parametrize(
    ("values", "skip", "memory"),
    [
        ({}, (), None),
        ({"skip": ["memory"]}, ("memory",), None),
        ({"gpu_memory_gib": 80}, (), 80),
        ({"gpu_memory_gib": 0.5}, (), 0.5),
    ],
)
def test_sound_values_are_taken(values, skip, memory):
    assert make(**values) == PreflightConfig(skip=skip, gpu_memory_gib=memory)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "80", "80 GiB", [80]])
def test_what_is_no_size_of_memory_is_refused(value):
    with pytest.raises(ValueError, match=r"^preflight\.gpu_memory_gib must be a number above 0, or null") as refused:
        make(gpu_memory_gib=value)
    assert f"but is {value!r}." in str(refused.value)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (["memry"], "'memry'"),
        (["memory", "disc", "x"], "'disc'"),
        ([["memory"]], r"['memory']"),
        ([None], "None"),
        # A name alone is no list of names.
        ("memory", "'memory'"),
        ("", "''"),
        (None, "None"),
        (True, "True"),
        ({"memory": True}, "{'memory': True}"),
    ],
)
def test_what_is_no_list_of_checks_is_refused(value, named):
    sentence = f"preflight.skip must be a list of checks out of method, files, memory, but has {named}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        make(skip=value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({**VALID, "skipp": []}, "preflight has no key 'skipp'; did you mean 'skip'?"),
        ({"skip": []}, "preflight must give skip, gpu_memory_gib, but lacks gpu_memory_gib;"),
        ({}, "but lacks skip, gpu_memory_gib;"),
    ],
)
def test_keys_are_these_and_all_of_these(values, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        PreflightConfig.from_mapping(values, checks=CHECKS)


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_taken(value):
    assert ResumeConfig.from_mapping({"accept_changed_method": value}) == ResumeConfig(accept_changed_method=value)


@pytest.mark.parametrize("value", [None, 0, 1, "true", "yes", []])
def test_what_is_no_truth_value_is_refused(value):
    sentence = f"resume.accept_changed_method must be true or false, but is {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        ResumeConfig.from_mapping({"accept_changed_method": value})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"accept_changed_methods": True}, "resume has no key 'accept_changed_methods'; did you mean 'accept_changed"),
        ({}, "resume must give accept_changed_method, but lacks accept_changed_method;"),
    ],
)
def test_resume_has_this_key_alone(values, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ResumeConfig.from_mapping(values)


@pytest.mark.parametrize("config", [make(), ResumeConfig(accept_changed_method=False)])
def test_a_checked_value_cannot_be_replaced_by_an_unchecked_one(config):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, dataclasses.fields(config)[0].name, "anything")
