"""Curves: over seeds, over steps, and over many steps."""

import numpy as np
import pytest

from groupwise.report.curves import FEWEST_POINTS, MOST_POINTS, draw_curves, points_for
from groupwise.report.runs import load_run
from groupwise.report.variants import form_variants


@pytest.fixture
def variant_of(make_run):
    def variant_of(*records):
        runs = [
            load_run(make_run(f"run{place}", some, config={"data.seed": place})) for place, some in enumerate(records)
        ]
        return form_variants(runs, {})[0]

    return variant_of


def curve_of(drawn, name):
    curve = drawn.curves[name]
    return drawn.grids[curve.grid].steps.tolist(), curve


def test_a_metric_lies_on_the_steps_that_all_seeds_have(variant_of, step):
    drawn = draw_curves(
        variant_of([step(n, loss=1.0) for n in (1, 2, 3)], [step(n, loss=3.0) for n in (2, 3, 4)]), points=9
    )
    steps, curve = curve_of(drawn, "loss")
    assert steps == [2, 3]
    assert curve.mean.tolist() == [2.0, 2.0]
    # Half a width of t(0.975; 1) = 12.7062 times the standard error, which for 1 and 3 is 1.
    assert curve.low[0] == pytest.approx(2 - 12.7062, abs=1e-4)
    assert (drawn.shared, drawn.most) == (2, 3)


def test_tau_is_the_mean_of_the_seeds_that_have_one_and_a_gap_where_none_has(variant_of, step):
    name = "dipo/threshold/value"
    first = [step(1, **{name: 1.5}), step(2, **{name: 1.5}), step(3, **{name: None})]
    second = [step(1, **{name: 2.5}), step(2, **{name: None}), step(3, **{name: None})]
    steps, curve = curve_of(draw_curves(variant_of(first, second), points=9), name)
    assert steps == [1, 2, 3]
    np.testing.assert_equal(curve.mean, [2.0, 1.5, np.nan])
    assert np.isnan(curve.low).tolist() == [False, True, True]


def test_a_validation_lies_on_its_own_steps_and_one_seed_has_no_band(variant_of, steps):
    steps, curve = curve_of(draw_curves(variant_of(steps(4)), points=9), "val-core/math/acc/mean@8")
    assert steps == [0, 2, 4]
    assert (curve.low, curve.high) == (None, None)


def test_a_metric_that_one_seed_lacks_is_not_drawn(variant_of, step):
    assert "loss" not in draw_curves(variant_of([step(1, loss=1.0)], [step(1)]), points=9).curves


def test_buckets_are_means_of_the_steps_that_have_the_metric(variant_of, step):
    taus = {3: None, 4: None, 5: 1.0, 6: None}
    records = [
        step(n, **{"dipo/reallocated_total/up": float(n), "dipo/threshold/value": taus.get(n, 2.0)})
        for n in range(1, 9)
    ]
    drawn = draw_curves(variant_of(records), points=4)
    steps, totals = curve_of(drawn, "dipo/reallocated_total/up")
    # Steps 1 to 8 in four buckets of two; a total becomes a total a step.
    assert steps == [1.5, 3.5, 5.5, 7.5]
    assert totals.mean.tolist() == [1.5, 3.5, 5.5, 7.5]
    np.testing.assert_equal(curve_of(drawn, "dipo/threshold/value")[1].mean, [2.0, np.nan, 1.0, 2.0])
    assert drawn.grids[totals.grid].width == 2
    # 10 s a step: the mean of 10 and 20 s, ...
    np.testing.assert_allclose(drawn.grids[totals.grid].hours * 3600, [15, 35, 55, 75])


def test_bucket_means_over_all_steps_are_the_mean_of_the_run(variant_of, step):
    values = np.random.default_rng(0).random(100)
    records = [step(n + 1, loss=float(value)) for n, value in enumerate(values)]
    _, curve = curve_of(draw_curves(variant_of(records), points=25), "loss")
    np.testing.assert_allclose(curve.mean, values.reshape(25, 4).mean(axis=1))


def test_a_gap_in_the_steps_makes_no_empty_bucket(variant_of, step):
    steps, _ = curve_of(draw_curves(variant_of([step(n) for n in (1, 2, 99, 100)]), points=3), "actor/entropy")
    assert steps == [1.5, 99.5]


def test_the_number_of_points_follows_the_number_of_curves(variant_of, step):
    few = variant_of([step(1)])
    assert points_for([few]) == MOST_POINTS
    many = variant_of([step(1, **{f"m{n}": 1.0 for n in range(3000)})])
    assert FEWEST_POINTS < points_for([many]) < MOST_POINTS
    assert points_for([many] * 9) == FEWEST_POINTS
