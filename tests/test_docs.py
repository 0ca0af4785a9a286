"""READMEs and pages: every link leads to a file that is there, and to a heading in it."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("", "docs", "groupwise", "recipe/*", "reward_score", "data_prep", "verl_cpu", "benchmarks")
PAGES = sorted(page for folder in FOLDERS for page in REPOSITORY.glob(f"{folder}/*.md".lstrip("/")))


def name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def anchors(text: str) -> set[str]:
    """A heading's anchor as GitHub makes it: lower case, no punctuation, dashes for blanks."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.*)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        if target.startswith("https://"):
            continue
        if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path):
    assert broken_links(page) == []


def test_every_page_is_linked_from_the_front_page_or_a_page_that_is():
    seen, new = set(), {REPOSITORY / "README.md"}
    while new:
        seen |= new
        targets = {(page.parent / target.partition("#")[0]).resolve() for page in new for target in links(page)}
        new = {target for target in targets if target.suffix == ".md"} - seen
    assert [name(page) for page in PAGES if page not in seen] == []


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target for target in found if not target.startswith(("https://", "#"))]


def test_a_broken_link_is_seen(tmp_path: Path):
    (tmp_path / "other.md").write_text("# What it takes, and why?\n```\n# no heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md) [b](other.md#what-it-takes-and-why) [c](none.md) [d](other.md#no-heading)")
    assert broken_links(page) == ["none.md", "other.md#no-heading"]
