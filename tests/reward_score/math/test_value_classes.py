"""No two answers of different value are paid for one ground truth, and every spelling of a value is."""

import importlib.util
from pathlib import Path

import pytest

from reward_score import compute_score

_spec = importlib.util.spec_from_file_location("value_classes", Path(__file__).with_name("value_classes.py"))
value_classes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(value_classes)


def _right(gold, answer):
    return compute_score("lighteval/MATH", rf"So $\boxed{{{answer}}}$.", gold)["acc"] == 1.0


@pytest.mark.parametrize("family", value_classes.FAMILIES)
def test_a_value_is_right_in_every_spelling_and_no_other_value_is(family):
    classes = value_classes.FAMILIES[family]
    within = [(gold, answer) for spellings in classes for gold in spellings for answer in spellings]
    across = [
        (gold, answer)
        for spellings in classes
        for others in classes
        if others is not spellings
        for gold in spellings
        for answer in others
    ]
    assert [pair for pair in within if not _right(*pair)] == []
    assert [pair for pair in across if _right(*pair)] == []
