"""Ranges and keys of `reward.reward_kwargs`, and that the shipped values are valid."""

import math

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from groupwise.config import RewardConfig
from groupwise.config.reward_config import FORMATS, SCALES
from reward_score.tool_calls import parser, score

VALID = {
    "max_resp_len": 10,
    "overlong_buffer_cfg": {"enable": False},
    "timeout_s": 30,
    "max_failure_share": 0.01,
    "verifier": {"scale": "toolrl", "formats": ["hermes", "toolrl"], "pure_equivalence": False},
}


def with_verifier(**change):
    return {**VALID, "verifier": {**VALID["verifier"], **change}}


def test_the_shipped_values_are_the_documented_ones():
    with initialize_config_module("recipe.dipo.config", version_base=None):
        values = OmegaConf.to_container(compose("dipo_trainer").reward.reward_kwargs, resolve=True)
    assert RewardConfig.from_mapping(values) == RewardConfig(
        30, 0.01, "toolrl", ("hermes", "toolrl"), pure_equivalence=False
    )


@pytest.mark.parametrize(
    "values",
    [
        {**VALID, "timeout_s": 0.5},
        {**VALID, "max_failure_share": 0},
        {**VALID, "max_failure_share": 1},
        with_verifier(scale="unit"),
        with_verifier(scale="binary"),
        with_verifier(pure_equivalence=True),
        with_verifier(formats=["json", "llama", "python"]),
    ],
)
def test_accepts(values):
    assert isinstance(RewardConfig.from_mapping(values), RewardConfig)


def test_options_are_keyword_arguments_and_formats_a_tuple():
    found = RewardConfig.from_mapping(with_verifier(scale="unit", formats=["json"])).verifier_options
    assert found == {"scale": "unit", "formats": ("json",), "pure_equivalence": False}
    assert type(found["formats"]) is tuple


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({**VALID, "timeout_s": 0}, r"timeout_s must be a number of seconds above 0, but is 0\."),
        ({**VALID, "timeout_s": -1}, r"timeout_s must .* is -1\."),
        ({**VALID, "timeout_s": math.inf}, r"timeout_s must .* is inf\."),
        ({**VALID, "timeout_s": None}, r"timeout_s must .* is None\."),
        ({**VALID, "timeout_s": True}, r"timeout_s must .* is True\."),
        ({**VALID, "max_failure_share": -0.01}, r"max_failure_share must be a share between 0 and 1, but is -0.01\."),
        ({**VALID, "max_failure_share": 1.01}, r"max_failure_share must .* is 1.01\."),
        ({**VALID, "max_failure_share": math.nan}, r"max_failure_share must .* is nan\."),
        ({**VALID, "max_failure_share": "1%"}, r"max_failure_share must .* is '1%'\."),
        (with_verifier(scale="tool_rl"), "scale must be one of toolrl, unit, binary, but is 'tool_rl'"),
        (with_verifier(pure_equivalence="yes"), "pure_equivalence must be true or false, but is 'yes'"),
        (with_verifier(scale=None), "scale must be one of .* is None"),
        (with_verifier(scale=["unit"]), r"scale must be one of .* is \['unit'\]"),
        (with_verifier(formats=["hermes", "yaml"]), r"formats must list .* hermes, .*python, .* but is \['hermes', 'y"),
        (with_verifier(formats=[]), r"formats must list at least one .* is \[\]"),
        (with_verifier(formats="hermes"), "formats must be a list of names, but is 'hermes'"),
        (with_verifier(formats=[1]), r"formats must list .* is \[1\]"),
        (
            with_verifier(formts=["hermes"]),
            r"reward.reward_kwargs.verifier has no key 'formts'; did you mean 'formats'",
        ),
        ({**VALID, "verifier": {"scale": "unit", "pure_equivalence": True}}, "verifier must give .* lacks formats"),
        ({**VALID, "verifier": None}, "verifier must be a mapping with scale, formats, pure_equivalence, but is None"),
        ({**VALID, "time_out_s": 3}, r"reward.reward_kwargs has no key 'time_out_s'; did you mean 'timeout_s'"),
        ({**VALID, "zzz": 3}, "known are max_resp_len, overlong_buffer_cfg, timeout_s, max_failure_share, verifier"),
        ({key: VALID[key] for key in VALID if key != "max_failure_share"}, "lacks max_failure_share; start from"),
    ],
)
def test_refuses_with_a_sentence(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        RewardConfig.from_mapping(values)


def test_names_of_formats_and_scales_are_the_verifiers():
    # The recipe may import compute_score alone, so it has the names a second time.
    assert sorted(FORMATS) == sorted(parser.FORMATS)
    assert sorted(SCALES) == sorted(score.SCALES)
