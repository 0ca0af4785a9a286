"""A method that says nothing of itself is shown by its advantages and by whatever columns it has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groupwise.inspect.__main__ import main


@pytest.fixture
def shown(
    tmp_path: Path, write: Callable, rows_of: Callable, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Shows a hard group whose responses a method pushes, and a mixed one that it leaves as GRPO has it."""

    def show(*arguments: str, column: str, estimator: str, pushes: list[float], **more: Any) -> tuple[int, str]:
        hard, mixed = rows_of("h", "hard", [1.1, 2.0]), rows_of("m", "mixed", [1.1, 2.0], acc=[1.0, 0.0])
        for row, pushed in zip(hard, pushes, strict=True):
            row |= {column: pushed, "plain_weight": 0.25, "plain_too_weight": 7.0}
        for row, base in zip(mixed, (0.7, -0.7), strict=True):
            row |= {"advantage_before": base, column: base, "plain_weight": None}
        rows = [{name: row[name] for name in row if not name.startswith("dipo")} for row in (*hard, *mixed)]
        write(tmp_path / "run", 1, rows, estimator=estimator, methods={"plain": {"weight": 2}, "plain_too": {}})
        code = main([str(tmp_path / "run"), *arguments])
        out, err = capsys.readouterr()
        return code, out + err

    return show


def test_trained(shown: Callable[..., tuple[int, str]]):
    code, said = shown(column="advantage_after", estimator="plain", pushes=[-0.5, -0.25])
    assert code == 0
    assert said.splitlines() == [
        "Step 1 holds 2 groups: 1 hard, 1 mixed. In 1 of them an advantage was moved: 0 up, 1 down.",
        "Settings: weight 2.",
        "",
        "== step 1: hard, moved down  math h",
        "  0 of 2 right   ground truth 4",
        "  prompt",
        "     | prompt of h",
        "v  1  wrong  perplexity 1.1  score 0  weight 0.25  advantage +0.000 -> -0.500  mismatch  answer 5  "
        "pushed down",
        "     | response 0 of h",
        "v  2  wrong  perplexity 2  score 0  weight 0.25  advantage +0.000 -> -0.250  mismatch  answer 5  pushed down",
        "     | response 1 of h",
        "",
    ]


def test_observed(shown: Callable[..., tuple[int, str]]):
    _, said = shown(column="plain_advantage", estimator="grpo", pushes=[0.5, -0.5])
    assert "an advantage would have been moved: 0 up, 0 down, 1 both ways." in said
    assert "The run trained with grpo; plain was observed" in said
    assert "== step 1: hard, would have been moved both ways" in said
    assert "advantage +0.000 -> +0.500  mismatch  answer 5  would have been pushed up" in said


def test_in_both_directions_may_be_asked_for(shown: Callable[..., tuple[int, str]]):
    asked = {"column": "advantage_after", "estimator": "plain", "pushes": [0.5, -0.5]}
    assert "math h" in shown("--direction", "both", **asked)[1]
    assert shown("--direction", "up", **asked)[0] == 1


def test_labels_that_it_does_not_give(shown: Callable[..., tuple[int, str]]):
    code, said = shown("--label", "EL", column="advantage_after", estimator="plain", pushes=[0.0, 0.0])
    assert code == 1
    assert "--label must be one that plain gives (none, since plain tells responses apart by none), but is EL." in said


def test_what_left_every_group_alone(shown: Callable[..., tuple[int, str]]):
    code, said = shown(column="advantage_after", estimator="plain", pushes=[0.0, 0.0])
    assert code == 1
    assert said.startswith("There is no group in which an advantage was moved. Step 1 holds 2 groups")
    assert "--all also shows groups that plain left alone." in said


def test_the_page_has_no_filter_for_labels(shown: Callable[..., tuple[int, str]], tmp_path: Path):
    page = tmp_path / "page.html"
    shown("-o", str(page), column="advantage_after", estimator="plain", pushes=[0.5, -0.5])
    text = page.read_text()
    assert "<title>What plain did</title>" in text
    assert 'id="label"' not in text
    assert '<option value="both">both</option>' in text
    assert text.count('class="response chosen up"') == text.count('class="response chosen down"') == 1


@pytest.mark.parametrize("name", ["dipo", "plain_too"])
def test_a_method_whose_decisions_the_dumps_lack(shown: Callable[..., tuple[int, str]], name: str):
    code, said = shown("--method", name, column="advantage_after", estimator="plain", pushes=[0.5, -0.5])
    assert code == 1
    assert "but is of a run that computed plain, plain_too" in said
    assert f"--method {name}` works it out" in said


@pytest.mark.parametrize(
    ("name", "near"), [("plian", "did you mean 'plain'?"), ("zzz", "leave it out for what the run")]
)
def test_a_method_that_there_is_not_is_no_matter_of_a_replay(
    shown: Callable[..., tuple[int, str]], name: str, near: str
):
    code, said = shown("--method", name, column="advantage_after", estimator="plain", pushes=[0.5, -0.5])
    assert code == 1
    assert "--method must be a method that the dump holds, or one that is installed (" in said
    assert f"but is {name!r}" in said
    assert near in said
    assert "groupwise.replay" not in said
