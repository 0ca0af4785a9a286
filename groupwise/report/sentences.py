"""Says in words what the runs show, and no more than their intervals do."""

from collections.abc import Iterator
from typing import NamedTuple

from groupwise.report.arms import are_repeats
from groupwise.report.findings import Findings
from groupwise.report.results import Results
from groupwise.report.verdicts import say_result
from groupwise.report.wording import count, percent

SELDOM, MOSTLY = 0.2, 0.8
"""Below the one a threshold is called seldom admissible, from the other on mostly."""

COLLAPSE, GROWTH = 0.5, 1.5
"""Entropy below the one of its beginning is told, and length beyond the other."""

CUT_OFF = 0.1
"""Share of responses at the length limit from which on it is told."""


class Sentence(NamedTuple):
    """A statement.

    Attributes:
        topic: What it is about, in a word.
        text: The sentence.
    """

    topic: str
    text: str


def say(results: Results) -> list[Sentence]:
    """Says what runs show.

    Args:
        results: Their results.

    Returns:
        The sentences, most important first.
    """
    # Beside an arm that was trained with DiPO, what it would have done in another one is of little interest.
    acting = [found for found in results.findings if found.applied] or results.findings
    return [
        *(Sentence("Result", text) for text in say_result(results)),
        *(
            Sentence("Gradient", text)
            for found in results.findings
            for text in gradient(found, is_whole=found in acting)
        ),
        *(Sentence("Threshold", text) for found in acting for text in threshold(found)),
        *(Sentence("Rules", text) for found in acting for text in rules(found)),
        *(Sentence("Policy", text) for found in results.findings for text in policy(found)),
        *(Sentence("Caution", text) for text in caution(results)),
    ]


def gradient(found: Findings, *, is_whole: bool = True) -> Iterator[str]:
    """Says how many responses had no gradient, and how many reallocation gave one.

    Args:
        found: An arm.
        is_whole: Whether the second is told.

    Yields:
        At most one sentence.
    """
    if found.without_gradient is None:
        return
    start = (
        f"{found.label}: {percent(found.without_gradient)} of the responses had no gradient under the base estimator"
    )
    given, up, down = found.given_gradient, found.up, found.down
    if not is_whole or given is None or up is None or down is None or found.acted is None:
        yield f"{start}."
    elif up + down == 0:
        yield f"{start}, and no group had a candidate for reallocation."
    else:
        gave = {True: "DiPO gave", False: "DiPO would have given", None: "DiPO gave, or would have given,"}[
            found.applied
        ]
        per_run = "" if found.seeds == 1 else " a run"
        yield (
            f"{start}; {gave} {percent(given)} of these one: {count(up)} hard and {count(down)} easy groups{per_run}, "
            f"in {percent(found.acted)} of the steps."
        )


def threshold(found: Findings) -> Iterator[str]:
    """Says how often a threshold was admissible.

    Args:
        found: An arm.

    Yields:
        At most one sentence.
    """
    share, right = found.admissible, found.something_right
    if share is None or right is None:
        return
    start = f"{found.label}: the threshold was admissible in {percent(share)} of the steps"
    if share >= MOSTLY:
        yield f"{start}: perplexity separates right from wrong here."
    elif share >= SELDOM:
        yield f"{start}; in the others DiPO changes nothing."
    elif right < 0.5:
        yield f"{start}: in {percent(1 - right)} of them no response was right."
    else:
        yield f"{start}: perplexity does not separate right from wrong here."


def rules(found: Findings) -> Iterator[str]:
    """Says what each `group_perplexity` rule would have touched.

    Args:
        found: An arm.

    Yields:
        At most one sentence.
    """
    if found.would and any(found.would.values()):
        (first, most), *others = sorted(found.would.items(), key=lambda item: -item[1])
        per_run = "" if found.seeds == 1 else " a run"
        told = ", ".join(f"{rule} {count(number)}" for rule, number in others)
        yield f"{found.label}: of the rules, {first} would have touched {count(most)} groups{per_run}, {told}."


def policy(found: Findings) -> Iterator[str]:
    """Says what became of entropy, length and the length limit.

    Args:
        found: An arm.

    Yields:
        A sentence for each thing that is worth one.
    """
    if found.entropy is not None and found.entropy.first > 0:
        kept = found.entropy.last / found.entropy.first
        if kept < COLLAPSE:
            yield f"{found.label}: entropy fell to {percent(kept)} of its first value."
    if found.length is not None and found.length.first > 0:
        grown = found.length.last / found.length.first
        if grown > GROWTH or grown < 1 / GROWTH:
            yield (
                f"{found.label}: responses went from {found.length.first:,.0f} to {found.length.last:,.0f} tokens "
                f"({grown:.1f} times)."
            )
    if found.cut_off is not None and found.cut_off.last > CUT_OFF:
        yield f"{found.label}: at the end {percent(found.cut_off.last)} of the responses reached the length limit."


def caution(results: Results) -> Iterator[str]:
    """Says what stands in the way of a comparison.

    Args:
        results: The results.

    Yields:
        A sentence each.
    """
    lengths = {found.label: found.steps for found in results.findings}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{label} {steps:,}" for label, steps in lengths.items())
        yield f"The arms differ in length ({told} steps); they are compared at the last validation that both have."
    for arm in results.arms:
        if are_repeats(arm):
            yield (
                f"{arm.label}: its {len(arm.runs)} runs have the same seeds in their configurations. They repeat one "
                "run, so that intervals over them are too narrow."
            )
    for found in results.findings:
        if found.unjudged:
            yield (
                f"{found.label}: {percent(found.unjudged)} of the training responses could not be judged; they take no "
                "part in DiPO, and the base estimator sees them with the score 0."
            )
        if found.estimator is None and found.without_gradient is not None:
            yield (
                f"{found.label}: nothing says which estimator trained it, so what stands under DiPO was done or only "
                "observed; a config.yaml in the run's folder would tell."
            )
