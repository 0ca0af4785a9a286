"""The frame of the pages: what it escapes, what it forbids, its two themes, in a browser."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from groupwise import html_page

HOSTILE = ["</script><script>alert(1)</script>", "<!--<script>", "a & b", "\u2028\u2029", "]]>", "\ud800", "\x00\x1b"]
SAMPLE = (
    "<p>A run in which <b>DiPO</b> reallocated rewards. <a href='#x'>A link</a>, <code>code</code>, "
    "<span class='good'>right</span>, <span class='bad'>wrong</span>, <span class='warn'>mind</span>, "
    "<small>small print</small>.</p><h2 id='x'>A section</h2><div class='panel'><h3>A panel</h3>"
    "<div class='scroll'><table><tr><th>metric</th><th class='number'>GRPO</th></tr>"
    "<tr><td>validation accuracy</td><td class='number'>45.3%</td></tr></table></div></div>"
    "<details><summary>More</summary><pre>def f():\n    return 1</pre></details>"
    "<p><button>Press</button> <select><option>all</option></select> <input placeholder='search'></p>"
)


def test_the_title_is_escaped_wherever_it_stands():
    page = html_page.render("</title><script>alert(1)</script>", "")
    assert "<script>alert" not in page
    assert page.count("&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;") == 2


def test_scripts_and_styles_cannot_leave_their_element():
    page = html_page.render("t", "", style="a::after { content: '</STYLE><b>' }", scripts=["f('</ScRiPt><b><!--')"])
    assert "</STYLE>" not in page
    assert "</ScRiPt>" not in page
    assert "<!--" not in page
    assert r"f('\x3C/ScRiPt><b>\x3C!--')" in page


@pytest.mark.parametrize("text", HOSTILE)
def test_script_json_is_read_back_as_it_was(text: str):
    printed = html_page.script_json({text: [text, 1, None]})
    assert json.loads(printed) == {text: [text, 1, None]}
    assert printed.isascii()
    assert not set("<>&") & set(printed)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_script_json_refuses_what_json_has_not(value: object):
    with pytest.raises(ValueError, match="not JSON compliant"):
        html_page.script_json(value)


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [html_page.LIGHT, html_page.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ink", ["text", "faint", "accent", "good", "bad", "warn"])
@pytest.mark.parametrize("ground", ["page", "panel", "sunk", "tint"])
def test_text_can_be_read(colours: dict[str, str], ink: str, ground: str):
    # 4.5 is level AA for text of ordinary size; black on white has 21, as the formula must say.
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(colours[ink], colours[ground]) >= 4.5


def test_both_themes_name_the_same_colours():
    assert set(html_page.LIGHT) == set(html_page.DARK)


def test_only_the_pages_own_scripts_may_run():
    page = html_page.render("t", "<script>window.owned = 1</script>", scripts=["f()", "g('</script>')"])
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
    (allowed,) = re.findall(r"script-src (.*?);", policy)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert allowed.split() == [f"'sha256-{one}'" for one in hashes if one != hashes[1]]
    assert scripts[1] == "window.owned = 1"


# In the browser


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "page.html"
    count = "window.changes = []; document.addEventListener('themechange', e => changes.push(e.detail.theme));"
    file.write_text(html_page.render("A <i>title</i>", SAMPLE, scripts=[count]), encoding="utf-8")
    return file


def background(page) -> str:
    red, green, blue = re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    return f"#{int(red):02x}{int(green):02x}{int(blue):02x}"


@pytest.mark.parametrize(("dark", "first", "second"), [(False, "light", "dark"), (True, "dark", "light")])
def test_the_theme_follows_the_system_and_then_its_button(
    open_page: Callable, written: Path, dark: bool, first: str, second: str
):
    colours = {"light": html_page.LIGHT, "dark": html_page.DARK}
    page = open_page(written, dark=dark)
    assert page.locator("html").get_attribute("data-theme") == first
    assert background(page) == colours[first]["page"]
    assert page.locator("h1").inner_text() == "A <i>title</i>"
    page.locator("#theme").click()
    assert page.evaluate("changes") == [second]
    assert background(page) == colours[second]["page"]
    # Chromium stores what a page keeps a moment later: one that is loaded at once, on a busy machine, may be before it.
    for _ in range(50):
        page.reload()
        if page.locator("html").get_attribute("data-theme") == second:
            break
    assert page.locator("html").get_attribute("data-theme") == second
    page.emulate_media(media="print")
    assert background(page) == html_page.LIGHT["page"]
    assert not page.locator("#theme").is_visible()


def test_an_unchosen_theme_changes_with_the_system(open_page: Callable, written: Path):
    page = open_page(written)
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Light page").wait_for()
    assert page.evaluate("changes") == ["dark"]


def test_the_policy_lets_nothing_be_fetched(browser, written: Path):
    # A page of its own: `open_page` holds a refused request against the page, as it should.
    page = browser.new_page()
    page.goto(written.as_uri())
    refused = page.evaluate(
        """() => new Promise(done => {
            document.addEventListener("securitypolicyviolation", e => done(e.effectiveDirective));
            setTimeout(() => done("nothing refused"), 5000);
            window.fetched = fetch("http://127.0.0.1:9/").catch(() => "refused");
        })"""
    )
    assert refused == "connect-src"
    assert page.evaluate("fetched") == "refused"
    page.close()


def test_a_narrow_window_needs_no_sideways_scrolling(open_page: Callable, written: Path):
    page = open_page(written, width=320)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
