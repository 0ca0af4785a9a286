"""The page: what it holds, and in a browser what its controls do."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from groupwise.display import Display
from groupwise.inspect import page as page_module
from groupwise.inspect.__main__ import main
from groupwise.inspect.groups import Group, Response
from groupwise.inspect.page import draw
from groupwise.inspect.text import visible

HOSTILE = (
    "\x1b[31m \x00 </pre></details><script>window.owned = 1</script><img src=x onerror='window.owned = 1'> \u202e\" '"
)


def written(folder: Path, *arguments: str) -> Path:
    file = folder.parent / "pages" / "page.html"
    assert main([str(folder), *arguments, "-o", str(file)]) == 0
    return file


def test_the_page_names_what_it_left_out(capsys: pytest.CaptureFixture[str], run: Path):
    text = re.sub("</?code>", "", written(run, "--limit", "2").read_text())
    assert "Shown here: 2 of 3 such groups, for --limit; --step, --kind and other options select." in text
    assert text.count('<details class="group') == 2
    assert capsys.readouterr().out.endswith(
        "page.html: 2 of 3 such groups, for --limit; --step, --kind and other options select\n"
    )
    assert "Shown here" not in written(run).read_text()


def test_a_page_is_bounded_whatever_the_texts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write: Callable, rows_of: Callable
):
    rows = [row for uid in "abc" for row in rows_of(uid, "hard", [1.1, 2.0], chosen=0, texts=["x" * 100_000] * 2)]
    write(tmp_path / "run", 1, rows)
    cut = written(tmp_path / "run").read_text()
    # 10,000 of 100,000 characters stay, in each of six responses.
    assert cut.count("90,000 characters left out; --full keeps them") == 6
    assert len(cut) < 100_000
    # Two groups of 200,000 are within half a million, three are not; and one is shown even if it alone is larger.
    for characters, shown in ((500_000, 2), (1_000, 1)):
        monkeypatch.setattr(page_module, "PAGE_CHARACTERS", characters)
        text = written(tmp_path / "run", "--full").read_text()
        assert f"Shown here: {shown} of 3 such groups, for a page&#x27;s size" in text


def test_an_observed_baseline_is_told_as_one(tmp_path: Path, write: Callable, rows_of: Callable):
    write(tmp_path / "run", 1, rows_of("u", "hard", [1.1, 2.0], chosen=0), estimator="grpo")
    text = written(tmp_path / "run").read_text()
    assert "<title>What DiPO would have done</title>" in text
    assert "would have been rewarded" in text
    assert "\u25b2 would be up" in text


def test_a_folder_in_the_place_of_the_page_is_refused(capsys: pytest.CaptureFixture[str], run: Path):
    assert main([str(run), "-o", str(run)]) == 1
    assert "-o must name the file of a page, but" in capsys.readouterr().err


def test_nothing_is_written_where_nothing_was_found(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path):
    assert main([str(run), "--step", "9", "-o", str(tmp_path / "page.html")]) == 1
    assert not (tmp_path / "page.html").exists()


# The line of perplexities


def a_group(perplexities: list[float | None], *, threshold: float | None, acc: float = 0.0) -> Group:
    verdict = "right" if acc else "wrong"
    responses = [
        Response(place, "", value, acc, 1, verdict, "", "", None, None, None, "up" if place == 1 else None, {})
        for place, value in enumerate(perplexities, start=1)
    ]
    marks = {} if threshold is None else {"tau": threshold}
    return Group(1, "u", "s", "p", "g", "hard", "up", True, {}, marks, Display("dipo"), responses)


def test_the_line_is_logarithmic_from_the_least_to_the_most():
    # exp(0), exp(1), exp(4) on a line from 10 to 290: at 10, 10 + 280 / 4 and 290; tau* = exp(2) at the middle.
    svg = draw(a_group([2.718281828**4, 1.0, 2.718281828], threshold=2.718281828**2, acc=1.0))
    assert re.findall(r'cx="([\d.]+)"', svg) == ["10.0", "80.0", "290.0"]
    assert 'class="tau" x1="150.0"' in svg
    assert re.search(r'class="right chosen" cx="290.0"', svg)


@pytest.mark.parametrize(
    ("perplexities", "threshold", "places"),
    [
        ([1.5, 1.5], None, ["150.0", "150.0"]),
        ([1.5, None], None, ["150.0"]),
        ([float("inf"), 1.0], 2.0, ["10.0", "290.0"]),
        ([0.0, 1.0], 2.0, ["10.0", "10.0"]),
    ],
)
def test_a_line_of_equal_missing_or_unbounded_values(
    perplexities: list[float | None], threshold: float | None, places: list[str]
):
    assert re.findall(r'cx="([\d.]+)"', draw(a_group(perplexities, threshold=threshold, acc=1.0))) == places


def test_no_line_without_a_value():
    assert draw(a_group([None, float("inf")], threshold=None)) == ""


# In the browser


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[[Path], None]) -> Path:
    """The page of the run of conftest.py, with all of its groups; made once."""
    folder = tmp_path_factory.mktemp("run") / "rollouts"
    make_run(folder)
    return written(folder, "--all")


def shown(page) -> list[str]:
    """The prompts of the groups that are shown, and behind each the numbers of its responses that are not hidden."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".group:not([hidden])")].map(group =>
            group.querySelector(".snippet").textContent.replace("prompt of ", "") + " "
            + [...group.querySelectorAll(".response:not([hidden]) header > b:first-child")]
                .map(number => number.textContent).join(""))"""
    )


EVERYTHING = ["h1 123", "e1 12", "m1 12", "h2 12", "h3 12"]


FILTERS = {
    ("step", "2"): ["h3 12"],
    ("kind", "hard"): ["h1 123", "h2 12", "h3 12"],
    ("kind", "unjudged"): [],
    ("direction", "down"): ["e1 12"],
    ("direction", "none"): ["m1 12", "h2 12"],
    ("source", "gsm8k"): ["e1 12"],
    # The chosen one stays beside those of the quadrant: 2 in h1, 1 in h3. Perplexities as in test_finding.py.
    ("label", "EH"): ["h1 23", "m1 2", "h2 12", "h3 12"],
    ("label", "CL"): ["e1 12", "m1 1"],
    ("verdict", "right"): ["e1 12", "m1 1"],
}


def test_each_filter_leaves_what_it_names(open_page: Callable, everything: Path):
    page = open_page(everything)
    for (control, value), left in FILTERS.items():
        assert shown(page) == EVERYTHING
        page.locator(f"#{control}").select_option(value)
        assert shown(page) == left, (control, value)
        said = f"{len(left)} of 5 groups on this page" if left else "None of the 5 groups on this page matches."
        assert page.locator("#count").inner_text() == said
        page.locator("#reset").click()


def test_filters_work_together_and_text_is_searched(open_page: Callable, everything: Path):
    page = open_page(everything)
    page.locator("#search").fill("RESPONSE 1 of h")
    page.get_by_text("3 of 5 groups on this page").wait_for()
    assert shown(page) == ["h1 123", "h2 12", "h3 12"]
    page.locator("#step").select_option("1")
    page.locator("#label").select_option("EL")
    assert shown(page) == ["h1 12"]
    rest = page.locator(".group:not([hidden]) .rest")
    assert rest.inner_text() == '1 of 3 responses match no filter; "whole groups" shows them.'
    page.locator("#whole").check()
    assert shown(page) == ["h1 123"]
    assert not rest.is_visible()


def test_groups_fold_and_unfold(open_page: Callable, everything: Path):
    page = open_page(everything)
    is_open = "() => [...document.querySelectorAll('.group')].map(group => group.open)"
    assert page.evaluate(is_open) == [True, False, False, False, False]
    page.get_by_role("button", name="Open all").click()
    assert all(page.evaluate(is_open))
    page.get_by_role("button", name="Close all").click()
    assert not any(page.evaluate(is_open))
    page.locator(".group summary").nth(1).click()
    assert page.locator(".group").nth(1).locator(".response.chosen .fate").inner_text() == "penalised"


def test_the_quadrant_of_the_command_line_is_set(open_page: Callable, run: Path):
    page = open_page(written(run, "--label", "EH"))
    assert page.locator("#label").input_value() == "EH"
    assert shown(page) == ["h1 23", "h3 12"]


def test_hostile_texts_are_text(open_page: Callable, tmp_path: Path, write: Callable, rows_of: Callable):
    fields = ("uid", "data_source", "ground_truth", "reason", "pred", "error", "dipo_group_kind", "dipo_quadrant")
    rows = rows_of("u", "hard", [1.1, 2.0], chosen=0, texts=[HOSTILE, "x" * 1_000_000], prompt=HOSTILE)
    write(tmp_path / "run", 1, [{**row, **dict.fromkeys(fields, HOSTILE)} for row in rows])
    page = open_page(written(tmp_path / "run", "--full"), dark=True, width=420)
    assert page.evaluate("window.owned") is None
    assert page.locator(".group pre").nth(1).inner_text().startswith("\u241b[31m \u2400 </pre></details><script>")
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.locator("#source").select_option(visible(HOSTILE))
    assert page.locator("#count").inner_text() == "1 of 1 groups on this page"
