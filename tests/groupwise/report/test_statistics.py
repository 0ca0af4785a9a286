"""Intervals over seeds, against scipy and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from groupwise.report.statistics import difference, mean_and_band, mean_level

values = st.lists(st.floats(0, 1), min_size=2, max_size=6)

UNTIMED = settings(deadline=None)  # a busy machine is no fault


@UNTIMED
@given(values)
def test_the_band_is_scipys_interval_of_the_mean(seeds):
    mean, low, high = mean_and_band(np.array(seeds)[:, None])
    assert mean[0] == pytest.approx(np.mean(seeds))
    spread = stats.sem(seeds)
    if spread > 1e-12:
        expected = stats.t.interval(0.95, len(seeds) - 1, loc=np.mean(seeds), scale=spread)
        assert (low[0], high[0]) == pytest.approx(expected)


def test_a_band_by_hand():
    # Mean 2, sample variance ((1-2)^2 + 0 + (3-2)^2) / 2 = 1, standard error 1/sqrt(3), t(0.975; 2) = 4.302653.
    _, low, high = mean_and_band(np.array([[1.0], [2.0], [3.0]]))
    assert (low[0], high[0]) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))


def test_where_a_seed_is_missing_there_is_a_mean_and_no_band():
    mean, low, high = mean_and_band(np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]]))
    np.testing.assert_equal(mean, [2.0, 5.0, np.nan])
    assert np.isfinite([low[0], high[0]]).all()
    assert np.isnan([*low[1:], *high[1:]]).all()


def test_one_seed_has_no_band():
    mean, low, high = mean_and_band(np.array([[1.0, 2.0]]))
    np.testing.assert_equal(mean, [1.0, 2.0])
    assert np.isnan([*low, *high]).all()


@UNTIMED
@given(values, values)
def test_unpaired_is_scipys_welch(a, b):
    found = difference(a, b, is_paired=False)
    assert found.value == pytest.approx(np.mean(a) - np.mean(b))
    if np.var(a) + np.var(b) > 1e-12:
        expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)
        assert found.method == "welch"


@UNTIMED
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6))
def test_paired_is_scipys_paired(pairs):
    a, b = zip(*pairs, strict=True)
    found = difference(a, b, is_paired=True)
    assert found.method == "paired"
    if np.std([x - y for x, y in pairs]) > 1e-9:
        expected = stats.ttest_rel(a, b).confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)


def test_equal_values_have_an_interval_without_width():
    assert difference([0.5, 0.5], [0.25, 0.25], is_paired=False)[:3] == (0.25, 0.25, 0.25)
    assert difference([0.5, 0.75], [0.25, 0.5], is_paired=True)[:3] == (0.25, 0.25, 0.25)


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0, 3.0]), ([1.0, 2.0], [3.0]), ([1.0], [2.0])])
def test_one_seed_has_no_interval(a, b):
    found = difference(a, b, is_paired=False)
    assert (found.low, found.high, found.method) == (None, None, "one seed")
    assert found.seeds == (len(a), len(b))


def test_one_pair_has_no_interval():
    assert difference([1.0], [0.0], is_paired=True) == (1.0, None, None, "one seed", (1, 1))


@pytest.mark.parametrize(("a", "b", "is_paired"), [([1.0], [1.0, 2.0], True), ([], [], True), ([], [1.0], False)])
def test_what_cannot_be_compared(a, b, is_paired):
    with pytest.raises(ValueError, match=f"must have values, and paired ones as many, but got {len(a)} and {len(b)}"):
        difference(a, b, is_paired=is_paired)


@UNTIMED
@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1)), min_size=2, max_size=8))
def test_the_level_is_scipys_area_over_the_length(points):
    steps = np.cumsum([gap for gap, _ in points])
    curve = [value for _, value in points]
    expected = integrate.trapezoid(curve, steps) / (steps[-1] - steps[0])
    assert mean_level(steps.tolist(), curve) == pytest.approx(expected)


def test_the_level_of_one_point_is_the_point():
    assert mean_level([7], [0.25]) == 0.25
