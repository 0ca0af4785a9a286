"""What a step logs under `dipo/`; recipe/dipo/README.md explains each metric.

Names are chosen for verl's MetricsAggregator, which picks how to reduce a metric over the updates of one step from
words in its name (verl/trainer/ppo/v1/utils.py): a count of groups has "total" in its name and is summed, everything
else is averaged, weighted by responses. No name may hold "max" or "min"; the rule `max` therefore appears as "peak".
"""

from recipe.dipo.core.step_statistics import StepStatistics, step_statistics
from recipe.dipo.step import Advantages, Responses, Step


def step_metrics(responses: Responses, step: Step, advantages: Advantages, *, rule: str) -> dict[str, float]:
    """Puts a step of DiPO into numbers.

    Args:
        responses: B responses.
        step: What was decided for them.
        advantages: Those that follow from it.
        rule: The `group_perplexity` in force.

    Returns:
        Metric by name. What does not exist in this step is absent: tau* where no threshold is admissible, a mean
        perplexity where there is no response to take it from.
    """
    judged = step.judged
    statistics = step_statistics(
        responses.perplexity[judged],
        responses.correct[judged],
        responses.reward[judged],
        responses.group[judged],
        step.threshold,
    )
    return {
        **_group_metrics(statistics, rule),
        **_threshold_metrics(statistics, step),
        **_advantage_metrics(advantages),
        "dipo/judged_share": judged.double().mean().item(),
        "dipo/queue_size": float(step.queue_size),
    }


def would_reallocate(rule: str) -> str:
    """Names the metric of the groups that one of the `group_perplexity` rules would reallocate."""
    return f"dipo/would_reallocate_total/{'peak' if rule == 'max' else rule}"


def _group_metrics(statistics: StepStatistics, rule: str) -> dict[str, float]:
    kinds = {"hard": statistics.hard, "easy": statistics.easy, "mixed": statistics.mixed}
    groups = max(1, sum(kinds.values()))
    metrics = {f"dipo/group_share/{kind}": count / groups for kind, count in kinds.items()}
    for name, counts in statistics.reallocated.items():
        metrics[would_reallocate(name)] = float(counts.up + counts.down)
    metrics["dipo/reallocated_total/up"] = float(statistics.reallocated[rule].up)
    metrics["dipo/reallocated_total/down"] = float(statistics.reallocated[rule].down)
    for verdict, value in (
        ("correct", statistics.mean_perplexity_right),
        ("wrong", statistics.mean_perplexity_wrong),
    ):
        if value is not None:
            metrics[f"dipo/perplexity/{verdict}"] = value
    return metrics


def _threshold_metrics(statistics: StepStatistics, step: Step) -> dict[str, float]:
    threshold, quadrants = step.threshold, statistics.quadrants
    if threshold is None or quadrants is None:
        return {"dipo/threshold/admissible": 0.0}
    responses = max(1, int(step.judged.sum()))
    return {
        "dipo/threshold/admissible": 1.0,
        "dipo/threshold/value": threshold.value,
        "dipo/threshold/error_rate": threshold.error_rate,
        "dipo/threshold/exploitation_advantage": threshold.exploitation_advantage,
        "dipo/threshold/exploration_advantage": threshold.exploration_advantage,
        **{f"dipo/quadrant_share/{name}": count / responses for name, count in quadrants._asdict().items()},
    }


def _advantage_metrics(advantages: Advantages) -> dict[str, float]:
    verified, both = advantages.verified.double(), advantages.dipo.double()
    size = both.abs().sum().item()
    return {
        "dipo/gradient_share/grpo": (verified != 0).double().mean().item(),
        "dipo/gradient_share/dipo": (both != 0).double().mean().item(),
        "dipo/advantage_share": (both - verified).abs().sum().item() / size if size > 0 else 0.0,
    }
