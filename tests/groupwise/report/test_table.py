"""The summary table: on the page, in the terminal, as numbers."""

import json

import pytest

from groupwise.display import NONE
from groupwise.errors import GroupwiseError
from groupwise.report.findings import find_results
from groupwise.report.runs import load_run
from groupwise.report.table import as_json, as_text, lines
from groupwise.report.variants import form_variants
from groupwise.report.wording import printable


@pytest.fixture
def results_of(make_run):
    def results_of(configured=True, **variants):
        runs = [
            load_run(make_run(label, records, config={"algorithm.adv_estimator": label}, is_configured=configured))
            for label, records in variants.items()
        ]
        return find_results(form_variants(runs, {}), baseline=None)

    return results_of


def cells(results):
    return {row.label: row.cells for row in lines(results)}


def test_the_rows_of_two_variants(results_of, steps):
    results = results_of(dipo=steps(4, accuracy=0.5), grpo=steps(4, accuracy=0.4, **{"dipo/gradient_share/dipo": 0.6}))
    found = cells(results)
    assert found["training steps"] == ["4", "4"]
    # One seed: the interval over prompts that was logged, 0.05 to either side of 0.44 and 0.54.
    assert found["change"] == ["+4.0 points"] * 2
    assert found["math, mean@8, first → last"] == [
        "40.0% → 44.0% (39.0% to 49.0% over prompts)",
        "50.0% → 54.0% (49.0% to 59.0% over prompts)",
    ]
    assert found["best"] == ["44.0% at step 4", "54.0% at step 4"]
    assert found["last, difference to grpo"] == ["", "+10.0 points, no interval (one seed)"]
    assert found["given one by reallocation"] == ["20% (observed)", "50%"]
    assert found["groups reallocated, up and down"] == ["8, 4 (observed)", "8, 4"]
    assert found["groups all wrong, all right"] == ["25%, 25%"] * 2
    assert found["seconds a step, median"] == ["10.0", "10.0"]


def test_what_was_not_logged_reads_so(results_of):
    record = {"step": 1, "data": {"training/global_step": 1}}
    found = cells(results_of(dipo=[record]))
    assert {label for label, (cell,) in found.items() if cell != NONE} == {"training steps", "seeds"}


def test_an_unknown_estimator_neither_did_nor_only_observed(results_of, steps):
    assert cells(results_of(configured=False, dipo=steps(2)))["groups reallocated, up and down"] == [
        "4, 2 (done or observed)"
    ]


def test_a_baseline_without_a_dead_group_lacks_nothing(results_of, steps):
    shares = {"dipo/gradient_share/grpo": 1.0, "dipo/gradient_share/dipo": 1.0}
    assert cells(results_of(dipo=steps(2, **shares)))["given one by reallocation"] == ["none lack one"]


def test_a_reward_is_no_accuracy(results_of):
    data = {"training/global_step": 1, "val-core/tools/reward/mean@1": -1.25}
    assert cells(results_of(dipo=[{"step": 1, "data": data}]))["tools, mean@1, first → last"] == ["-1.250 → -1.250"]


def test_the_text_lines_up_and_obeys_nothing(results_of, steps):
    hostile = "a\x1b[31mb\u202ec"
    records = steps(2)
    records[0]["data"][f"val-core/{hostile}/acc/mean@8"] = 0.5
    text = as_text(results_of(dipo=records, grpo=steps(2)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a�[31mb�c" in text
    shown = text.splitlines()
    assert len({line.rindex("2") for line in shown if line.startswith(" training steps")}) == 1
    assert shown[0].strip() == shown[2].strip() == shown[-1].strip() == "─" * (len(shown[0]) - 1)
    assert max(map(len, shown)) == len(shown[0])


@pytest.mark.parametrize(("text", "shown"), [("dipo τ*", "dipo τ*"), ("a\nb\tc\x00", "a�b�c�")])
def test_printable(text, shown):
    assert printable(text) == shown


def test_numbers_for_machines(results_of, steps):
    tree = json.loads(json.dumps(as_json(results_of(dipo=steps(4, accuracy=0.5), grpo=steps(4, accuracy=0.4)))))
    assert tree["baseline"] == "grpo"
    assert [variant["label"] for variant in tree["variants"]] == ["grpo", "dipo"]
    assert tree["variants"][1]["entropy"] == {"first": 0.5, "last": 0.5}
    (result,) = tree["validation"]
    assert result["source"] == tree["main_validation"] == "math"
    assert result["compared"][0] is None
    assert result["compared"][1]["last"]["value"] == pytest.approx(0.1)
    assert result["compared"][1]["last"]["method"] == "one seed"


def test_each_method_has_its_rows(results_of, steps):
    other = {"other/gradient_share/grpo": 0.5, "other/gradient_share/other": 0.6}
    found = cells(results_of(dipo=steps(2, **other), grpo=steps(2)))
    assert found["DiPO: given one by reallocation"] == ["50% (observed)", "50%"]
    assert found["given one by other"] == ["not logged", "20% (observed)"]
    labels = list(found)
    at = labels.index("responses without gradient, base estimator")
    assert labels[at + 1 : at + 3] == ["DiPO: given one by reallocation", "given one by other"]


def test_memory_is_shown_where_a_launcher_measured_it(results_of, steps, tmp_path):
    assert "peak memory, GiB" not in cells(results_of(dipo=steps(2)))
    (tmp_path / "dipo" / "memory.json").write_text('{"peak_bytes": 2147483648}')
    (variant,) = form_variants([load_run(tmp_path / "dipo")], {})
    assert cells(find_results([variant], baseline=None))["peak memory, GiB"] == ["2.0"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"peak": 1}'])
def test_an_unreadable_memory_file_is_a_sentence(make_run, steps, content):
    folder = make_run("dipo", steps(2))
    (folder / "memory.json").write_text(content)
    with pytest.raises(GroupwiseError, match=r"memory\.json must hold"):
        load_run(folder)
