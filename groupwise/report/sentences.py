"""Says in words what the runs show, and no more than their intervals do."""

from collections.abc import Iterator, Sequence
from itertools import chain

from groupwise.display import Sentence, percent
from groupwise.report.comparison import Compared, SetResult
from groupwise.report.curves import VariantCurves
from groupwise.report.findings import Findings, Results
from groupwise.report.health import health
from groupwise.report.variants import Variant, differing_keys
from groupwise.report.wording import apart, interval, is_share, seeds

GROWTH = 1.5
"""Length that grew or shrank by more is told."""

Prompts = tuple[tuple[float, float] | None, tuple[float, float] | None]
"""Intervals over prompts of two variants, where they have one seed each."""


def say(results: Results) -> list[Sentence]:
    """Says what runs show, most important first, sentences on the same together."""
    told = [
        *(Sentence("Result", text) for text in results_of(results)),
        *(Sentence("Gradient", text) for found in results.findings for text in gradient(found, results)),
        *chain.from_iterable(
            display.sentences(found.methods[display.name])
            for display in results.displays
            for found in _acting(display.name, results)
        ),
    ]
    topics = list(dict.fromkeys(sentence.topic for sentence in told))
    return [
        *sorted(told, key=lambda sentence: topics.index(sentence.topic)),
        *(one for variant in results.variants for one in health(variant.label, [run.metrics for run in variant.runs])),
        *(Sentence("Policy", text) for found in results.findings for text in policy(found)),
        *(Sentence("Caution", text) for text in caution(results)),
    ]


def _acting(name: str, results: Results) -> list[Findings]:
    """Beside variants that a method trained, what it would have done in others is of little interest."""
    computed = [found for found in results.findings if name in found.methods]
    return [found for found in computed if found.methods[name].applied] or computed


def results_of(results: Results) -> Iterator[str]:
    """Says how far variants are from the baseline, or how far the only one has come."""
    main = results.main
    if main is None:
        yield "No validation was logged: nothing can be said about accuracy."
        return
    if results.baseline is None:
        yield from _alone(results.variants[0], main)
        return
    baseline = results.variants[results.baseline]
    for place, variant in enumerate(results.variants):
        if place == results.baseline:
            continue
        compared = main.compared[place]
        if compared is None:
            both = f"{variant.label} and {baseline.label}"
            yield f"{both} were never validated at the same step: they cannot be compared."
        else:
            prompts = main.over_prompts[place], main.over_prompts[results.baseline]
            yield verdict(variant.label, baseline.label, main, compared, prompts)


def _alone(variant: Variant, main: SetResult) -> Iterator[str]:
    level = main.levels[0]
    if level is None:
        yield "No step was validated in all seeds: nothing can be said about accuracy."
    elif level.first_step == level.last_step:
        yield f"{variant.label} was validated once: there is no change to tell."
    else:
        yield (
            f"{variant.label} changed by {apart(level.last - level.first, is_share=is_share(main.metric))} on "
            f"{main.source} from step {level.first_step} to {level.last_step}. Without a baseline this does not show "
            "what the method contributed."
        )


def verdict(label: str, baseline: str, result: SetResult, compared: Compared, prompts: Prompts) -> str:
    """Says whether a variant is above the baseline at the last common validation: "better" or "worse" only where the
    interval over seeds leaves out 0."""
    share, last = is_share(result.metric), compared.last
    head = f"At step {compared.step:,}, on {result.source}: {label} - {baseline} = {apart(last.value, is_share=share)}"
    if last.low is None or last.high is None:
        return f"{head}. One seed of a variant: an illustration, not evidence.{_overlap(prompts)}"
    ours, theirs = last.seeds
    count = f"{ours} seeds each" if ours == theirs else f"{ours} and {theirs} seeds"
    how = "paired" if last.method == "paired" else "Welch"
    head = f"{head} ({interval(last, is_share=share)}; {count}, {how})"
    if last.low > 0:
        return f"{head}. The interval lies above 0: {label} is better here, beyond what these seeds vary."
    if last.high < 0:
        return f"{head}. The interval lies below 0: {label} is worse here, beyond what these seeds vary."
    return f"{head}. The interval includes 0: these runs show neither that {label} helps nor that it does not."


def _overlap(prompts: Prompts) -> str:
    ours, theirs = prompts
    if ours is None or theirs is None:
        return ""
    overlap = ours[0] <= theirs[1] and theirs[0] <= ours[1]
    return (
        f" The intervals over prompts of the last validations {'overlap' if overlap else 'do not overlap'}; they leave "
        "out how much seeds differ."
    )


def gradient(found: Findings, results: Results) -> Iterator[str]:
    """Says how many responses had no gradient, and how many of these a method gave one."""
    if found.without_gradient is not None:
        gave = "".join(
            display.gave(found.methods[display.name])
            for display in results.displays
            if any(found is acting for acting in _acting(display.name, results))
        )
        share = percent(found.without_gradient)
        yield f"{found.label}: {share} of the responses had no gradient under the base estimator{gave}."


def policy(found: Findings) -> Iterator[str]:
    """Says what became of the length, as far as it is worth a sentence."""
    if found.length is not None and found.length.first > 0:
        grown = found.length.last / found.length.first
        if grown > GROWTH or grown < 1 / GROWTH:
            yield (
                f"{found.label}: responses went from {found.length.first:,.0f} to {found.length.last:,.0f} tokens "
                f"({grown:.1f} times)."
            )


def caution(results: Results) -> Iterator[str]:
    """Says what stands in the way of a comparison."""
    lengths = {found.label: found.steps for found in results.findings}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{label} {steps:,}" for label, steps in lengths.items())
        yield f"The variants differ in length ({told} steps); they are compared at the last validation that both have."
    for variant in results.variants:
        if variant.are_repeats:
            yield (
                f"{variant.label}: its {len(variant.runs)} runs have the same seeds in their configurations. They "
                "repeat one run, so that intervals over them are too narrow."
            )
    for found in results.findings:
        methods = " and ".join(str(display) for display in results.displays if display.name in found.methods)
        if found.unjudged:
            yield (
                f"{found.label}: {percent(found.unjudged)} of the training responses could not be judged; "
                f"{methods or 'a method'} leaves them out, and the base estimator sees them with the score 0."
            )
        if found.estimator is None and methods and found.without_gradient is not None:
            yield (
                f"{found.label}: nothing says which estimator trained it, so what stands under {methods} was done or "
                "only observed; a config.yaml in the run's folder would tell."
            )


def notes(results: Results, curves: Sequence[VariantCurves]) -> list[str]:
    """Says how the page was made: what a point is, what a band is, what was left out."""
    return [
        *_points(curves),
        *_seeds(results.variants, curves),
        *_variants(results.variants),
        *(f"{run.path}: {note}" for variant in results.variants for run in variant.runs for note in run.notes),
    ]


def _points(curves: Sequence[VariantCurves]) -> Iterator[str]:
    width = max((grid.width for variant in curves for grid in variant.grids), default=1)
    if width > 1:
        yield (
            f"Long runs are drawn in buckets: a point is the mean of up to {width} steps, of those that logged the "
            "metric; counts are therefore counts a step. The table and the sentences are of all steps."
        )
    yield (
        "Smoothing is an exponential mean, corrected at its beginning as tensorboard's; ends of bands are smoothed "
        "alike, and the unsmoothed curve stays behind, faint."
    )
    yield (
        "First and last values of entropy and length are means of the first and the last 5% of the steps. Hours add up "
        "the logged time of steps and validations; the time of restarts is not in them."
    )


def _seeds(variants: Sequence[Variant], curves: Sequence[VariantCurves]) -> Iterator[str]:
    if all(len(variant.runs) == 1 for variant in variants):
        yield "Every variant has one seed: nothing on this page says how much seeds differ."
        return
    yield (
        "Intervals over seeds are 95% intervals of Student's t, at steps that all seeds of the variant have; "
        "differences are paired where both variants have the same seeds, else Welch's. They are not adjusted for their "
        "number."
    )
    yield (
        "What exists only under a condition, such as τ* or the perplexity of right responses, is the mean over the "
        "seeds that have it in a step, with a band where all have it."
    )
    for variant, drawn in zip(variants, curves, strict=True):
        if drawn.shared < drawn.most:
            count = seeds(len(variant.runs))
            yield f"{variant.label}: all {count} have {drawn.shared:,} of up to {drawn.most:,} training steps."


def _variants(variants: Sequence[Variant]) -> Iterator[str]:
    differing = differing_keys(variants)
    if differing:
        yield f"Variants differ in more than the estimator and its settings: {'; '.join(differing)}."
    for variant in variants:
        yield f"{variant.label}: {', '.join(str(run.path) for run in variant.runs)}."
