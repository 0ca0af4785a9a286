"""What people see of DiPO: every metric has a meaning, and a step a line."""

import pytest
import torch

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
