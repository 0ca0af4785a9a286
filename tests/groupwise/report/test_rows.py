"""Rows of charts, without a browser: lines, bands, stacks, and the ends of the y axis."""

import numpy as np
import pytest

from groupwise.report.charts import bars, lines
from groupwise.report.panels import Panel, Series, arm_colours
from groupwise.report.pictures import file_name, full_spec, write_pictures
from groupwise.report.rows import MARGIN, extent, form_rows, numbers
from groupwise.report.store import ArmCurves, Curve, Grid

LINES = lines(["a"], ["theme:arm0"], y_title="y", number_format=".2~%")


def arm(label="a", steps=(1, 2, 3), **curves):
    """By metric the mean, or (mean, low, high)."""
    made = {}
    for name, values in curves.items():
        mean, *ends = values if isinstance(values, tuple) else (values,)
        made[name] = Curve(0, np.array(mean), *(map(np.array, ends) if ends else (None, None)))
    return ArmCurves(label, [Grid(np.array(steps, dtype=float), None, 1)], made, len(steps), len(steps))


ONE = Series(None, "m")


def panel(shape="lines", series=(ONE,), **changes):
    return Panel("key", "Title", shape, list(series), None, LINES, **changes)


def test_a_line_has_a_row_a_point_and_keeps_its_gaps():
    rows = form_rows(panel(), [arm(m=[0.1, np.nan, 0.3]), arm("b")])
    assert [(row["x"], row["y"], row["label"], row["dot"]) for row in rows] == [
        (1.0, 0.1, "a", True), (2.0, None, "a", False), (3.0, 0.3, "a", True)
    ]  # fmt: skip
    assert all(row["low"] is None for row in rows)


def test_many_points_are_drawn_only_where_they_stand_alone():
    values = [np.nan, 1.0, np.nan, *[1.0] * 60]
    rows = form_rows(panel(), [arm(steps=range(63), m=values)])
    assert [place for place, row in enumerate(rows) if row["dot"]] == [1]


def test_seeds_have_their_band_and_a_single_seed_the_logged_one():
    series = [Series(None, {"mean@k": "m"}, ("lo", "hi"))]
    (row, *_) = form_rows(panel(series=series), [arm(m=([0.5] * 3, [0.4] * 3, [0.6] * 3), lo=[0.1] * 3, hi=[0.9] * 3)])
    assert (row["low"], row["high"]) == (0.4, 0.6)
    (row, *_) = form_rows(panel(series=series), [arm(m=[0.5] * 3, lo=[0.1] * 3, hi=[0.9] * 3)])
    assert (row["low"], row["high"]) == (0.1, 0.9)


def test_quantiles_are_the_band_whatever_the_seeds():
    series = [Series("right", "m", ("lo", "hi"))]
    (row, *_) = form_rows(panel(series=series), [arm(m=([0.5] * 3, [0.4] * 3, [0.6] * 3), lo=[0.1] * 3, hi=[0.9] * 3)])
    assert (row["low"], row["high"], row["label"]) == (0.1, 0.9, "right")


def test_a_stack_adds_up_and_leaves_out_points_that_lack_a_part():
    series = [Series("one", "m"), Series("two", "n")]
    chart = Panel(
        "key", "T", "stack", series, 0, bars(["one", "two"], ["#111", "#222"], y_title="y", number_format=".0%")
    )
    rows = form_rows(chart, [arm(steps=(1, 2, 4), m=[0.25, np.nan, 0.5], n=[0.75, 0.5, 0.5])])
    assert [(row["x0"], row["x1"], row["low"], row["high"]) for row in rows] == [
        (0.5, 1.5, 0.0, 0.25), (0.5, 1.5, 0.25, 1.0), (3.0, 5.0, 0.0, 0.5), (3.0, 5.0, 0.5, 1.0)
    ]  # fmt: skip


def test_opposed_bars_go_up_and_down():
    series = [Series("up", "m"), Series("down", "n")]
    rows = form_rows(panel("opposed", series)._replace(arm=0), [arm(steps=[7], m=[3.0], n=[2.0])])
    assert [(row["low"], row["high"], row["y"], row["x0"]) for row in rows] == [
        (0.0, 3.0, 3.0, 6.5),
        (0.0, -2.0, 2.0, 6.5),
    ]


def test_nothing_logged_is_no_row():
    assert form_rows(panel(), [arm()]) == []
    assert form_rows(panel("stack")._replace(arm=0), [arm()]) == []


@pytest.mark.parametrize(
    ("values", "changes", "expected"),
    [
        # Margins of 4% of what is shown.
        ([1.0, 3.0], {}, (1 - 2 * MARGIN, 3 + 2 * MARGIN)),
        # The span is kept about the middle, and inside of what a share can be.
        ([0.49, 0.51], {"span": 0.1, "is_share": True}, (0.5 - 0.1 * (0.5 + MARGIN), 0.5 + 0.1 * (0.5 + MARGIN))),
        ([0.0, 0.0], {"span": 0.1, "is_share": True}, (0.0, 0.1 * (1 + 2 * MARGIN))),
        ([1.0, 1.0], {"span": 0.1, "is_share": True}, (1 - 0.1 * (1 + 2 * MARGIN), 1.0)),
        ([5.0, 9.0], {"floor": 0.0}, (0.0, 9 * (1 + MARGIN))),
        ([0.5, 1.0], {"floor": 0.0, "is_share": True}, (0.0, 1.0)),
        ([0.0, 0.0], {"floor": 0.0, "span": 0.01, "is_share": True}, (0.0, 0.01 * (1 + MARGIN))),
        ([0.0, 0.0], {"floor": 0.0}, (0.0, 1 + MARGIN)),
        ([], {}, (-MARGIN, 1 + MARGIN)),
    ],
)
def test_the_ends_of_the_axis(values, changes, expected):
    rows = [{"y": value, "low": None, "high": None} for value in values]
    assert extent(panel(**changes), rows) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Curves from 1 to 3, a band from -50 to 5: it may stretch the axis by the curves' extent, 2, to -1 and 5.
        ({}, (-1 - 6 * MARGIN, 5 + 6 * MARGIN)),
        ({"reach": 0.5}, (0 - 4 * MARGIN, 4 + 4 * MARGIN)),
        ({"reach": 0.0}, (1 - 2 * MARGIN, 3 + 2 * MARGIN)),
        ({"reach": None}, (-50 - 55 * MARGIN, 5 + 55 * MARGIN)),
    ],
)
def test_a_band_stretches_the_axis_as_far_as_it_may(changes, expected):
    rows = [{"y": 1.0, "low": -50.0, "high": 2.0}, {"y": 3.0, "low": 2.0, "high": 5.0}]
    assert extent(panel(**changes), rows) == pytest.approx(expected)


def test_a_logarithmic_axis_has_its_margin_in_powers():
    # From 10^0, the floor, to 10^2: 4% of two powers beyond.
    rows = [{"y": 10.0, "low": None, "high": None}, {"y": 100.0, "low": None, "high": None}]
    assert extent(panel(is_log=True, floor=1.0), rows) == pytest.approx((1.0, 10 ** (2 * (1 + MARGIN))))
    # Without one: from 10^1 to 10^2.
    assert extent(panel(is_log=True), rows) == pytest.approx((10 ** (1 - MARGIN), 10 ** (2 + MARGIN)))


def test_a_band_ends_where_the_metric_does():
    shown = arm(m=([1.5] * 3, [-2.0, 1.2, np.nan], [4.0] * 3))
    assert [row["low"] for row in form_rows(panel(floor=1.0), [shown])] == [1.0, 1.2, None]
    assert [row["low"] for row in form_rows(panel(), [shown])] == [-2.0, 1.2, None]


def test_a_constant_has_an_axis_with_a_length():
    lowest, highest = extent(panel(), [{"y": 7.0, "low": None, "high": None}])
    assert lowest < 7 < highest


def test_numbers_have_five_digits():
    assert numbers(np.array([0.123456789, 123456.7, np.nan, 0.0])) == [0.12346, 123460.0, None, 0.0]


def test_the_baseline_is_grey_and_the_others_differ():
    assert arm_colours(3, 0) == ["theme:arm0", "theme:arm1", "theme:arm2"]
    assert arm_colours(1, None) == ["theme:arm1"]
    assert len(set(arm_colours(8, 0))) == 8


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_is_drawn_from_the_specs_of_the_page(tmp_path, dark):
    hostile = "theme:arm0'; datum.x ]['"
    chart = panel()._replace(spec=lines([hostile], ["theme:arm1"], y_title="y", number_format=".0%"))
    shown = [arm(hostile, m=[0.1, 0.2, 0.3])]
    spec = full_spec(chart, shown, dark=dark)
    assert spec["config"]["background"] == ("#1d2026" if dark else "#ffffff")
    assert "theme:" not in str(spec).replace(hostile, "")
    (file,) = write_pictures([chart, panel(explores=True), panel(series=[Series(None, "absent")])], shown, tmp_path)
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("title", "name"), [("Groups: ../../etc", "key-groups-etc"), ("τ*", "key"), ("a" * 99, f"key-{'a' * 60}")]
)
def test_a_pictures_name_is_a_file_name(title, name):
    assert file_name(panel()._replace(title=title)) == name
