"""Every method in real trainings on the CPU: one that needs entropies with the others observed, and each by itself."""

import json
import math
import subprocess
import sys

import pytest
import torch

from groupwise.display import label_of
from groupwise.method import METHODS

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

OBSERVED = sorted(set(METHODS) - {"rl_zvp"})


def test_a_method_by_entropies_trains_adapters_beside_all_others_and_goes_on_with_their_state(start):
    overrides = (
        "algorithm.adv_estimator=rl_zvp",
        # With LoRA, of which there is no other run.
        "actor_rollout_ref.model.lora_rank=8",
        f"algorithm.observe=[{','.join(OBSERVED)}]",
        "trainer.save_freq=2",
    )
    run = start(*overrides, "trainer.total_training_steps=2")
    assert run.wait() == 0, run.log[-5000:]
    metrics = run.metrics()
    assert sorted(metrics) == [1, 2]
    for step in metrics.values():
        for name in METHODS:
            label = label_of(name)
            for metric in (f"gradient_share/{label}", "advantage_size/hard", f"collapse_rate/{label}"):
                assert math.isfinite(step[f"{label}/{metric}"])
        # Groups without variance are trained on, by their tokens' entropies: alpha of about as many nats.
        assert step["rl_zvp/collapse_rate/rl_zvp"] < step["rl_zvp/collapse_rate/grpo"]
        assert 0 < step["rl_zvp/advantage_size/hard"] < 0.7 < step["nsr/advantage_size/hard"] == 1.0
        assert step["rl_zvp/entropy/dead"] > 0
    # The second half of an adapter begins as zeros, and only a gradient moves it.
    adapters = [weight for name, weight in run.weights(2).items() if "lora_B" in name]
    assert adapters
    assert any(weight.any() for weight in adapters)

    state = torch.load(run.checkpoints / "global_step_2" / "method.pt", weights_only=True)
    assert {name for name in OBSERVED if state[name]} >= {"avspo", "ebpo", "ema_baseline"}
    resumed = start(*overrides, "trainer.total_training_steps=3")
    assert resumed.wait() == 0, resumed.log[-5000:]
    (last,) = resumed.metrics().values()
    # What step 3 is held against is what step 2 left.
    assert last["ema_baseline/baseline"] == pytest.approx(state["ema_baseline"]["baseline"])
    assert last["avspo/threshold"] == pytest.approx(state["avspo"]["threshold"])


@pytest.mark.full
def test_each_method_trains_two_steps_and_one_report_shows_all(tmp_path, data, model, initial_weights):
    names = ["grpo", *METHODS]
    overrides = [
        f"data.train_files={data}/train.parquet",
        f"data.val_files={data}/val.parquet",
        f"actor_rollout_ref.model.path={model}",
        "data.train_batch_size=16",
        "data.max_prompt_length=48",
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=64",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=64",
        # So that only a gradient moves a weight.
        "actor_rollout_ref.actor.optim.weight_decay=0",
        "trainer.total_training_steps=2",
        "trainer.save_freq=2",
        "algorithm.position_shaping.from_step=1",
        "algorithm.position_shaping.to_step=2",
        "preflight.skip=[data]",
    ]
    command = [sys.executable, "-m", "groupwise.compare", "--recipe", "recipe.dipo", "cpu_demo", ",".join(names)]
    done = subprocess.run(
        [*command, f"out={tmp_path / 'all'}", *overrides], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    for name in names:
        folder = tmp_path / "all" / name / "seed0"
        steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert [step["step"] for step in steps if "actor/grad_norm" in step["data"]] == [1, 2], name
        file = folder / "checkpoints" / "global_step_2" / "actor" / "model_world_size_1_rank_0.pt"
        weights = {key: getattr(w, "_local_tensor", w) for key, w in torch.load(file, weights_only=False).items()}
        assert all(torch.isfinite(weight).all() for weight in weights.values()), name
        assert any(not torch.equal(weights[key], initial_weights[key]) for key in initial_weights), name
    page = (tmp_path / "all" / "report.html").read_text()
    assert [name for name in names if f"{name}-seed0" not in page and label_of(name) not in page] == []
