"""Configurations of verl's and verl-recipe's published scripts (Apache-2.0), Megatron's among them: no false alarm.

published.json has the overrides that each script gives its trainer, without files, folders and loggers, which are the
machine's.
"""

import json
from pathlib import Path

import pytest

from groupwise.preflight import examine

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text(encoding="utf-8"))

# What this machine lacks, and what the overrides leave out: model, data and files; and that the old name of the key of
# the reward manager, with verl's default, says nothing to verl, and something here.
ELSEWHERE = ("versions", "cluster", "device", "cpu", "files", "code", "model", "data", "loggers", "reward")


@pytest.mark.parametrize("script", list(PUBLISHED))
def test_is_no_fault(shipped_engine, script):
    values = [value for value in PUBLISHED[script] if not value.startswith("model_engine=")]
    engine = "megatron" if "model_engine=megatron" in PUBLISHED[script] else "dp"
    findings = examine(shipped_engine(engine, *values), leave_out=ELSEWHERE)
    # The critic's model is on the hub.
    assert [fault for fault in findings.faults if "huggingface.co" not in fault.sentence] == []
    assert findings.notes == []


def test_the_table_covers_enough():
    assert len(PUBLISHED) >= 30
    assert sum("model_engine=megatron" in values for values in PUBLISHED.values()) >= 8
