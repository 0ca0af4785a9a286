"""A pretrained language model through verl and vLLM on the CPU."""

import pytest
import torch
from safetensors.torch import load_file

from groupwise.demo.pretrained import pretrained
from groupwise.errors import GroupwiseError

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.full]


def test_two_steps_move_its_weights_and_engine_and_trainer_agree(start, tmp_path):
    model = tmp_path / "smollm2"
    try:
        pretrained(model)
    except GroupwiseError as error:
        pytest.skip(str(error))
    run = start(
        f"actor_rollout_ref.model.path={model}",
        # It knows nothing of "####", so all groups are hard and no threshold is admissible: `always` needs none.
        "algorithm.dipo.group_perplexity=always",
        "data.train_batch_size=4",
        "actor_rollout_ref.actor.ppo_mini_batch_size=4",
        "actor_rollout_ref.rollout.n=4",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=16",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=16",
        # The template's system message alone is 23 tokens.
        "data.max_prompt_length=64",
        "actor_rollout_ref.rollout.max_model_len=96",
        "actor_rollout_ref.rollout.calculate_log_probs=true",
        "actor_rollout_ref.actor.checkpoint.save_contents=[model]",
        "trainer.total_training_steps=2",
        "trainer.save_freq=2",
    )
    assert run.wait() == 0, run.log[-5000:]
    metrics = run.metrics()
    assert sorted(metrics) == [1, 2]
    # In the second step vLLM has the weights of the first update; both engines compute in float32.
    for step in metrics.values():
        assert step["training/rollout_probs_diff_max"] < 0.01
        assert step["response_length/mean"] > 1
        assert step["actor/grad_norm"] > 0
    before, after = load_file(model / "model.safetensors"), run.weights(2)
    moved = [name for name, weight in before.items() if not torch.equal(weight, after[name])]
    # A step of AdamW moves each weight that has a gradient.
    assert len(moved) == len(before)
