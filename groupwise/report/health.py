"""Whether a run is well, by what verl itself logs, whatever trained it: since when a metric is out of range, and cures.

Ranges come from verl's documentation where it has them, and stand in docs/health.md with their sources.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from groupwise.display import Panel, Section, Sentence, Series, percent
from groupwise.onset import onset
from groupwise.report.columns import COLLAPSE, CUT_OFF, Columns

KL, DIFFERENCE, CORRELATION = (
    "rollout_corr/k3_kl",
    "training/rollout_probs_diff_mean",
    "training/rollout_actor_probs_pearson_corr",
)
ENTROPY = "actor/entropy"
LIMITS: Final = {KL: 0.01, DIFFERENCE: 0.01, CORRELATION: 0.98, COLLAPSE: 0.5, CUT_OFF: 0.1, ENTROPY: 0.3}
"""Of the entropy the share of its beginning that a run keeps which still explores (chosen). arXiv 2505.22617: gains are
paid for by entropy, and end where it is gone."""
BEGINNING: Final = 5
"""Steps whose median is the entropy's beginning."""

APART: Final = "the engine and the trainer disagree on the probabilities of tokens"
AGREE: Final = (
    "Try the same precision in both (rollout.dtype, fsdp_config.mixed_precision), rollout.enforce_eager=true or "
    "+rollout.engine_kwargs.vllm.disable_cascade_attn=true, or correct for it: "
    "algorithm.rollout_correction.rollout_is=token."
)


class Sign(NamedTuple):
    """What is out of range, in words with {value}, {limit} and {step}, and what to try."""

    metric: str
    words: str
    cure: str
    is_share: bool = False


MISMATCH: Final = (
    Sign(KL, f"{APART}: KL {{value}}, above {{limit}} since step {{step}}", AGREE),
    Sign(DIFFERENCE, f"{APART}: mean difference {{value}}, above {{limit}} since step {{step}}", AGREE),
    Sign(CORRELATION, f"{APART}: correlation {{value}}, below {{limit}} since step {{step}}", AGREE),
)
OTHERS: Final = (
    Sign(
        COLLAPSE,
        "in {value} of the groups all rewards are equal and GRPO has no gradient, above {limit} since step {step}",
        "Try prompts of middling difficulty, a larger rollout.n, algorithm.filter_groups.enable=true, or a method that "
        "gives such groups an advantage.",
        is_share=True,
    ),
    Sign(
        CUT_OFF,
        "{value} of the responses reached the length limit, above {limit} since step {step}",
        "Try a larger data.max_response_length, or DAPO's overlong penalty (reward.reward_kwargs.overlong_buffer_cfg).",
        is_share=True,
    ),
    Sign(
        ENTROPY,
        "the entropy fell to {value} of its beginning, below {limit} since step {step}",
        "Try a larger clip_ratio_high (DAPO: 0.28), a KL loss, or a smaller learning rate.",
        is_share=True,
    ),
)
LEAST: Final = (CORRELATION, ENTROPY)
"""Of these the limit is the least that is healthy."""


def health(label: str, runs: Sequence[Columns]) -> Iterator[Sentence]:
    """Says what is out of its range at the end of some runs of a variant; of the mismatch what is told first."""
    mismatch = filter(None, (_told(label, runs, sign) for sign in MISMATCH))
    told = [next(mismatch, None), *(_told(label, runs, sign) for sign in OTHERS)]
    yield from (Sentence("Health", text) for text in told if text)


def _told(label: str, runs: Sequence[Columns], sign: Sign) -> str | None:
    """The sentence where most of a variant's runs are out of range, on the mean of these; the step is the earliest."""
    limit, write = LIMITS[sign.metric], percent if sign.is_share else "{:.2g}".format
    bound = {"below" if sign.metric in LEAST else "above": limit}
    out = [one for run in runs if (one := onset(*_curve(run, sign.metric), **bound)) is not None]
    if 2 * len(out) <= len(runs):
        return None
    value, step = float(np.mean([one.value for one in out])), min(one.step for one in out)
    return f"{label}: {sign.words.format(value=write(value), limit=write(limit), step=step)}. {sign.cure}"


def _curve(run: Columns, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps that have a metric, and its values there, of the entropy as shares of its beginning."""
    values = run.of(metric)
    known = ~np.isnan(values)
    steps, values = run.steps[known], values[known]
    if metric == ENTROPY and len(values):
        start = np.median(values[:BEGINNING])
        return (steps, values / start) if start > 0 else (steps[:0], values[:0])
    return steps, values


def health_section(logged: Sequence[str]) -> list[Section]:
    """The page's section, where anything of it was logged; a dashed line is where the healthy range ends."""
    # A curve at 0 leaves room for the line.
    small = {"floor": 0.0, "span": 0.015}
    panels = [
        Panel("mismatch-kl", "KL of engine and trainer", [Series(None, KL)], "KL (k3), nats a token", **small),
        Panel("mismatch-difference", "Difference of probabilities", [Series(None, DIFFERENCE)], "mean", **small),
        Panel("mismatch-correlation", "Correlation of probabilities", [Series(None, CORRELATION)], "Pearson's r"),
        Panel("collapse", "Groups without a gradient", [Series(None, COLLAPSE)], "share", is_share=True, floor=0.0),
    ]
    shown = [panel._replace(limit=LIMITS[metric]) for panel in panels if (metric := panel.series[0].metric) in logged]
    caption = (
        "The engine that generates and the trainer should give a token the same probability. Groups whose rewards are "
        "all equal have no gradient under GRPO (the advantage collapse rate). The dashed line is where the healthy "
        "range ends."
    )
    return [Section("Engine, trainer and groups", caption, shown)] if shown else []
