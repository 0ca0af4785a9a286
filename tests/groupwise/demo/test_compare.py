"""The comparison: its numbers, its words, and what it makes of incomplete runs."""

import json

import pytest
from matplotlib.image import imread

from groupwise.demo import compare as command
from groupwise.demo import plot
from groupwise.demo.compare import compare
from groupwise.demo.summary import MISSING, rows, summarize
from groupwise.errors import GroupwiseError
from groupwise.record.run_log import RunLog


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """A small picture is drawn as a large one is, and sooner."""
    monkeypatch.setattr(plot, "DPI", 20)


def step_data(step, *, up=0, down=0, threshold=None, validation=None):
    data = {
        "training/global_step": step,
        "actor/entropy": 0.5 - 0.125 * step,
        "timing_s/step": float(step),
        "dipo/group_share/hard": 0.5,
        "dipo/group_share/easy": 0.25,
        "dipo/group_share/mixed": 0.25,
        "dipo/gradient_share/grpo": 0.25,
        "dipo/gradient_share/dipo": 0.5,
        "dipo/perplexity/correct": 1.1,
        "dipo/perplexity/wrong": 1.5,
        "dipo/reallocated_total/up": float(up),
        "dipo/reallocated_total/down": float(down),
        "dipo/threshold/admissible": float(threshold is not None),
    }
    if threshold is not None:
        data["dipo/threshold/value"] = threshold
    if validation is not None:
        data["val-core/dipo/arithmetic/acc/mean@8"] = validation
    return data


STEPS = {
    0: {"val-core/dipo/arithmetic/acc/mean@8": 0.25},
    1: step_data(1),
    2: step_data(2, up=3, down=1, threshold=1.25),
    3: step_data(3, up=2, threshold=1.2, validation=0.375),
}


def write_run(folder, steps, *, tail="", memory=None):
    folder.mkdir()
    lines = [json.dumps({"step": step, "data": data}) for step, data in steps.items()]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n" + tail)
    if memory is not None:
        (folder / "memory.json").write_text(json.dumps({"peak_bytes": memory}))
    return folder / "metrics.jsonl"


def test_numbers_of_a_dipo_run():
    summary = summarize(RunLog(STEPS, 0), applies_dipo=True, memory=3 * 2**30)
    assert summary._asdict() == {
        "last_step": 3,
        "validation_kind": "mean@8",
        "validation_before": 0.25,
        "validation_after": 0.375,
        # 1 - gradient_share/dipo
        "zero_advantage_share": 0.5,
        "reallocated_up": 5,
        "reallocated_down": 1,
        "steps_with_reallocation": 2,
        "entropy_first": 0.375,
        "entropy_last": 0.125,
        "seconds_per_step": 2.0,
        "peak_memory_gib": 3.0,
    }


def test_a_grpo_run_reallocated_nothing_though_it_logs_what_dipo_would_have_done():
    summary = summarize(RunLog(STEPS, 0), applies_dipo=False, memory=None)
    assert summary.zero_advantage_share == 0.75
    assert (summary.reallocated_up, summary.reallocated_down, summary.steps_with_reallocation) == (0, 0, 0)


def test_words_of_the_table():
    grpo = summarize(RunLog(STEPS, 0), applies_dipo=False, memory=None)
    dipo = summarize(RunLog(STEPS, 0), applies_dipo=True, memory=2**30)
    cells = {label.strip(): (left, right) for label, left, right in rows(grpo, dipo)}
    assert cells["validation accuracy, mean@8"] == ("25.0% → 37.5%",) * 2
    assert cells["change"] == ("+12.5 points",) * 2
    assert cells["responses without advantage"] == ("75.0%", "50.0%")
    assert cells["groups reallocated"] == ("none", "5 up, 1 down")
    assert cells["in steps"] == ("0 of 3", "2 of 3")
    assert cells["entropy, nats per token"] == ("0.375 → 0.125",) * 2
    assert cells["seconds per step, median"] == ("2.0", "2.0")
    assert cells["peak memory, GiB"] == (MISSING, "1.0")


def test_what_a_dipo_run_does_not_log_is_not_called_none():
    summary = summarize(RunLog({1: {"training/global_step": 1.0}}, 0), applies_dipo=True, memory=None)
    cells = {label.strip(): right for label, _, right in rows(summary, summary)}
    assert set(cells) - {"training steps"} == {name for name, cell in cells.items() if cell == MISSING}


def test_a_run_that_was_validated_only_before_has_no_result():
    summary = summarize(RunLog({0: STEPS[0], 1: step_data(1)}, 0), applies_dipo=True, memory=None)
    assert (summary.validation_before, summary.validation_after) == (0.25, None)


def test_table_picture_and_json(tmp_path):
    grpo, dipo = write_run(tmp_path / "g", STEPS), write_run(tmp_path / "d", STEPS, memory=2**30)
    shown = compare(grpo, dipo, tmp_path / "out")
    assert "One seed: an illustration, not evidence." in shown
    assert str(tmp_path / "out" / "comparison.png") in shown
    assert str(tmp_path / "out" / "comparison.json") in shown
    numbers = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert numbers["dipo"]["reallocated_up"] == 5
    assert numbers["grpo"]["peak_memory_gib"] is None
    height, width, _ = imread(tmp_path / "out" / "comparison.png").shape
    assert (height, width) == (230, 250)


def test_a_truncated_file_and_unequal_lengths_are_said(tmp_path):
    grpo = write_run(tmp_path / "g", STEPS, tail='{"step": 4, "da')
    dipo = write_run(tmp_path / "d", {step: STEPS[step] for step in (0, 1, 2)})
    shown = compare(grpo, dipo, tmp_path / "out")
    assert f"1 unreadable line(s) of {grpo} were left out" in shown
    assert "GRPO has 3 steps, DiPO 2." in shown


@pytest.mark.parametrize(
    "steps",
    [
        {0: STEPS[0]},
        {1: {"training/global_step": 1.0}},
        {1: {"dipo/group_share/mixed": 0.5, "dipo/perplexity/wrong": 1.5}},
        {1: {"dipo/reallocated_total/up": 1.0}},
        {1: step_data(1), 2: {"training/global_step": 2.0}, 3: {"dipo/group_share/mixed": 1.0}},
    ],
    ids=["validation only", "nothing of interest", "parts", "half a count", "gaps"],
)
def test_missing_metrics_leave_a_picture(tmp_path, steps):
    grpo, dipo = write_run(tmp_path / "g", steps), write_run(tmp_path / "d", steps)
    assert MISSING in compare(grpo, dipo, tmp_path / "out")
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 1_000


def test_a_missing_run_is_a_sentence_and_writes_nothing(tmp_path):
    grpo = write_run(tmp_path / "g", STEPS)
    with pytest.raises(GroupwiseError, match="did that run start"):
        compare(grpo, tmp_path / "d" / "metrics.jsonl", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"peak": 1}'])
def test_an_unreadable_memory_file_is_a_sentence(tmp_path, content):
    grpo, dipo = write_run(tmp_path / "g", STEPS), write_run(tmp_path / "d", STEPS)
    (tmp_path / "d" / "memory.json").write_text(content)
    with pytest.raises(GroupwiseError, match=r"memory\.json must hold"):
        compare(grpo, dipo, tmp_path / "out")


def test_the_command_fails_with_the_sentence_alone(tmp_path, monkeypatch):
    arguments = ["--grpo", str(tmp_path / "g"), "--dipo", str(tmp_path / "d"), "--output", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["compare", *arguments])
    with pytest.raises(SystemExit, match="must be a JSON lines file"):
        command.main()
