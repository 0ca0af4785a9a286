"""Says which arm is better, and no more than the interval over seeds does."""

from collections.abc import Iterator

from groupwise.report.comparison import Compared
from groupwise.report.results import Results, SetResult
from groupwise.report.wording import apart, is_share


def say_result(results: Results) -> Iterator[str]:
    """Says how far arms are apart, or how far the only one has come.

    Args:
        results: What the runs show.

    Yields:
        A sentence for each arm that is compared, or one.
    """
    if results.main is None:
        yield "No validation was logged: nothing can be said about accuracy."
        return
    main = results.sets[results.main]
    if results.baseline is None:
        yield from _alone(results, main)
        return
    baseline = results.arms[results.baseline]
    for place, arm in enumerate(results.arms):
        if place == results.baseline:
            continue
        compared = main.compared[place]
        if compared is None:
            yield f"{arm.label} and {baseline.label} were never validated at the same step: they cannot be compared."
            continue
        prompts = main.over_prompts[place], main.over_prompts[results.baseline]
        yield verdict(arm.label, baseline.label, main, compared, prompts)


def _alone(results: Results, main: SetResult) -> Iterator[str]:
    level = main.levels[0]
    if level is None:
        yield "No step was validated in all seeds: nothing can be said about accuracy."
    elif level.first_step == level.last_step:
        yield f"{results.arms[0].label} was validated once: there is no change to tell."
    else:
        change = apart(level.last - level.first, is_share=is_share(main.metric))
        unit = " points" if is_share(main.metric) else ""
        yield (
            f"{results.arms[0].label} changed by {change}{unit} on {main.source} from step {level.first_step} to "
            f"{level.last_step}. Without a baseline this does not show what the method contributed."
        )


def verdict(
    label: str,
    baseline: str,
    result: SetResult,
    compared: Compared,
    prompts: tuple[tuple[float, float] | None, tuple[float, float] | None],
) -> str:
    """Says whether an arm is above the baseline at the last common validation.

    Args:
        label: The arm.
        baseline: The baseline.
        result: The validation set.
        compared: The differences.
        prompts: Intervals over prompts of both arms, where they have one seed each.

    Returns:
        The sentence: "above" or "below" only where the interval over seeds leaves out 0.
    """
    share = is_share(result.metric)
    last = compared.last
    unit = " points" if share else ""
    head = (
        f"At step {compared.step:,}, on {result.source}, {label} less {baseline} is {apart(last.value, is_share=share)}"
    )
    if last.low is None or last.high is None:
        return f"{head}{unit}. One seed of an arm: an illustration, not evidence.{_overlap(prompts)}"
    ends = f"{apart(last.low, is_share=share)} to {apart(last.high, is_share=share)}"
    how = "paired" if last.method == "paired" else "Welch"
    head = f"{head}{unit} (95% interval {ends}; {_seeds(*last.seeds)}, {how})"
    if last.low > 0:
        return f"{head}. The interval lies above 0: {label} is better here, beyond what these seeds vary."
    if last.high < 0:
        return f"{head}. The interval lies below 0: {label} is worse here, beyond what these seeds vary."
    return f"{head}. The interval holds 0: these runs do not show that {label} helps, nor that it does not."


def _seeds(ours: int, theirs: int) -> str:
    return f"{ours} seeds each" if ours == theirs else f"{ours} and {theirs} seeds"


def _overlap(prompts: tuple[tuple[float, float] | None, tuple[float, float] | None]) -> str:
    ours, theirs = prompts
    if ours is None or theirs is None:
        return ""
    overlap = ours[0] <= theirs[1] and theirs[0] <= ours[1]
    return (
        f" The intervals over prompts of the last validations {'overlap' if overlap else 'do not overlap'}; they leave "
        "out how much seeds differ."
    )
