"""Sentences on what the dumps hold and what was asked of them, for the terminal and the page alike."""

from collections import Counter
from typing import Final

from groupwise.inspect.groups import Census, Group, Wanted
from groupwise.inspect.text import one_line

OPTIONS: Final = {
    "steps": "--step",
    "label": "--label",
    "kind": "--kind",
    "direction": "--direction",
    "data_source": "--data-source",
    "uid": "--uid",
}
INKS: Final = {"right": "good", "wrong": "bad", "unjudged": "warn"}
"""Colours of verdicts, in the terminal and on the page."""


def about(census: Census) -> list[str]:
    """Tells in a few sentences what the dumps hold."""
    acts, count, acted = census.display.acts, len(census.steps), census.directions
    observed = census.estimators.total()
    was = "would have been" if observed == count else "was"
    ways = [f"{acted[way]} {way}" for way in ("up", "down")]
    ways += [f"{acted['both']} both ways"] if acted["both"] else []
    sentences = [
        f"{steps_of(census)} {'holds' if count == 1 else 'hold'} {many(census.groups, 'group')}: "
        f"{counted(census.kinds)}. In {acted.total()} of them {acts.target} {was} {acts.deed}: {', '.join(ways)}."
    ]
    if observed:
        which = "The run" if observed == count else many(observed, "step")
        sentences.append(
            f"{which} trained with {', '.join(sorted(census.estimators))}; {census.display} was observed, and what it "
            "would have done is shown."
        )
    return [*sentences, *census.display.told(list(census.steps.values()))]


def settings_of(census: Census) -> str:
    """Names the settings of the method, on a line."""
    return ", ".join(one_line(f"{name} {value}", 200) for name, value in census.settings.items()) or "none"


def nothing_found(census: Census, wanted: Wanted) -> str:
    """Says that no group was found, and what there is instead."""
    asked = [
        f"{option} {', '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, option in OPTIONS.items()
        if (value := getattr(wanted, name)) is not None
    ]
    display = census.display
    acted = "" if wanted.untouched else f" in which {display.acts.target} was {display.acts.deed}"
    title = display.acts.label_title.lower()
    labels = f" Responses by {title}: {counted(census.labels) or 'none'}." if display.acts.labels else ""
    hint = "" if wanted.untouched else f" --all also shows groups that {display} left alone."
    asked_for = f" with {' '.join(asked)}" if asked else ""
    return (
        f"There is no group{asked_for}{acted}. {' '.join(about(census))} Data sources: {counted(census.sources)}."
        f"{labels}{hint}"
    )


def shown(count: int, matching: int) -> str:
    """Tells that not all groups are shown."""
    which = "first is" if count == 1 else f"first {count:,} are"
    more = "--limit shows more, and --step, --kind and other options select"
    return f"Of {many(matching, 'such group')} the {which} shown; {more}."


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


def many(count: int, one: str) -> str:
    """Prints a number with its noun: "1 group", "2,000 groups"."""
    return f"{count:,} {one if count == 1 else one + 's'}"


def happened(group: Group) -> str:
    """Says what the method did to a group: "left alone", "reallocated up", "would have been moved down"."""
    if group.direction is None:
        return "left alone"
    way = "both ways" if group.direction == "both" else group.direction
    return f"{'' if group.applied else 'would have been '}{group.display.acts.deed} {way}"


def fate(group: Group, direction: str) -> str:
    """Says what happened to a response that the method acted on: "rewarded", "would have been pushed down"."""
    return f"{'' if group.applied else 'would have been '}{group.display.acts.fates[direction]}"
