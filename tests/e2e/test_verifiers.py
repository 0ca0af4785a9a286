"""Trainings whose batches mix math and tool calls, and one whose reward function fails."""

import json

import pytest

from data_prep.schema import make_row, write_parquet

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

FUNCTION = {
    "name": "add",
    "description": "Adds two numbers.",
    "parameters": {
        "type": "dict",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}


def bfcl_row(category: str, number: int):
    """A request for an addition by a call (the tiny model makes none), or one that no function serves."""
    answer = [{"add": {"a": [number], "b": [1]}}] if category == "simple" else []
    gold = {"v": 1, "category": category, "functions": [FUNCTION], "possible_answer": answer}
    call = json.dumps({"name": "add", "arguments": {"a": number, "b": 1}})
    return make_row(
        data_source=f"bfcl_v3/{category}",
        prompt=f"{number}+1=",
        ability="tool",
        ground_truth=json.dumps(gold),
        reference_response=f"<tool_call>\n{call}\n</tool_call>" if answer else "There is no function for it.",
        split="train",
        index=number,
        identity=f"{category}_{number}",
        question=f"{number}+1=",
    )


def math_row(number: int):
    return make_row(
        data_source="DigitalLearningGmbH/MATH-lighteval",
        prompt=f"{number}+1=",
        ability="math",
        ground_truth=str(number + 1),
        reference_response=f"\\boxed{{{number + 1}}}",
        split="train",
        index=number,
        identity=f"math_{number}",
        question=f"{number}+1=",
    )


@pytest.fixture
def mixed(tmp_path):
    """Eight rows of each kind."""
    rows = [row for n in range(8) for row in (bfcl_row("simple", n), bfcl_row("irrelevance", n), math_row(n))]
    file = tmp_path / "mixed.parquet"
    write_parquet([(row["extra_info"]["id"], row) for row in rows], file)
    return file


@pytest.mark.full
def test_math_and_tool_rows_in_one_batch(start, data, mixed):
    run = start(
        f"data.train_files=[{mixed},{data}/train.parquet]",
        f"data.val_files=[{mixed},{data}/val.parquet]",
        "data.train_max_samples=48",
        "data.max_prompt_length=64",
        "actor_rollout_ref.rollout.max_model_len=80",
        "reward.reward_kwargs.verifier.scale=unit",
        "trainer.total_training_steps=2",
        "trainer.test_freq=2",
    )
    assert run.wait() == 0, run.log[-5000:]
    metrics = run.metrics()
    assert sorted(metrics) == [1, 2]
    for step in metrics.values():
        assert [step[f"reward/{kind}"] for kind in ("verifier_error", "timeout", "unparsable_gold")] == [0.0] * 3
    last = metrics[2]
    # It calls nothing and boxes nothing: right where no call is wanted, wrong elsewhere.
    assert last["val-core/bfcl_v3/irrelevance/acc/mean@1"] == 1.0
    assert last["val-core/bfcl_v3/simple/acc/mean@1"] == 0.0
    assert last["val-core/DigitalLearningGmbH/MATH-lighteval/acc/mean@1"] == 0.0
    assert last["val-aux/reward/verifier_error"] == 0.0
    assert run.processes() == []


def test_a_reward_function_that_fails_stops_the_run_and_names_the_rows(start, tmp_path):
    (tmp_path / "mine.py").write_text(
        "def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):\n"
        "    if extra_info['index'] % 4 == 0:\n"
        "        raise RuntimeError('the judge is away')\n"
        "    return {'score': 1.0, 'acc': 1.0}\n"
    )
    run = start(
        f"reward.custom_reward_function.path={tmp_path}/mine.py",
        "reward.custom_reward_function.name=compute_score",
        "trainer.total_training_steps=2",
    )
    assert run.wait() != 0
    assert "responses of this training step could not be judged" in run.log
    assert "RuntimeError: the judge is away" in run.log
    assert "'dipo/arithmetic'" in run.log
    assert run.processes() == []
