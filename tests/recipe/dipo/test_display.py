"""What people see of DiPO: every metric has a meaning, and a step a line."""

import pytest
import torch

from groupwise.display import Found
from groupwise.method import METHODS, Responses, build, compute, display_of
from recipe.dipo.display import WOULD
from recipe.dipo.method import DiPO
from recipe.dipo.reallocation import GROUP_PERPLEXITY_RULES

DISPLAY = display_of("dipo")


def logged() -> set[str]:
    """What a step logs that has a threshold, since right responses are confident, and a hard and an easy group."""
    correct = torch.arange(64) % 3 != 0
    correct[:8], correct[8:16] = False, True
    perplexity = torch.where(correct, 1.2, 2.0).double() + torch.arange(64) / 1000
    known = torch.ones_like(correct)
    responses = Responses(correct.float(), correct, known, torch.arange(64) // 8, perplexity, step=1)
    return set(compute(build("dipo"), responses).metrics)


def test_every_metric_has_a_meaning_and_every_meaning_a_metric():
    assert set(DISPLAY.meanings()) == logged()
    assert all(metric.meaning and metric.healthy for metric in DISPLAY.meanings().values())


def test_every_rule_has_a_metric():
    assert tuple(WOULD) == GROUP_PERPLEXITY_RULES


def test_charts_show_what_is_logged_or_dumped():
    dumped = {f"dump/perplexity/{verdict}/{name}" for verdict in ("wrong", "correct") for name in ("p10", "p50", "p90")}
    panels = [panel for section in DISPLAY.sections(dumped) for panel in section.panels]
    shown = {name for panel in panels for one in panel.series for name in (one.metric, *(one.ends or ()))}
    assert shown <= logged() | dumped
    assert shown >= dumped
    assert len({panel.key for panel in panels}) == len(panels)


def test_a_variant_shows_its_own_metrics():
    class Variant(DiPO):
        name = "variant"

    METHODS.register(Variant)
    try:
        found = display_of("variant")
    finally:
        METHODS._registered.pop("variant")
    assert found.line({"variant/group_share/hard": 0.5}, applied=True) == "hard 50%"


def found(*, applied=True, seeds=1, **changes) -> Found:
    numbers = {
        "without_gradient": 0.5,
        "with_method": 0.4,
        "given_gradient": 0.2,
        "up": 10.0,
        "down": 2.0,
        "acted": 0.9,
    }
    numbers |= {"admissible": 0.9, "something_right": 1.0, "would": None, "hard": 0.25, "easy": 0.25}
    return Found("a", applied, seeds, {**numbers, **changes})


def test_rows():
    cells = {row.label: row.cell(found()) for row in DISPLAY.rows()}
    assert cells == {
        "given one by reallocation": "20%",
        "groups all wrong, all right": "25%, 25%",
        "groups reallocated, up and down": "10, 2",
        "steps with an admissible threshold": "90%",
    }
    nothing = found(**dict.fromkeys(found().numbers))
    assert {row.cell(nothing) for row in DISPLAY.rows()} == {"not logged"}


@pytest.mark.parametrize(
    ("admissible", "right", "words"),
    [
        (1.0, 1.0, "in 100% of the steps: perplexity separates right from wrong here."),
        (0.8, 1.0, "in 80% of the steps: perplexity separates right from wrong here."),
        (0.79, 1.0, "in 79% of the steps; in the others DiPO changes nothing."),
        (0.2, 1.0, "in 20% of the steps; in the others DiPO changes nothing."),
        (0.12, 1.0, "in 12% of the steps: perplexity does not separate right from wrong here."),
        (0.12, 0.5, "in 12% of the steps: perplexity does not separate right from wrong here."),
        (0.12, 0.4, "in 12% of the steps: in 60% of them no response was right."),
        (0.0, 0.0, "in 0% of the steps: in 100% of them no response was right."),
    ],
)
def test_how_often_the_threshold_was_admissible(admissible, right, words):
    (told,) = DISPLAY.sentences(found(admissible=admissible, something_right=right))
    assert told.topic == "Threshold"
    assert told.text.endswith(words)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "; DiPO gave 20% of these one: {}, in 90% of the steps"),
        ({"seeds": 3}, "; DiPO gave 20% of these one: {} a run, in 90% of the steps"),
        ({"applied": False}, "; DiPO would have given 20% of these one: {}, in 90% of the steps"),
        ({"applied": None}, "; DiPO gave, or would have given, 20% of these one: {}, in 90% of the steps"),
        ({"up": 0.0, "down": 0.0}, ", and no group had a candidate for reallocation"),
        ({"given_gradient": None}, ""),
        ({"up": None}, ""),
    ],
)
def test_what_reallocation_gave(changes, expected):
    assert DISPLAY.gave(found(**changes)) == expected.format("10 hard and 2 easy groups")


def test_rules_are_told_from_the_most_to_the_least():
    would = {"any": 120.0, "median": 40.0, "mean": 55.5, "max": 90.0}
    *_, told = DISPLAY.sentences(found(would=would))
    assert told == ("Rules", "a: of the rules, any would have touched 120 groups, max 90, mean 55.5, median 40.")
    assert [told.topic for told in DISPLAY.sentences(found(would=dict.fromkeys(would, 0.0)))] == ["Threshold"]


def test_what_was_not_logged_is_not_talked_about():
    assert list(DISPLAY.sentences(found(admissible=None))) == []


STEP = {
    "dipo/group_share/hard": 0.314,
    "dipo/group_share/easy": 0.125,
    "dipo/threshold/admissible": 1.0,
    "dipo/threshold/value": 1.4249,
    "dipo/threshold/error_rate": 0.2123,
    "dipo/reallocated_total/up": 5.0,
    "dipo/reallocated_total/down": 2.0,
}


def without(*names: str) -> dict[str, float]:
    return {name: value for name, value in STEP.items() if name.removeprefix("dipo/") not in names}


@pytest.mark.parametrize(
    ("metrics", "applied", "line"),
    [
        (STEP, True, "hard 31% easy 12% tau 1.42 (err 0.21) up 5 down 2"),
        (STEP, False, "hard 31% easy 12% tau 1.42 (err 0.21) would be up 5 down 2"),
        (without("threshold/value", "threshold/error_rate"), True, "hard 31% easy 12% no tau up 5 down 2"),
        (without("reallocated_total/up"), True, "hard 31% easy 12% tau 1.42 (err 0.21)"),
        ({"actor/entropy": 1.0}, True, ""),
    ],
)
def test_the_line_of_a_step(metrics, applied, line):
    assert DISPLAY.line(metrics, applied=applied) == line
