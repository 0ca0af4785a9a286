"""What a step logs: the numbers, and names under which verl's aggregator reduces as it should."""

import math
from pathlib import Path

import pytest
import torch
from verl.trainer.ppo.v1.utils import MetricsAggregator

import recipe.dipo
from groupwise.hook.verdicts import Failure, failure_shares
from groupwise.method import Responses, build, compute
from recipe.dipo.metrics import step_columns, step_metrics
from recipe.dipo.reallocation import GROUP_PERPLEXITY_RULES, reallocate
from recipe.dipo.threshold import Threshold

TAU = Threshold(2.0, 0.1, 0.5, 0.5)


def make_metrics() -> dict[str, float]:
    """A step in which every metric exists: one confident and one unsure group of each kind."""
    group = torch.arange(4).repeat_interleave(2)
    correct = torch.tensor([True, True, True, True, False, False, False, False])
    # Right: e^0.1, e^0.2 | e^0.3, e^2.5. Wrong: e^2, e^3 | e^0.15, e^2.2.
    perplexity = torch.tensor([0.1, 0.2, 0.3, 2.5, 2.0, 3.0, 0.15, 2.2], dtype=torch.float64).exp()
    responses = Responses(correct.float(), correct, torch.ones_like(correct), group, perplexity, step=1)
    return dict(compute(build("dipo", {"confidence": None}), responses).metrics)


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


def test_every_metric_is_explained():
    readme = Path(recipe.dipo.__file__).parent / "README.md"
    page = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
    failures = [name for prefix in ("reward", "val-aux/reward") for name in failure_shares([], 0, prefix=prefix)]
    assert len(failures) == 6
    common = [f"{name}/" for name in ("advantage_size", "confidence_correlation", "collapse_rate")]
    own = [name for name in make_metrics() if not name.removeprefix("dipo/").startswith(tuple(common))]
    for names, file in ((own, readme), (failures, page), ([f"NAME/{name}grpo" for name in common[2:]], page)):
        assert [name for name in names if f"`{name}`" not in file.read_text()] == []


def test_failures_of_a_step_with_several_updates_are_averaged_by_responses():
    # 3 failures of 100 responses and 1 of 300 are 4 of 400.
    aggregator = MetricsAggregator()
    failure = Failure("timeout", "row 7")
    aggregator.add_step_metrics(failure_shares([failure] * 3, 100, prefix="reward"), sample_count=100)
    aggregator.add_step_metrics(failure_shares([failure], 300, prefix="reward"), sample_count=300)
    assert aggregator.get_aggregated_metrics() == pytest.approx(
        {"reward/verifier_error": 0.0, "reward/timeout": 0.01, "reward/unparsable_gold": 0.0}
    )


def batch() -> Responses:
    """Two hard groups (1, 2), one easy (3), one mixed (4) and one of a single response (5)."""
    perplexity = [1.0, 1.5, 1.9, 9.0, 3.0, 4.0, 1.0, 5.0, 1.0, 2.0, 3.0, 7.0]
    correct = torch.tensor([False] * 6 + [True] * 4 + [False, True])
    group = torch.tensor([1] * 4 + [2] * 2 + [3] * 2 + [4] * 3 + [5])
    known = torch.ones_like(correct)
    return Responses(correct.float(), correct, known, group, torch.tensor(perplexity).double(), step=1)


def counted(responses: Responses, threshold: Threshold | None, rule: str = "any") -> dict[str, float]:
    columns = (responses.perplexity, responses.correct, responses.reward, responses.group)
    found = reallocate(*columns, threshold, group_perplexity=rule)
    return step_metrics(responses, threshold, found, rule=rule, queue_size=12)


def test_counts_of_a_hand_made_batch():
    metrics = counted(batch(), TAU)
    assert [metrics[f"group_share/{kind}"] for kind in ("hard", "easy", "mixed")] == [2 / 5, 1 / 5, 2 / 5]
    # Right: 1, 5, 1, 2 (at tau: in neither space), 7. Wrong: 1, 1.5, 1.9, 9, 3, 4, 3.
    shares = [metrics[f"quadrant_share/{name}"] for name in ("correct_low", "correct_high", "error_low", "error_high")]
    assert shares == [2 / 12, 2 / 12, 3 / 12, 4 / 12]
    # Group 1: median 1.7, mean 3.35, max 9. Group 2 lies above. Group 3: median and mean 3, max 5.
    would = {rule: metrics[f"would_reallocate_total/{rule}"] for rule in ("any", "median", "mean", "peak")}
    assert would == {"any": 2, "median": 2, "mean": 1, "peak": 1}
    assert metrics["perplexity/correct"] == pytest.approx((1 + 5 + 1 + 2 + 7) / 5)
    assert metrics["perplexity/wrong"] == pytest.approx((1 + 1.5 + 1.9 + 9 + 3 + 4 + 3) / 7)
    assert metrics["queue_size"] == 12


def test_without_a_threshold_there_are_no_quadrants_and_no_reallocations():
    metrics = counted(batch(), None)
    assert metrics["threshold/admissible"] == 0
    assert [metrics[f"group_share/{kind}"] for kind in ("hard", "easy", "mixed")] == [2 / 5, 1 / 5, 2 / 5]
    assert not [name for name in metrics if name.startswith("quadrant_share/")]
    reallocations = {name: value for name, value in metrics.items() if "reallocate" in name and value}
    assert reallocations == {"would_reallocate_total/always": 3}  # it needs no threshold


@pytest.mark.parametrize(("right", "there"), [(True, ["perplexity/correct"]), (False, ["perplexity/wrong"])])
def test_there_is_no_mean_of_nothing(right: bool, there: list[str]):
    verdicts = torch.tensor([right, right])
    columns = (verdicts.float(), verdicts, torch.ones_like(verdicts), torch.tensor([0, 0]))
    metrics = counted(Responses(*columns, torch.tensor([1.0, 2.0]), step=1), TAU)
    assert {name: metrics[name] for name in metrics if name.startswith("perplexity/")} == {there[0]: 1.5}


@pytest.mark.parametrize("rule", GROUP_PERPLEXITY_RULES)
def test_counts_the_groups_that_are_reallocated(rule: str):
    generator = torch.Generator().manual_seed(1)
    name = f"would_reallocate_total/{'peak' if rule == 'max' else rule}"
    for _ in range(30):
        group = torch.randint(0, 12, (60,), generator=generator)
        correct = (torch.rand(13, generator=generator) < 0.5)[group] ^ (torch.rand(60, generator=generator) < 0.05)
        perplexity = 1 + 2 * torch.rand(60, generator=generator).double()
        responses = Responses(correct.float(), correct, torch.ones_like(correct), group, perplexity, step=1)
        reward = reallocate(perplexity, correct, correct.float(), group, TAU, group_perplexity=rule).reward
        # Only in hard groups is a wrong response rewarded, only in easy ones a right one.
        up = len(set(group[(reward == 1) & ~correct].tolist()))
        down = len(set(group[(reward == 1) & correct].tolist()))
        in_force = counted(responses, TAU, rule)
        assert (in_force["reallocated_total/up"], in_force["reallocated_total/down"]) == (up, down)
        # Counted alike where the rule is in force and where another one is.
        other = "any" if rule != "any" else "mean"
        assert in_force[name] == counted(responses, TAU, other)[name] == up + down


def test_a_response_on_the_threshold_is_in_no_quadrant():
    correct = torch.tensor([True, False])
    columns = (correct.float(), correct, torch.ones_like(correct), torch.tensor([0, 0]))
    responses = Responses(*columns, torch.tensor([2.0, 1.0]).double(), step=1)
    found = reallocate(responses.perplexity, correct, correct.float(), responses.group, TAU, group_perplexity="any")
    assert step_columns(responses, TAU, found, rule="any")["quadrant"] == [None, "error_low"]
