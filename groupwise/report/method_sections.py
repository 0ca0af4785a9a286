"""The sections on the method: groups, perplexities and threshold, reallocation, gradient."""

from groupwise.report.findings import RULES
from groupwise.report.panels import Painter, Section, Series

QUADRANTS = {
    "CL": ("right, confident (CL)", "correct_low"),
    "CH": ("right, unsure (CH)", "correct_high"),
    "EH": ("wrong, unsure (EH)", "error_high"),
    "EL": ("wrong, confident (EL)", "error_low"),
}


def method_sections(paint: Painter, logged: list[str]) -> list[Section]:
    """Lays out what DiPO looks at and does.

    Args:
        paint: Makes the charts.
        logged: Metrics that any arm has.

    Returns:
        The sections, in order.
    """
    return [_composition(paint), _perplexity(paint, logged), _reallocation(paint), _gradient(paint)]


def _composition(paint: Painter) -> Section:
    layers = [
        (Series("hard (all wrong)", "dipo/group_share/hard"), "hard"),
        (Series("mixed", "dipo/group_share/mixed"), "mixed"),
        (Series("easy (all right)", "dipo/group_share/easy"), "easy"),
    ]
    caption = (
        "Groups whose responses are all wrong or all right have no gradient under GRPO; they are what DiPO works on. "
        "Training should move them from hard over mixed to easy."
    )
    panels = paint.of_each("groups", "Groups", "stack", layers, y_title="share of groups", is_share=True)
    return Section("Group composition", caption, panels)


def _perplexity(paint: Painter, logged: list[str]) -> Section:
    curves = [
        (Series("wrong responses", "dipo/perplexity/wrong"), "wrong"),
        (Series("right responses", "dipo/perplexity/correct"), "right"),
        (Series("threshold τ*", "dipo/threshold/value"), "threshold"),
    ]
    shares = [(Series(label, f"dipo/quadrant_share/{name}"), key) for key, (label, name) in QUADRANTS.items()]
    # Means of perplexities are ruled by single outliers, which would flatten all else on a linear axis.
    perplexity = {"y_title": "perplexity", "floor": 1.0, "is_log": True}
    panels = paint.of_each("perplexity", "Perplexity", "lines", curves, **perplexity)
    panels += paint.of_each("quadrants", "Quadrants", "stack", shares, y_title="share of responses", is_share=True)
    if any(name.startswith("dump/perplexity/") for name in logged):
        spread = [
            (_quantiles("wrong responses", "wrong"), "wrong"),
            (_quantiles("right responses", "correct"), "right"),
        ]
        panels += paint.of_each("spread", "Median and 10 to 90%, from dumps", "lines", spread, **perplexity)
    caption = (
        "Mean perplexity of right and wrong responses, and the threshold τ* that separates them best. Where none is "
        "admissible, τ* and the quadrants have a gap. Useful is a τ* between the two means; wrong and confident (EL) "
        "is what is explored in hard groups, right but unsure (CH) what is exploited in easy ones."
    )
    return Section("Perplexity and threshold", caption, panels)


def _quantiles(label: str, verdict: str) -> Series:
    stem = f"dump/perplexity/{verdict}"
    return Series(label, f"{stem}/p50", (f"{stem}/p10", f"{stem}/p90"))


def _reallocation(paint: Painter) -> Section:
    touched = [
        (Series("rewarded in hard groups (up)", "dipo/reallocated_total/up"), "hard"),
        (Series("penalised in easy groups (down)", "dipo/reallocated_total/down"), "easy"),
    ]
    rules = [
        (Series(rule, f"dipo/would_reallocate_total/{name}"), f"mix{place}")
        for place, (name, rule) in enumerate(RULES.items())
    ]
    panels = paint.of_each("reallocated", "Groups reallocated", "opposed", touched, y_title="groups a step")
    panels += paint.of_each(
        "rules", "What each rule would touch", "lines", rules, y_title="groups a step", floor=0.0, is_banded=False
    )
    caption = (
        "Groups in which a reward was reallocated. In an arm that was not trained with DiPO: in which one would have "
        "been. Below, the four readings of group_perplexity on the same steps."
    )
    return Section("Reallocation", caption, panels)


def _gradient(paint: Painter) -> Section:
    curves = [
        (Series("base estimator (GRPO)", "dipo/gradient_share/grpo"), "base"),
        (Series("with reallocation (DiPO)", "dipo/gradient_share/dipo"), "dipo"),
    ]
    panels = paint.of_each(
        "gradient", "Responses with a gradient", "lines", curves, y_title="share of responses", is_share=True
    )
    panels.append(
        paint.across(
            "advantage",
            "Share of |advantage| from reallocation",
            "dipo/advantage_share",
            y_title="share",
            is_share=True,
            floor=0.0,
        )
    )
    caption = "Share of responses with an advantage other than 0. The gap is what DiPO adds; alpha says how strongly."
    return Section("Gradient", caption, panels)
