"""Metrics out of their healthy ranges: since when, in words, with a cure; and where the page shows the ranges."""

import pytest

from groupwise.onset import onset
from groupwise.report.charts import lines
from groupwise.report.columns import to_columns
from groupwise.report.health import health, health_section


@pytest.mark.parametrize(
    ("values", "limits", "expected"),
    [
        ([0, 0, 0, 2, 2, 2, 2, 2], {"above": 1}, (4, 2)),
        ([9, 9, 9, 2, 2, 2], {"below": 5}, (4, 2)),
        # A single step out of the ordinary is no onset, at the end neither, nor what came back.
        ([0, 0, 9, 0, 0, 0], {"above": 1}, None),
        ([0, 0, 0, 0, 0, 9], {"above": 1}, None),
        ([2, 2, 2, 2, 0, 0, 0], {"above": 1}, None),
        ([2, 3], {"above": 1}, (1, 2.5)),
        ([], {"above": 1}, None),
        # A limit is within.
        ([1, 1, 1], {"above": 1, "below": 1}, None),
    ],
)
def test_onset(values, limits, expected):
    assert onset(range(1, len(values) + 1), values, **limits) == expected


def told(*runs, label="a"):
    """The sentences on runs, each a dict of a metric's values by name."""
    columns = []
    for run in runs:
        length = max(map(len, run.values()))
        steps = {n + 1: {name: values[n] for name, values in run.items() if n < len(values)} for n in range(length)}
        columns.append(to_columns(steps))
    return [text for _, text in health(label, columns)]


KL = "rollout_corr/k3_kl"
FROM_4 = [1e-4] * 3 + [0.03] * 6


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ({KL: FROM_4}, "disagree on the probabilities of tokens: KL 0.03, above 0.01 since step 4. Try"),
        ({"training/rollout_probs_diff_mean": FROM_4}, "mean difference 0.03, above 0.01 since step 4. Try"),
        (
            {"training/rollout_actor_probs_pearson_corr": [0.999] * 3 + [0.9] * 6},
            "correlation 0.9, below 0.98 since step 4. Try",
        ),
        (
            {"report/collapse_rate": [0.4] * 3 + [0.75] * 6},
            "in 75% of the groups all rewards are equal and GRPO has no gradient, above 50% since step 4. Try",
        ),
        ({"report/cut_off": [0.0] * 3 + [0.3] * 6}, "30% of the responses reached the length limit, above 10% since"),
        ({"actor/entropy": [0.5] * 5 + [0.1] * 4}, "the entropy fell to 20% of its beginning, below 30% since step 6."),
        # The same mismatch is told once, by the first measure of it.
        ({KL: FROM_4, "training/rollout_probs_diff_mean": FROM_4}, "KL 0.03"),
    ],
)
def test_what_is_out_of_range_is_told_with_its_beginning_and_a_cure(run, words):
    (text,) = told(run)
    assert text.startswith("a: ")
    assert words in text
    assert "Try " in text


def test_a_run_that_is_well_is_left_alone():
    # Seen in GRPO with vLLM in bfloat16: KL 1e-3, differences below verl's 0.005.
    healthy = {
        KL: [1e-3, 9e-3, 1e-3],
        "training/rollout_probs_diff_mean": [4e-3] * 3,
        "training/rollout_actor_probs_pearson_corr": [0.99] * 3,
        "report/collapse_rate": [0.5] * 3,
        "report/cut_off": [0.1] * 3,
        "actor/entropy": [0.5, 0.3, 0.16],
    }
    assert told(healthy) == told({"actor/entropy": [0.0, 0.0]}) == told({"critic/score/mean": [1.0]}) == []


def test_seeds_are_told_where_most_of_them_are_out():
    well, ill, later = {KL: [1e-4] * 9}, {KL: FROM_4}, {KL: [1e-4] * 5 + [0.05] * 4}
    assert "KL 0.04, above 0.01 since step 4" in told(well, ill, later)[0]
    assert told(well, ill) == []


def test_the_page_shows_where_the_range_ends():
    (section,) = health_section([KL, "report/collapse_rate"])
    assert [panel.limit for panel in section.panels] == [0.01, 0.5]
    assert health_section(["actor/entropy"]) == []
    rules = [layer["encoding"]["y"]["datum"] for layer in lines(["a"], ["#000000"], y_title="", limit=0.01)["layer"]
             if layer["mark"] and layer["mark"]["type"] == "rule"]  # fmt: skip
    assert rules == [0.01]
