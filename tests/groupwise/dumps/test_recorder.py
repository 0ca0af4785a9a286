"""What a dump makes of the odd values that models and reward functions give; its use is tested with the trainer."""

import json

import pytest
import torch

from groupwise.dumps.reader import read_dump
from groupwise.dumps.recorder import Recorder, Settings, Texts, write_dump
from groupwise.hook.rollouts import Rollouts
from groupwise.maths.perplexity import LogProbSums
from groupwise.method import Responses, build, compute

SETTINGS = {"alpha": 0.1, "queue_batches": 2, "confidence": 0.95, "group_perplexity": "any"}


@pytest.fixture
def take():
    """Records one response with a verdict and a perplexity, and takes its row."""

    def take_(verdict, *, perplexity=1.5, ground_truth="2", response="text"):
        values = torch.tensor([perplexity], dtype=torch.float64)
        responses = Responses(
            reward=torch.tensor([0.1]),
            correct=torch.tensor([True]),
            known=~values.isnan(),
            group=torch.tensor([0]),
            perplexity=values,
            step=4,
        )
        rollouts = Rollouts(
            response_of_row=torch.tensor([0]),
            rows=torch.tensor([0]),
            columns=None,
            sums=LogProbSums(torch.tensor([-1.0]), torch.tensor([2]), torch.tensor([0.0])),
            group=responses.group,
            reward=responses.reward,
            correct=responses.correct,
            failed=torch.tensor([False]),
            failures=(),
            keys=["a_0_0"],
            uids=["a"],
            data_sources=["math"],
            verdicts=[verdict],
        )
        method = build("dipo", SETTINGS)
        recorder = Recorder(Settings.of("dipo", {"dipo": method}, normalize_by_std=True))
        outcome = compute(method, responses)
        recorder.add(rollouts, responses, {"dipo": outcome._replace(metrics={"dipo/queue_size": 1.0})})
        # Texts of more rows than took part, in another order.
        texts = Texts(["b_0_0", "a_0_0"], ["", "prompt"], ["", response], [None, ground_truth])
        return recorder.take(4, texts)

    return take_


def row_of(table):
    (row,) = table.to_pylist()
    return row


def test_a_row(take):
    row = row_of(take({"acc": 1.0, "reason": "correct", "pred": "2", "format": 1.0}))
    assert (row["step"], row["update"], row["uid"], row["key"]) == (4, 0, "a", "a_0_0")
    assert (row["prompt"], row["response"], row["ground_truth"]) == ("prompt", "text", "2")
    # The float32 nearest to 0.1, as it was optimised.
    assert row["score"] == torch.tensor(0.1).item()
    assert (row["response_length"], row["perplexity"], row["format"]) == (2, 1.5, 1.0)
    # A group of one is mixed, and has by GRPO's rule its reward for its advantage.
    assert (row["dipo_group_kind"], row["dipo_quadrant"], row["error"]) == ("mixed", None, "")
    assert row["advantage_before"] == row["advantage_after"] == pytest.approx(0.1, abs=1e-6)


def test_no_token_no_perplexity(take):
    row = row_of(take({}, perplexity=torch.nan))
    assert row["perplexity"] is None
    assert row.get("dipo_group_kind") is None


@pytest.mark.parametrize(
    ("ground_truth", "text"),
    [
        (None, None),
        ("half a pair: \ud800", "half a pair: ?"),
        ([{"name": "f", "arguments": {}}], '[{"name": "f", "arguments": {}}]'),
        (7, "7"),
        (object, "\"<class 'object'>\""),
    ],
)
def test_ground_truths_of_any_kind_become_text(take, ground_truth, text):
    assert row_of(take({}, ground_truth=ground_truth))["ground_truth"] == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "good", None, [1.0]])
def test_a_format_that_is_no_number_is_left_out(take, value):
    assert row_of(take({"format": value}))["format"] is None


def test_written_whole_and_replaced(take, tmp_path):
    table = take({"pred": "\ud83d"}, response="\x00\x1b[31m</script>")
    for _ in range(2):
        write_dump(tmp_path, table, 4)
    assert [file.name for file in (tmp_path / "groupwise").iterdir()] == ["4.parquet"]
    dump = read_dump(tmp_path / "groupwise" / "4.parquet")
    assert dump.table.to_pylist() == table.to_pylist()
    assert dump.table["response"][0].as_py() == "\x00\x1b[31m</script>"
    assert dump.decided == json.loads(table.schema.metadata[b"groupwise"])
    assert dump.decided["methods"] == {"dipo": SETTINGS}
    assert (dump.decided["normalize_by_std"], dump.decided["updates_per_step"]) == (True, 1)
    assert dump.decided["updates"] == [{"metrics": {"dipo/queue_size": 1.0}}]
