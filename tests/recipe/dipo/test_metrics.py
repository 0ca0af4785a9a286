"""Names under which verl's aggregator reduces as it should; the values are tested with the trainer."""

import math

import pytest
import torch
from verl.trainer.ppo.v1.utils import MetricsAggregator

from recipe.dipo.config import DiPOConfig
from recipe.dipo.core.perplexity import PerplexityQueue
from recipe.dipo.metrics import step_metrics
from recipe.dipo.step import Responses, run_step, step_advantages
from recipe.dipo.unjudged import failure_shares
from recipe.dipo.verdicts import Failure


def make_metrics() -> dict[str, float]:
    """A step in which every metric exists: one confident and one unsure group of each kind."""
    group = torch.arange(4).repeat_interleave(2)
    correct = torch.tensor([True, True, True, True, False, False, False, False])
    # Right: e^0.1, e^0.2 | e^0.3, e^2.5. Wrong: e^2, e^3 | e^0.15, e^2.2.
    perplexity = torch.tensor([0.1, 0.2, 0.3, 2.5, 2.0, 3.0, 0.15, 2.2], dtype=torch.float64).exp()
    responses = Responses(perplexity, correct, correct.float(), group, torch.zeros(8, dtype=torch.bool))
    config = DiPOConfig(alpha=0.1, queue_batches=2, confidence=None, group_perplexity="any")
    step = run_step(responses, PerplexityQueue(2), config)
    advantages = step_advantages(responses, step, alpha=config.alpha, normalize_by_std=True)
    return step_metrics(responses, step, advantages, rule="any")


def test_values():
    metrics = make_metrics()
    # Best split: between e^0.3 and e^2: e^2.5 (right) and e^0.15 (wrong) are on the wrong side, 2 of 8.
    assert metrics["dipo/threshold/error_rate"] == 0.25
    assert metrics["dipo/quadrant_share/correct_low"] == metrics["dipo/quadrant_share/error_high"] == 3 / 8
    assert metrics["dipo/quadrant_share/correct_high"] == metrics["dipo/quadrant_share/error_low"] == 1 / 8
    assert (metrics["dipo/group_share/hard"], metrics["dipo/group_share/easy"]) == (0.5, 0.5)
    assert metrics["dipo/group_share/mixed"] == 0.0
    # EL is in one hard group, CH in one easy group.
    assert (metrics["dipo/reallocated_total/up"], metrics["dipo/reallocated_total/down"]) == (1.0, 1.0)
    # Rule max: the hard group's largest perplexity e^2.2 is not below tau, the easy group's e^2.5 is above it.
    assert metrics["dipo/would_reallocate_total/peak"] == 1.0
    assert metrics["dipo/would_reallocate_total/any"] == 2.0
    assert metrics["dipo/perplexity/correct"] == pytest.approx(sum(map(math.exp, (0.1, 0.2, 0.3, 2.5))) / 4)
    assert metrics["dipo/perplexity/wrong"] == pytest.approx(sum(map(math.exp, (2.0, 3.0, 0.15, 2.2))) / 4)
    # No group has variance: all of the advantage comes from reallocation, and reaches two groups of two.
    assert metrics["dipo/advantage_share"] == 1.0
    assert (metrics["dipo/gradient_share/grpo"], metrics["dipo/gradient_share/dipo"]) == (0.0, 0.5)


def test_verls_aggregator_sums_counts_and_averages_the_rest():
    aggregator = MetricsAggregator()
    for name in make_metrics():
        counts = name.startswith(("dipo/reallocated_total/", "dipo/would_reallocate_total/"))
        assert aggregator._get_aggregation_type(name) == ("sum" if counts else "weighted_avg"), name


def test_every_metric_is_explained_in_the_readme():
    from pathlib import Path

    import recipe.dipo.metrics

    readme = (Path(recipe.dipo.metrics.__file__).parent / "README.md").read_text()
    failures = [name for prefix in ("reward", "val-aux/reward") for name in failure_shares([], 0, prefix=prefix)]
    assert len(failures) == 6
    assert [name for name in [*make_metrics(), *failures] if f"`{name}`" not in readme] == []


def test_failures_of_a_step_with_several_updates_are_averaged_by_responses():
    # 3 failures of 100 responses and 1 of 300 are 4 of 400.
    aggregator = MetricsAggregator()
    failure = Failure("timeout", "row 7")
    aggregator.add_step_metrics(failure_shares([failure] * 3, 100, prefix="reward"), sample_count=100)
    aggregator.add_step_metrics(failure_shares([failure], 300, prefix="reward"), sample_count=300)
    assert aggregator.get_aggregated_metrics() == pytest.approx(
        {"reward/verifier_error": 0.0, "reward/timeout": 0.01, "reward/unparsable_gold": 0.0}
    )
