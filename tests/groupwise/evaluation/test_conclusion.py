"""The report over a folder's sets, and the comparison of two folders."""

import json
from pathlib import Path
from typing import Any

import pytest

from groupwise.errors import GroupwiseError
from groupwise.evaluation.conclusion import check_against, compare, conclude
from groupwise.evaluation.responses import Record, write


def write_set(folder: Path, name: str, accs: dict[str, list[float | None]], **settings: Any) -> None:
    records = [
        {
            **{"set": name, "data_source": name, "prompt_id": prompt_id, "sample": sample},
            **{"prompt": "?", "prompt_tokens": 1, "response": "!", "response_tokens": 5, "finished": True},
            **{"acc": acc, "bfcl": None, "score": acc, "format": acc, "pred": str(acc)},
            "reason": "timeout: 2 s" if acc is None else "correct" if acc else "wrong answer",
        }
        for prompt_id, each in accs.items()
        for sample, acc in enumerate(each)
    ]
    folder.mkdir(exist_ok=True)
    settings = {"model": {"path": "/m"}, "sampling": {"seed": 0}, **settings}
    write(folder, name, records, Record(settings, {"verl": "0.9.1"}))


def test_the_report_is_written_as_text_and_json(tmp_path):
    write_set(tmp_path, "aime24", {"a": [1, 0], "b": [1, 1]})
    text = conclude(tmp_path, ["aime24"], against=None)
    assert (tmp_path / "summary.txt").read_text() == text
    assert "75.0" in text
    summary = json.loads((tmp_path / "summary.json").read_text())
    # The mean of one of two and two of two.
    assert summary["results"]["sets"]["aime24"]["figures"]["mean@2"]["value"] == 0.75
    assert summary["settings"]["aime24"]["sampling"] == {"seed": 0}
    assert summary["against"] is None


def test_earlier_sets_of_the_same_model_are_reported_and_those_of_another_are_not(tmp_path):
    write_set(tmp_path, "aime24", {"a": [1, 0]})
    write_set(tmp_path, "amc23", {"a": [1, 0]})
    write_set(tmp_path, "math500", {"a": [1, 0]}, model={"path": "/before"})
    write_set(tmp_path, "minerva", {"a": [1, 0]})
    (tmp_path / "minerva.json").unlink()
    conclude(tmp_path, ["amc23"], against=None)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert list(summary["results"]["sets"]) == ["aime24", "amc23"]


def test_two_evaluations_are_compared_prompt_by_prompt(tmp_path):
    write_set(tmp_path / "a", "aime24", {"p": [1, 1], "q": [1, 0], "r": [0, 0]})
    write_set(tmp_path / "b", "aime24", {"r": [0, 0], "q": [0, 0], "p": [1, 0]}, model={"path": "/other"})
    found = compare(tmp_path / "a", tmp_path / "b", ["aime24"])["aime24"]
    # (1 - 1/2) + (1/2 - 0) + 0 over three prompts
    assert found["difference"] == pytest.approx(1 / 3)
    assert 0 <= found["low"] < 1 / 3 < found["high"] <= 0.5
    assert (found["prompts"], found["left_out"], found["differing_settings"]) == (3, 0, [])


def test_prompts_without_a_verdict_are_left_out_of_both(tmp_path):
    write_set(tmp_path / "a", "aime24", {"p": [None, None], "q": [1, None], "r": [0, 0]})
    write_set(tmp_path / "b", "aime24", {"p": [1, 1], "q": [0, 0], "r": [None, None]})
    found = compare(tmp_path / "a", tmp_path / "b", ["aime24"])["aime24"]
    assert (found["difference"], found["prompts"], found["left_out"]) == (1.0, 1, 2)
    # One prompt has no interval, and NaN is no JSON.
    assert (found["low"], found["high"]) == (None, None)
    text = conclude(tmp_path / "a", ["aime24"], against=tmp_path / "b")
    assert "aime24  +100.0  (2 prompts left out without a verdict)" in text
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["against"]["sets"]["aime24"] == found


def test_settings_that_differ_are_told(tmp_path):
    write_set(tmp_path / "a", "aime24", {"p": [1, 1], "q": [1, 0]})
    write_set(tmp_path / "b", "aime24", {"p": [1, 1], "q": [1, 1]}, sampling={"seed": 1})
    text = conclude(tmp_path / "a", ["aime24"], against=tmp_path / "b")
    # -1/4 in the mean: 0 of p and -1/2 of q.
    assert "aime24  -25.0  [-50.0, +0.0]  (differs in sampling)" in text


def test_only_sets_of_both_are_compared(tmp_path):
    for folder, names in (("a", ("aime24", "amc23")), ("b", ("aime24", "math500"))):
        for name in names:
            write_set(tmp_path / folder, name, {"p": [1], "q": [0]})
    assert list(compare(tmp_path / "a", tmp_path / "b", ["aime24", "amc23"])) == ["aime24"]


def test_evaluations_of_other_prompts_are_not_compared(tmp_path):
    write_set(tmp_path / "a", "aime24", {"p": [1], "q": [0]})
    write_set(tmp_path / "b", "aime24", {"p": [1], "other": [0]})
    with pytest.raises(GroupwiseError, match=r"^aime24: .*other"):
        compare(tmp_path / "a", tmp_path / "b", ["aime24"])


@pytest.mark.parametrize("against", ["none", "empty"])
def test_a_folder_without_an_evaluation_is_refused(tmp_path, against):
    (tmp_path / "empty").mkdir()
    with pytest.raises(GroupwiseError, match=f"but .*{against} holds no finished set"):
        check_against(tmp_path / against)


def test_evaluations_of_other_sets_are_not_compared(tmp_path):
    write_set(tmp_path / "a", "aime24", {"p": [1]})
    write_set(tmp_path / "b", "amc23", {"p": [1]})
    check_against(tmp_path / "b")
    with pytest.raises(GroupwiseError, match=r"one of the sets aime24, but .*b has amc23"):
        compare(tmp_path / "a", tmp_path / "b", ["aime24"])
