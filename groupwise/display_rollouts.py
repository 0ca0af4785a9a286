"""What people see of a method in dumps of rollouts: in replays of a run, and in the groups that `inspect` shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple


class Label(NamedTuple):
    """What a response is, by the method: a short code, and what it means in a few words."""

    code: str
    meaning: str


@dataclass(frozen=True)
class Acts:
    """What a method does to groups and responses, in words, and the columns of its own (see `Outcome`) that tell it.

    Without such columns a method has acted on each response whose advantage is not the base estimator's.
    """

    target: str = "an advantage"
    deed: str = "moved"
    """In a sentence: in some groups the target `was <deed>`."""
    fates: Mapping[str, str] = field(default_factory=lambda: {"up": "pushed up", "down": "pushed down"})
    """What happened to a response that it acted on, in each direction: it `was <fate>`."""
    touched: str = ""
    """Column: whether it acted on the group."""
    chosen: str = ""
    """Column: whether the response is one that it acted on."""
    directions: Mapping[str, str] = field(default_factory=dict)
    """By kind of such a group (hard, easy, mixed), up or down."""
    label: str = ""
    """Column: what tells responses apart."""
    label_title: str = "Label"
    labels: Mapping[str, Label] = field(default_factory=dict)
    """By the values of that column."""


class RolloutDisplay:
    """The part of a method's display that speaks of dumps."""

    acts: ClassVar[Acts] = Acts()
    reading: ClassVar[str] = "The bold marks are responses whose advantage the method moved."
    """How to read its part of a page of groups."""

    def group_facts(
        self, own: Mapping[str, Any], metrics: Mapping[str, float], settings: Mapping[str, Any]
    ) -> dict[str, str]:
        """What it looked at in a group, by name; `own` are its columns of the group's first response."""
        return {}

    def marks(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Perplexities that it compares those of responses with, by name."""
        return {}

    def response_facts(self, own: Mapping[str, Any]) -> dict[str, str]:
        """What its columns say of a response, by name; those apart that `acts` names."""
        named = (self.acts.touched, self.acts.chosen, self.acts.label, "advantage")
        shown = {name: value for name, value in own.items() if name not in named and value is not None}
        return {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in shown.items()}

    def told(self, steps: Sequence[Mapping[str, float]]) -> Iterator[str]:
        """Sentences of its own on the steps whose groups are shown, from the metrics of each."""
        yield from ()

    def cells(self, metrics: Mapping[str, float]) -> dict[str, str]:
        """Columns of its own in the table of a replay's steps: by heading a cell, "-" where a metric is absent."""
        return {}

    def totals(self, steps: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """Figures of its own over all steps of a replay, from the metrics of each."""
        return {}

    def replayed(self, total: Mapping[str, Any]) -> Iterator[str]:
        """Sentences on these figures, beside `updates`, `groups`, `hard` and `easy`, which all replays count."""
        yield from ()
