"""What charts draw, without a browser: lines, bands, stacks, the ends of the y axis; vl-convert draws as pages do."""

import re

import numpy as np
import pytest
import vl_convert

from groupwise.display import Colour, Panel, Section, Series
from groupwise.report import pictures
from groupwise.report.charts import MARGIN
from groupwise.report.curves import Curve, Grid, VariantCurves, numbers
from groupwise.report.pictures import VEGA_LITE, full_spec, write_pictures
from groupwise.report.sections import EXPLORER, Chart, charts_of
from groupwise.report.themes import variant_colours

ONE = Series(None, "m")


def variant(label="a", steps=(1, 2, 3), **curves):
    """By metric the mean, or (mean, low, high)."""
    made = {}
    for name, values in curves.items():
        mean, *ends = values if isinstance(values, tuple) else (values,)
        made[name] = Curve(0, np.array(mean), *(map(np.array, ends) if ends else (None, None)))
    return VariantCurves(label, [Grid(np.array(steps, dtype=float), None, 1)], made, len(steps), len(steps))


def panel(series=(ONE,), **changes):
    return Panel("key", "Title", list(series), "y", **changes)


def marks(shown, curves, kind):
    """What is drawn, as it is described to a screen reader: for each mark its fields, None where there is nothing."""
    (chart,) = charts_of(shown, curves, None)
    svg = vl_convert.vegalite_to_svg(full_spec(chart, curves, dark=False), vl_version=VEGA_LITE)
    found = re.findall(rf'<path aria-label="([^"]*)"[^>]*aria-roledescription="{kind}"[^>]*>', svg)
    plain = [label.replace("\N{MINUS SIGN}", "-") for label in found]
    return [dict(field.split(": ", 1) for field in label.split("; ")) for label in plain]


def points(shown, curves):
    return [mark for mark in marks(shown, curves, "point") if "what" in mark]


def ends_of(values, low=None, high=None, **changes):
    """The ends of the y axis under curves and a band."""
    curve = (values, low or [np.nan] * len(values), high or [np.nan] * len(values))
    shown = marks(panel(**changes), [variant(steps=range(len(values)), m=curve)], "point")
    named = {name: float(value) for mark in shown for name, value in mark.items() if "Min of" in name}
    return named["Min of lowest"], named["Min of highest"]


def test_a_line_has_a_point_a_step_and_keeps_its_gaps():
    shown = points(panel(), [variant(m=[0.1, np.nan, 0.3]), variant("b")])
    assert [(mark["at"], mark["value"], mark["what"]) for mark in shown] == [("1", "0.1", "a"), ("3", "0.3", "a")]
    assert all((mark["from"], mark["to"]) == ("null", "null") for mark in shown)


def test_many_points_are_drawn_only_where_they_stand_alone():
    curves = [variant(steps=range(63), m=[np.nan, 1.0, np.nan, *[1.0] * 60])]
    (chart,) = charts_of(panel(), curves, None)
    svg = vl_convert.vegalite_to_svg(full_spec(chart, curves, dark=False), vl_version=VEGA_LITE)
    drawn = re.findall(r'at: (\d+); [^>]*aria-roledescription="point"[^>]* opacity="(\d)"', svg)
    assert [at for at, opacity in drawn if opacity == "1"] == ["1"]
    assert len(drawn) == 61


def test_seeds_have_their_band_and_a_single_seed_the_logged_one():
    series = [Series(None, {"mean@k": "m"}, ends=("lo", "hi"))]
    seeds = variant(m=([0.5] * 3, [0.4] * 3, [0.6] * 3), lo=[0.1] * 3, hi=[0.9] * 3)
    single = variant(m=[0.5] * 3, lo=[0.1] * 3, hi=[0.9] * 3)
    assert {(mark["from"], mark["to"]) for mark in points(panel(series), [seeds])} == {("0.4", "0.6")}
    assert {(mark["from"], mark["to"]) for mark in points(panel(series), [single])} == {("0.1", "0.9")}


def test_quantiles_are_the_band_whatever_the_seeds():
    shown = variant(m=([0.5] * 3, [0.4] * 3, [0.6] * 3), lo=[0.1] * 3, hi=[0.9] * 3)
    (mark, *_) = points(panel([Series("right", "m", ends=("lo", "hi"))]), [shown])
    assert (mark["from"], mark["to"], mark["what"]) == ("0.1", "0.9", "right")


def test_a_stack_adds_up_and_leaves_out_points_that_lack_a_part():
    shown = panel([Series("one", "m"), Series("two", "n")], shape="stack")
    rows = marks(shown, [variant(steps=(1, 2, 4), m=[0.25, np.nan, 0.5], n=[0.75, 0.5, 0.5])], "rect mark")
    # Step 2 is left out, and what is halfway to it is not: the bar of step 4 begins at 3.
    assert [(row["training step"], row["x1"], row["y"], row["high"]) for row in rows] == [
        ("0.5", "1.5", "0", "0.25"), ("3", "5", "0", "0.5"), ("0.5", "1.5", "0.25", "1"), ("3", "5", "0.5", "1")
    ]  # fmt: skip


def test_opposed_bars_go_up_and_down():
    shown = panel([Series("up", "m"), Series("down", "n")], shape="opposed")
    rows = marks(shown, [variant(steps=[7], m=[3.0], n=[2.0])], "rect mark")
    assert [(row["y"], row["high"], row["value"], row["training step"], row["x1"]) for row in rows] == [
        ("0", "3", "3", "6.5", "7.5"), ("0", "-2", "2", "6.5", "7.5")
    ]  # fmt: skip


def test_nothing_logged_is_no_picture():
    for shape in ("lines", "stack"):
        (chart,) = charts_of(panel([Series("one", "m")], shape=shape), [variant()], None)
        assert full_spec(chart, [variant()], dark=False) is None


def test_a_stack_leaves_out_what_lies_on_other_steps():
    both = variant(steps=(1, 2, 3), m=[1.0] * 3)
    both.grids.append(Grid(np.array([1.0, 3.0]), None, 1))
    both.curves["n"] = Curve(1, np.array([1.0, 1.0]), None, None)
    rows = marks(panel([Series("one", "m"), Series("two", "n")], shape="stack"), [both], "rect mark")
    assert [row["what"] for row in rows] == ["one"] * 3


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
    ],
)
def test_the_ends_of_the_axis(values, changes, expected):
    assert ends_of(values, **changes) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("series", "changes", "expected"),
    [
        # Curves from 1 to 3, a band from -50 to 5: it may stretch the axis by the curves' extent, 2, to -1 and 5.
        ([ONE], {}, (-1 - 6 * MARGIN, 5 + 6 * MARGIN)),
        # Of a chart that shows none, and of one that is there for its quantiles.
        ([Series("m", "m")], {"is_banded": False}, (1 - 2 * MARGIN, 3 + 2 * MARGIN)),
        ([Series("m", "m", ends=("lo", "hi"))], {}, (-50 - 55 * MARGIN, 5 + 55 * MARGIN)),
    ],
)
def test_a_band_stretches_the_axis_as_far_as_it_may(series, changes, expected):
    low, high = [-50.0, 2.0], [2.0, 5.0]
    shown = marks(
        panel(series, **changes), [variant(steps=(1, 2), m=([1.0, 3.0], low, high), lo=low, hi=high)], "point"
    )
    found = [float(mark[name]) for mark in shown for name in mark if "Min of" in name]
    assert found == pytest.approx(expected)


def test_a_logarithmic_axis_has_its_margin_in_powers():
    # From 10^0, the floor, to 10^2: 4% of two powers beyond.
    assert ends_of([10.0, 100.0], is_log=True, floor=1.0) == pytest.approx((1.0, 10 ** (2 * (1 + MARGIN))))
    # Without one: from 10^1 to 10^2.
    assert ends_of([10.0, 100.0], is_log=True) == pytest.approx((10 ** (1 - MARGIN), 10 ** (2 + MARGIN)))


def test_a_band_ends_where_the_metric_does():
    shown = [variant(m=([1.5] * 3, [-2.0, 1.2, np.nan], [4.0] * 3))]
    for changes in ({"floor": 1.0}, {"floor": 1.0, "is_log": True}):
        (area,) = marks(panel(**changes), shown, "area mark")
        assert area["drawn_low"] == "1"
        # What is told of a point is the band as it is.
        assert [mark["from"] for mark in points(panel(**changes), shown)] == ["-2", "1.2", "null"]


def test_a_constant_has_an_axis_with_a_length():
    lowest, highest = ends_of([7.0])
    assert lowest < 7 < highest


def test_numbers_have_five_digits():
    assert numbers(np.array([0.123456789, 123456.7, np.nan, 0.0])) == [0.12346, 123460.0, None, 0.0]


def test_the_baseline_is_grey_and_the_others_differ():
    grey, *others = variant_colours(8, 0)
    assert grey.light == "#6e747c"
    assert len({grey, *others}) == 8
    assert variant_colours(1, None) == others[:1]


def test_colours_are_the_displays_or_go_by_order():
    shown = panel([Series("one", "m", Colour("#123456", "#abcdef")), Series("two", "m"), Series("three", "m")])
    curves = [variant(m=[0.1, 0.2, 0.3])]
    (chart,) = charts_of(shown, curves, None)
    for dark, first in ((False, "#123456"), (True, "#abcdef")):
        colours = re.search(r"'range': \['(#\w+)', '(#\w+)', '(#\w+)'\]", str(full_spec(chart, curves, dark=dark)))
        assert colours[1] == first
        assert len(set(colours.groups())) == 3


@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_is_drawn_from_the_specs_of_the_page(tmp_path, dark):
    hostile = "theme:#6e747c/#a9b0ba'; datum.x ]['"
    curves = [variant(hostile, m=[0.1, 0.2, 0.3])]
    (chart,) = charts_of(panel(), curves, None)
    spec = full_spec(chart, curves, dark=dark)
    assert spec["config"]["background"] == ("#1d2026" if dark else "#ffffff")
    assert "theme:" not in str(spec).replace(hostile, "").replace(repr(hostile)[1:-1], "")
    apart = [*charts_of(EXPLORER, curves, None), *charts_of(panel([Series(None, "absent")]), curves, None)]
    files = write_pictures([(Section("One", "", []), [chart]), (Section("Two", "", []), apart)], curves, tmp_path)
    assert [file.name for file in files] == ["key-title.png", "overview.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_charts_of_one_variant_each_stand_side_by_side(tmp_path, monkeypatch):
    curves = [variant(m=[0.1, 0.2]), variant("b", m=[0.3, 0.4])]
    own = panel([Series("one", "m")])
    sections = [(Section(name, "", []), list(charts_of(of, curves, None))) for name, of in (("A", own), ("B", panel()))]
    written = {}
    monkeypatch.setattr(pictures, "_write", lambda spec, file: written.update({file.name: spec}) or file)
    write_pictures(sections, curves, tmp_path)
    shown = written["overview.png"]
    assert shown["columns"] == 2
    # What all variants are in comes first; the pair begins the second row.
    assert [spec.get("title") for spec in shown["concat"]] == ["Title", None, "Title: a", "Title: b"]


@pytest.mark.parametrize(
    ("title", "name"), [("Groups: ../../etc", "key-groups-etc"), ("τ*", "key"), ("a" * 99, f"key-{'a' * 60}")]
)
def test_a_pictures_name_is_a_file_name(title, name):
    assert Chart("key", panel(), title, None, {}, []).file == name
