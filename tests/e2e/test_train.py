"""Real trainings on the CPU: verl, Ray, TransferQueue, FSDP and vLLM, nothing replaced."""

from itertools import islice

import pytest
import torch

from data_prep import bfcl, gsm8k
from data_prep.schema import read_rows, write_parquet
from groupwise.dumps.reader import read_dump

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

RESPONSES = 16 * 8


def check_ended_well(run, last_step: int) -> None:
    assert run.wait() == 0, run.log[-5000:]
    assert max(run.metrics()) == last_step
    assert run.processes() == []


@pytest.mark.full
def test_dipo_with_one_worker(start, initial_weights, reallocated, shared_memory_blocks):
    before = shared_memory_blocks()
    run = start("trainer.total_training_steps=4", "trainer.save_freq=4", "trainer.test_freq=4")
    check_ended_well(run, 4)
    assert shared_memory_blocks() <= before
    metrics = run.metrics()
    assert reallocated(metrics) > 0
    assert all(step["advantages/without_padding"] == 1.0 for step in metrics.values())
    acted = [step for step in metrics.values() if step["dipo/advantage_share"] > 0]
    assert all(step["dipo/gradient_share/dipo"] > step["dipo/gradient_share/grpo"] for step in acted)
    assert [metrics[step]["dipo/queue_size"] for step in range(1, 5)] == [RESPONSES] + [2 * RESPONSES] * 3
    assert 0 <= metrics[4]["val-core/dipo/arithmetic/acc/mean@1"] <= 1
    weights = run.weights(4)
    # No weight decay in these runs: only a gradient moves a weight.
    assert any(not torch.equal(weights[name], initial_weights[name]) for name in initial_weights)


@pytest.mark.full
def test_two_workers_checkpoint_and_resume(start, initial_weights, reallocated):
    workers = ("trainer.n_gpus_per_node=2", "trainer.save_freq=2")
    check_ended_well(start(*workers, "trainer.total_training_steps=2"), 2)
    run = start(*workers, "trainer.total_training_steps=4")
    check_ended_well(run, 4)
    first, second = run.metrics("metrics.1.jsonl"), run.metrics()
    assert (sorted(first), sorted(second)) == ([1, 2], [3, 4])
    # A queue that started empty would hold one batch at step 3.
    assert second[3]["dipo/queue_size"] == 2 * RESPONSES
    assert reallocated({**first, **second}) > 0
    shards = [[run.weights(step, rank, ranks=2) for rank in range(2)] for step in (2, 4)]
    name = "model.layers.0.self_attn.q_proj.weight"
    rows = [shard[name].shape[0] for shard in shards[0]]
    assert sum(rows) == initial_weights[name].shape[0]
    assert all(not torch.equal(before[name], after[name]) for before, after in zip(*shards, strict=True))


@pytest.mark.full
def test_verls_trainer_of_before_v1(start, initial_weights, reallocated, tmp_path):
    dumps = ("trainer.use_v1=false", f"trainer.rollout_data_dir={tmp_path}/rollouts", "trainer.save_freq=2")
    check_ended_well(start(*dumps, "trainer.total_training_steps=2", "trainer.test_freq=2"), 2)
    run = start(*dumps, "trainer.total_training_steps=3")
    check_ended_well(run, 3)
    first, second = run.metrics("metrics.1.jsonl"), run.metrics()
    assert (sorted(first), sorted(second)) == ([1, 2], [3])
    # A queue that started empty would hold one batch at step 3.
    assert second[3]["dipo/queue_size"] == 2 * RESPONSES
    assert reallocated({**first, **second}) > 0
    assert all(step["reward/verifier_error"] == 0 for step in (*first.values(), *second.values()))
    assert 0 <= first[2]["val-core/dipo/arithmetic/acc/mean@1"] <= 1
    for step in (1, 2, 3):
        dump = read_dump(next((tmp_path / "rollouts").glob(f"*/{step}.parquet")))
        assert dump.table.num_rows == RESPONSES
    weights = run.weights(2)
    assert any(not torch.equal(weights[name], initial_weights[name]) for name in initial_weights)


def test_gsm8k_bfcl_and_additions_in_colocate_async(start, shared_data, data, tmp_path, initial_weights, reallocated):
    for module, name in ((gsm8k, "gsm8k"), (bfcl, "bfcl_v3")):
        assert module.main(["--input", str(shared_data / name), "--output", str(tmp_path / name)]) == 0
    few = tmp_path / "few.parquet"
    write_parquet((("GSM8K", row) for row in islice(read_rows(tmp_path / "gsm8k" / "train.parquet"), 1024)), few)
    # The tiny model takes prompts of up to 1,000 bytes, which 400 of BFCL's rows have, half of them without a call.
    run = start(
        # The other runs train with verl's default, sync.
        "trainer.v1.trainer_mode=colocate_async",
        f"data.train_files=[{few},{tmp_path}/bfcl_v3/train.parquet,{data}/train.parquet]",
        f"data.val_files=[{few},{tmp_path}/bfcl_v3/val.parquet]",
        "data.val_max_samples=8",
        "data.max_prompt_length=990",
        "actor_rollout_ref.rollout.max_model_len=1010",
        "data.filter_overlong_prompts=true",
        "trainer.total_training_steps=4",
        "trainer.save_freq=4",
        "trainer.test_freq=4",
        f"trainer.rollout_data_dir={tmp_path}/rollouts",
    )
    check_ended_well(run, 4)
    metrics = run.metrics()
    prompts = " ".join((tmp_path / "rollouts" / f"{step}.jsonl").read_text() for step in range(1, 5))
    assert "output the final answer after" in prompts
    assert "# Tools" in prompts
    # The tiny model solves no word problem: those groups are hard. Most of the other prompts are additions.
    assert reallocated(metrics) > 0
    assert all(step["dipo/group_share/hard"] > 0 for step in metrics.values())
    assert all(step["reward/verifier_error"] == 0 for step in metrics.values())
    assert metrics[4]["val-core/openai/gsm8k/acc/mean@1"] == 0.0
    weights = run.weights(4)
    assert any(not torch.equal(weights[name], initial_weights[name]) for name in initial_weights)


@pytest.mark.full
def test_grpo_through_the_same_entry_point(start, initial_weights):
    run = start("algorithm.adv_estimator=grpo", "trainer.total_training_steps=2", "trainer.save_freq=2")
    check_ended_well(run, 2)
    for step in run.metrics().values():
        # What DiPO would add is observed; what was trained on is verl's: rewards 0 and 1 in groups of 8 give
        # advantages of at least (1 - 7/8) / std > 0.35 in size, where alpha * A(R_r) is at most 0.25.
        assert step["dipo/gradient_share/grpo"] > 0
        assert step["critic/advantages/max"] > 0.35
        assert step["critic/advantages/min"] < -0.35
    weights = run.weights(2)
    assert any(not torch.equal(weights[name], initial_weights[name]) for name in initial_weights)
