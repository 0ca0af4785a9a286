"""Every published method in one real training on the CPU: one that needs entropies is trained, the others observed."""

import math

import pytest
import torch

from groupwise.display import label_of
from groupwise.method import METHODS

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

OBSERVED = sorted(set(METHODS) - {"rl_zvp"})


def test_a_method_by_entropies_trains_beside_all_others_and_goes_on_with_their_state(start, initial_weights):
    overrides = (
        "algorithm.adv_estimator=rl_zvp",
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
    weights = run.weights(2)
    # No weight decay in these runs: only a gradient moves a weight.
    assert any(not torch.equal(weights[name], initial_weights[name]) for name in initial_weights)

    state = torch.load(run.checkpoints / "global_step_2" / "method.pt", weights_only=True)
    assert {name for name in OBSERVED if state[name]} >= {"avspo", "ebpo", "ema_baseline"}
    resumed = start(*overrides, "trainer.total_training_steps=3")
    assert resumed.wait() == 0, resumed.log[-5000:]
    (last,) = resumed.metrics().values()
    # What step 3 is held against is what step 2 left.
    assert last["ema_baseline/baseline"] == pytest.approx(state["ema_baseline"]["baseline"])
    assert last["avspo/threshold"] == pytest.approx(state["avspo"]["threshold"])
