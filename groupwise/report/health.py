"""Whether a run is well, by what verl itself logs, whatever trained it: since when a metric is out of range, and cures.

Ranges come from verl's documentation where it has them, and stand in docs/health.md with their sources.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from groupwise.display import Panel, Section, Sentence, Series, percent
from groupwise.onset import Onset, onset
from groupwise.report.columns import COLLAPSE, CUT_OFF, Columns

KL, DIFFERENCE, CORRELATION = (
    "rollout_corr/k3_kl",
    "training/rollout_probs_diff_mean",
    "training/rollout_actor_probs_pearson_corr",
)
ENTROPY = "actor/entropy"
LIMITS: Final = {KL: 0.01, DIFFERENCE: 0.01, CORRELATION: 0.98, COLLAPSE: 0.5, CUT_OFF: 0.1}
ENTROPY_KEPT: Final = 0.3
"""Share of its beginning that the entropy keeps in a run that still explores (chosen). arXiv 2505.22617: gains are paid
for by entropy, and end where it is gone."""
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
    is_least: bool = False  # whether the limit is the least that is healthy


MISMATCH: Final = (
    Sign(KL, f"{APART}: KL {{value}}, above {{limit}} since step {{step}}", AGREE),
    Sign(DIFFERENCE, f"{APART}: mean difference {{value}}, above {{limit}} since step {{step}}", AGREE),
    Sign(CORRELATION, f"{APART}: correlation {{value}}, below {{limit}} since step {{step}}", AGREE, is_least=True),
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
)


def health(label: str, runs: Sequence[Columns]) -> Iterator[Sentence]:
    """Says what is out of its range at the end of some runs of a variant; of the mismatch what is told first."""
    found = (_told(label, runs, sign) for sign in MISMATCH)
    told = [next((text for text in found if text), None), *(_told(label, runs, sign) for sign in OTHERS)]
    yield from (Sentence("Health", text) for text in (*told, _entropy(label, runs)) if text)


def _told(label: str, runs: Sequence[Columns], sign: Sign) -> str | None:
    limit = LIMITS[sign.metric]
    bound = {"below": limit} if sign.is_least else {"above": limit}
    return _worded(label, sign, limit, [onset(*_curve(run, sign.metric), **bound) for run in runs])


def _curve(run: Columns, metric: str) -> tuple[np.ndarray, np.ndarray]:
    values = run.of(metric)
    known = ~np.isnan(values)
    return run.steps[known], values[known]


def _entropy(label: str, runs: Sequence[Columns]) -> str | None:
    """Of the share that is left of the entropy's beginning."""
    found: list[Onset | None] = []
    for run in runs:
        steps, values = _curve(run, ENTROPY)
        start = np.median(values[:BEGINNING]) if len(values) else 0.0
        found.append(onset(steps, values / start, below=ENTROPY_KEPT) if start > 0 else None)
    sign = Sign(
        ENTROPY,
        "the entropy fell to {value} of its beginning, below {limit} since step {step}",
        "Try a larger clip_ratio_high (DAPO: 0.28), a KL loss, or a smaller learning rate.",
        is_share=True,
    )
    return _worded(label, sign, ENTROPY_KEPT, found)


def _worded(label: str, sign: Sign, limit: float, found: Sequence[Onset | None]) -> str | None:
    """The sentence where most of a variant's runs are out of range, on the mean of these; the step is the earliest."""
    out = [one for one in found if one is not None]
    if 2 * len(out) <= len(found):
        return None
    write = percent if sign.is_share else "{:.2g}".format
    words = sign.words.format(
        value=write(float(np.mean([one.value for one in out]))), limit=write(limit), step=min(one.step for one in out)
    )
    return f"{label}: {words}. {sign.cure}"


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
