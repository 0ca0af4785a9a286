"""Sentences on what the dumps hold and what was asked of them, for the terminal and the page alike."""

from collections import Counter

from groupwise.inspect.finding import Census, Wanted
from groupwise.inspect.text import number, one_line

OPTIONS = {
    "steps": "--step",
    "quadrant": "--quadrant",
    "kind": "--kind",
    "direction": "--direction",
    "data_source": "--data-source",
    "uid": "--uid",
}


def about(census: Census) -> list[str]:
    """Tells what the dumps hold.

    Args:
        census: Of the dumps.

    Returns:
        A few sentences.
    """
    up, down = census.directions["up"], census.directions["down"]
    observed = sum(census.estimators.values())
    only_observed = observed == len(census.steps)
    sentences = [
        f"{steps_of(census)} {'holds' if len(census.steps) == 1 else 'hold'} {many(census.groups, 'group')}: "
        f"{counted(census.kinds)}. In {up + down} of them a reward {'would have been' if only_observed else 'was'} "
        f"reallocated: {up} up, {down} down."
    ]
    if observed:
        names = ", ".join(sorted(census.estimators))
        which = "The run trained" if only_observed else f"{many(observed, 'step')} trained"
        sentences.append(
            f"{which} on verified rewards alone ({names}); DiPO was observed, and what it would have done is shown."
        )
    if census.admissible < len(census.steps):
        sentences.append(
            f"A threshold was admissible in {census.admissible} of {many(len(census.steps), 'step')}; without one "
            "nothing is reallocated."
        )
    return sentences


def settings_of(census: Census) -> str:
    """Names the settings of the run.

    Args:
        census: Of the dumps.

    Returns:
        The settings, on a line.
    """
    settings = census.settings
    confidence = "point estimates" if settings["confidence"] is None else f"confidence {settings['confidence']:g}"
    return (
        f"alpha {number(settings['alpha'])}, rule {settings['group_perplexity']}, {confidence}, "
        f"queue of {many(settings['queue_batches'], 'batch', 'batches')}"
    )


def nothing_found(census: Census, wanted: Wanted) -> str:
    """Says that no group was found, and what there is instead.

    Args:
        census: Of the dumps.
        wanted: What was asked for.

    Returns:
        One paragraph.
    """
    asked = [
        f"{option} {_value(value)}" for name, option in OPTIONS.items() if (value := getattr(wanted, name)) is not None
    ]
    which = "group" if wanted.untouched else "reallocated group"
    asked_for = f" with {' '.join(asked)}" if asked else ""
    sources = counted(census.sources)
    quadrants = counted(census.quadrants) or "none, for want of a threshold"
    hint = "" if wanted.untouched else " --all also shows groups in which nothing was reallocated."
    return (
        f"There is no {which}{asked_for}. {' '.join(about(census))} Data sources: {sources}. Responses by quadrant: "
        f"{quadrants}.{hint}"
    )


def _value(value: object) -> str:
    return ", ".join(str(step) for step in value) if isinstance(value, tuple) else str(value)


def shown(count: int, matching: int) -> str:
    """Tells that not all groups are shown.

    Args:
        count: Groups that are shown.
        matching: Groups that were asked for.

    Returns:
        One sentence.
    """
    which = "first is" if count == 1 else f"first {count:,} are"
    return f"Of {many(matching, 'such group')} the {which} shown; --limit shows more; --step, --kind and others choose."


def steps_of(census: Census) -> str:
    """Names the steps, as "Step 3" or "Steps 1 to 9"; those that are missing in between are counted."""
    first, last = min(census.steps), max(census.steps)
    if len(census.steps) == 1:
        return f"Step {first}"
    whole = len(census.steps) == last - first + 1
    return f"Steps {first} to {last}" if whole else f"{len(census.steps)} steps from {first} to {last}"


def counted(counter: Counter[str]) -> str:
    """Prints a counter, most first, as "3 hard, 1 easy"; of many entries the first ten."""
    entries = [f"{count:,} {one_line(name, 60) or 'unnamed'}" for name, count in counter.most_common(10)]
    more = len(counter) - len(entries)
    return ", ".join([*entries, f"and {more} more"] if more else entries)


def many(count: int, one: str, more: str = "") -> str:
    """Prints a number with its noun.

    Args:
        count: The number.
        one: The noun.
        more: Its plural where that is not with an s.

    Returns:
        Such as "1 group", "2,000 groups".
    """
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def fate(direction: str, *, applied: bool) -> str:
    """Says what happened to the chosen response.

    Args:
        direction: up or down.
        applied: Whether it was trained on.

    Returns:
        Such as "rewarded", "would have been penalised".
    """
    done = "rewarded" if direction == "up" else "penalised"
    return done if applied else f"would have been {done}"
