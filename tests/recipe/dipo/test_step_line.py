"""The line of a step."""

import pytest

from recipe.dipo.step_line import describe

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
def test_describe(metrics, applied, line):
    assert describe(metrics, applied=applied) == line
