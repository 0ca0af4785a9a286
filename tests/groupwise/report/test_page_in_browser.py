"""The page in a browser: it draws, every control does what it says, and nothing is asked of a network."""

import json

import pytest

from groupwise.report.building import build
from groupwise.report.curves import draw_curves
from groupwise.report.options import parse
from groupwise.report.pictures import full_spec
from groupwise.report.sections import EXPLORER, lay_out


@pytest.fixture(scope="module")
def written(write_run, steps, tmp_path_factory):
    """A page of three seeds of DiPO, a baseline, and a run of plain verl that logged next to nothing."""
    folder = tmp_path_factory.mktemp("page")
    runs = [
        write_run(folder / f"dipo-{seed}", steps(8, accuracy=0.5 + seed / 50), config={"data.seed": seed})
        for seed in range(3)
    ]
    runs.append(write_run(folder / "grpo", steps(6), config={"algorithm.adv_estimator": "grpo"}))
    plain = [{"step": n, "data": {"training/global_step": n, "actor/entropy": 0.4}} for n in (1, 2, 3)]
    runs.append(write_run(folder / "plain", plain, is_configured=False))
    words = [*map(str, runs), "-o", str(folder / "report.html")]
    return folder / "report.html", build(parse(words)), words


@pytest.fixture
def page(written, open_page):
    return drawn(open_page(written[0]))


def drawn(page, how="html[data-drawn]"):
    """Waits until what is in sight is drawn."""
    page.wait_for_selector(how)
    return page


def picture(page, key):
    """A chart as the browser has painted it."""
    page.locator(f"#panel-{key}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#panel-{key}[data-drawn]")
    return page.eval_on_selector(f"#panel-{key} canvas", "canvas => canvas.toDataURL()")


def traces(page, key):
    return page.evaluate("key => window.reportTraces(key)", key)


def rows(page, key):
    """The points of a chart, of all its curves."""
    return [
        {"label": trace["label"], "x": x, "y": y, "raw": raw}
        for trace in traces(page, key)
        for x, y, raw in zip(trace["x"], trace["y"], trace["raw"], strict=True)
    ]


def enter(page, field, value):
    page.fill(field, value)
    page.press(field, "Tab")


def why_empty(page, key):
    page.locator(f"#panel-{key}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#panel-{key}[data-drawn]")
    return page.locator(f"#panel-{key} .empty").inner_text()


def test_every_chart_draws_what_its_picture_shows_or_says_why_not(written, page):
    results = written[1].results
    curves = [draw_curves(variant, points=500) for variant in results.variants]
    charts = [chart for _, some in lay_out(results, curves) for chart in some]
    assert len(charts) > 20
    drawn(page, "html[data-drawn=all]")
    for chart in charts:
        card, spec = page.locator(f"#panel-{chart.key}"), full_spec(chart, curves, dark=False)
        shown = traces(page, chart.key)
        expected = shown if chart.panel is EXPLORER else spec["datasets"]["traces"] if spec else []
        assert card.locator("canvas").count() == bool(expected), chart.key
        assert card.locator(".empty").inner_text() == ("" if expected else "Not logged."), chart.key
        assert card.locator(".png").is_enabled() == bool(expected)
        assert shown == expected, chart.key
    assert page.locator("#says dd").first.inner_text().startswith("At step 6, on math: dipo - grpo = +2.0 points")
    assert page.locator("#summary thead th").all_inner_texts() == ["", "grpo", "dipo", "plain"]


def test_variants_range_and_hours(page):
    before = picture(page, "entropy")
    page.uncheck("#variant-1")
    drawn(page)
    assert not page.locator("#panel-dipo-groups-2").is_visible()
    assert page.locator("#panel-dipo-groups-1").is_visible()
    assert picture(page, "entropy") != before
    page.check("#variant-1")
    assert picture(page, "entropy") == before
    enter(page, "#from", "3")
    enter(page, "#to", "5")
    assert {row["x"] for row in rows(page, "entropy")} == {3, 4, 5}
    enter(page, "#to", "")
    enter(page, "#from", "50")
    assert why_empty(page, "entropy") == "Nothing in this range of steps."
    enter(page, "#from", "")
    page.select_option("#unit", "hours")
    # 10 s a step; the run of plain verl was not timed and is left out.
    hours = [row["x"] * 360 for row in rows(page, "entropy")]
    assert hours == pytest.approx([*range(1, 7), *range(1, 9)], rel=1e-4)
    for variant in range(3):
        page.uncheck(f"#variant-{variant}")
    assert why_empty(page, "entropy") == "Every variant that logged this is switched off."


def test_smoothing_is_tensorboards(page):
    raw = [row["y"] for row in rows(page, "validation-1") if row["label"] == "dipo"]
    page.locator("#smooth").fill("0.5")
    level, weight, expected = 0.0, 0.0, []
    for value in raw:
        level, weight = 0.5 * level + 0.5 * value, 0.5 * weight + 0.5
        expected.append(level / weight)
    shown = [row for row in rows(page, "validation-1") if row["label"] == "dipo"]
    assert [row["y"] for row in shown] == pytest.approx(expected)
    assert [row["raw"] for row in shown] == raw
    assert page.locator("#smooth-value").inner_text() == "0.50"


def test_other_figures_and_any_metric(page):
    page.select_option("#figure", "pass@k")
    assert page.locator("#panel-validation-1 h3").inner_text() == "math pass@k"
    assert rows(page, "validation-1")[0]["y"] == pytest.approx(0.7)
    before = picture(page, "any")
    page.select_option("#metric", "dipo/threshold/value")
    assert page.locator("#meaning").inner_text().startswith("tau*, in units of perplexity; in a run that goes well: ")
    page.select_option("#metric", "timing_s/gen")
    assert page.locator("#meaning").inner_text() == ""
    assert {row["y"] for row in rows(page, "any")} == {6}
    assert picture(page, "any") != before


def test_theme_and_picture(page):
    light = picture(page, "entropy")
    page.click("#theme")
    page.wait_for_selector("html[data-theme=dark]")
    assert picture(page, "entropy") != light
    page.click("#theme")
    assert picture(page, "entropy") == light
    picture(page, "dipo-groups-2")
    with page.expect_download() as download:
        page.click("#panel-dipo-groups-2 .png")
    assert download.value.suggested_filename == "dipo-groups-2-groups-dipo.png"
    with open(download.value.path(), "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_what_was_chosen_outlives_a_reload_and_is_reset(page):
    page.uncheck("#variant-0")
    page.select_option("#unit", "hours")
    page.select_option("#metric", "timing_s/gen")
    enter(page, "#from", "2")
    page.reload()
    drawn(page)
    assert not page.is_checked("#variant-0")
    assert [page.input_value(f"#{name}") for name in ("unit", "metric", "from")] == ["hours", "timing_s/gen", "2"]
    page.click("#reset")
    assert page.is_checked("#variant-0")
    assert page.evaluate("() => location.hash") == ""
    # An address that was mistyped opens the page as it is.
    for faulty in ("#off=7.x&smooth=abc&from=NaN&x=years&figure=x&metric=y", "#%E0%A4%A", "#smooth=99"):
        page.evaluate("hash => { location.hash = hash; location.reload(); }", faulty)
        page.wait_for_load_state()
        assert drawn(page).locator("#panel-validation-1 canvas").count() == 1


def test_a_page_that_follows_loads_itself_again_unless_paused(written, open_page, tmp_path):
    *words, _ = written[2]
    build(parse([*words, str(tmp_path / "f.html"), "--follow", "1.5"]))
    page = drawn(open_page(tmp_path / "f.html"))
    page.evaluate("() => { window.before = true; scrollTo(0, 700); }")
    page.wait_for_function("() => !window.before && Math.abs(scrollY - 700) < 2")
    page.check("#paused")
    page.evaluate("() => { window.before = true; }")
    page.wait_for_timeout(1800)
    assert page.evaluate("() => window.before")


def test_a_narrow_dark_page_does_not_scroll_sideways(written, open_page):
    page = drawn(open_page(written[0], dark=True, width=420))
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 420
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_hostile_names_stay_text(make_run, steps, tmp_path, open_page):
    hostile = "<img src=x onerror=alert(1)>'\"]; datum.y \u202e"
    records = steps(4)
    for record in records:
        record["data"][f"val-core/{hostile}/acc/mean@8"] = 0.5
    folder = make_run("dipo", records)
    words = [str(folder), "-o", str(tmp_path / "h.html"), "--name", f"{folder}={hostile}", "--title", hostile]
    build(parse(words))
    page = drawn(open_page(tmp_path / "h.html"))
    assert page.locator("img").count() == 0
    assert json.loads(page.locator("#report-data").text_content())["variants"][0]["label"] == hostile.strip()
    assert picture(page, "entropy")
    page.hover("#panel-entropy canvas", position={"x": 200, "y": 120})
