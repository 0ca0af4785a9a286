"""Metrics that follow from others."""

import numpy as np
import pytest

from groupwise.report.columns import add_derived, to_columns


def derived(steps, name):
    return add_derived(to_columns(steps), length_limit=None).of(name).tolist()


TIMED = {
    "timing_s/step": 100.0,
    "timing_s/gen": 60.0,
    "timing_s/update_actor": 30.0,
    "timing_s/agent_loop/slowest": 50.0,
}


def test_the_rest_of_a_step_is_what_its_phases_leave():
    # 100 - 60 - 30; the agent loop is a part of `gen`.
    assert derived({1: TIMED}, "report/time/rest") == [10.0]


@pytest.mark.parametrize(
    ("step", "rest", "hours"),
    [
        # V1: 100 s of step, and 200 s of validation behind it.
        (100.0, 10.0, 300 / 3600),
        # The older trainer: the same validation is a part of the 300 s.
        (300.0, 10.0, 300 / 3600),
    ],
)
def test_validation_is_counted_once_wherever_verl_times_it(step, rest, hours):
    steps = {1: {**TIMED, "timing_s/step": step, "timing_s/testing": 200.0}}
    assert derived(steps, "report/time/rest") == [rest]
    assert derived(steps, "report/hours") == [hours]


def test_hours_add_up_and_a_validation_before_the_first_step_is_at_0():
    steps = {0: {"val-core/a/acc/mean@1": 0.5}, 1: {"timing_s/step": 1800.0}, 2: {"timing_s/step": 3600.0}}
    assert derived(steps, "report/hours") == [0.0, 0.5, 1.5]


def test_a_phase_that_a_step_did_not_have_took_no_time():
    steps = {0: {"x": 1.0}, 1: {**TIMED, "timing_s/save_checkpoint": 5.0}, 2: TIMED}
    np.testing.assert_equal(derived(steps, "report/time/save_checkpoint"), [np.nan, 5.0, 0.0])


def test_nothing_is_made_up_where_steps_were_not_timed():
    assert not any(
        name.startswith("report/")
        for name in add_derived(to_columns({1: {"timing_s/gen": 1.0}}), length_limit=None).values
    )


def test_the_unjudged_are_the_sum_of_all_reasons():
    reasons = {"reward/verifier_error": 0.25, "reward/timeout": 0.125, "reward/unparsable_gold": 0.5}
    assert derived({1: reasons}, "report/unjudged") == [0.875]
    assert "report/unjudged" not in add_derived(to_columns({1: {"reward/timeout": 0.5}}), length_limit=None).values


def test_the_mean_of_the_sets_needs_all_of_them():
    both = {"val-core/a/acc/mean@8": 0.5, "val-core/b/acc/mean@32": 0.25, "val-aux/a/acc/pass@8": 0.9}
    steps = {0: both, 1: {"val-core/a/acc/mean@8": 1.0}}
    np.testing.assert_equal(derived(steps, "report/validation/mean@k"), [0.375, np.nan])
    assert "report/validation/pass@k" not in add_derived(to_columns(steps), length_limit=None).values


@pytest.mark.parametrize("other", ["val-core/b/reward/mean@8", "val-aux/bfcl_v3/overall", "val-core/a/acc/mean@4"])
def test_rewards_and_aggregates_are_in_no_mean(other):
    steps = {0: {"val-core/a/acc/mean@8": 0.5, other: 3.0}}
    assert "report/validation/mean@k" not in add_derived(to_columns(steps), length_limit=None).values


@pytest.mark.parametrize(("limit", "expected"), [(12, [0.0, 0.25, None]), (10, [0.5, 0.25, None]), (None, None)])
def test_responses_are_cut_off_only_where_the_longest_reached_the_limit(limit, expected):
    # verl's ratio counts those as long as the longest of the step, whatever its length.
    longest = {"response_length/clip_ratio": 0.5, "response_length/max": 10.0}
    cut = {"response_length/clip_ratio": 0.25, "response_length/max": 12.0}
    found = add_derived(to_columns({1: longest, 2: cut, 3: {"actor/entropy": 1.0}}), length_limit=limit).values
    if expected is None:
        assert "report/cut_off" not in found
    else:
        assert [None if value != value else value for value in found["report/cut_off"]] == expected


def test_the_length_that_several_steps_reach_and_none_exceeds_is_the_limit():
    def cut_off(*longest):
        steps = {n: {"response_length/clip_ratio": 0.25, "response_length/max": x} for n, x in enumerate(longest, 1)}
        return add_derived(to_columns(steps), length_limit=None).values.get("report/cut_off")

    assert cut_off(12.0, 9.0, 12.0, 12.0).tolist() == [0.25, 0.0, 0.25, 0.25]
    assert cut_off(12.0, 9.0, 13.0, 13.0) is None


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"dump/collapse_rate": 0.5, "dipo/collapse_rate/grpo": 0.25}, [0.5]),
        ({"dipo/collapse_rate/grpo": 0.25, "dipo/collapse_rate/dipo": 0.125}, [0.25]),
        ({"dipo/collapse_rate/dipo": 0.125}, None),
    ],
)
def test_the_collapse_rate_is_the_base_estimators(metrics, expected):
    found = add_derived(to_columns({1: metrics}), length_limit=None).values.get("report/collapse_rate")
    assert found is expected is None or found.tolist() == expected
