"""What people see of a method, in training's live line, reports, replays and dumps: plain data, standard library only.

Every part has a default, built from what each method logs (`<name>/gradient_share/<name>`, `<name>/advantage_share`,
`<name>/judged_share`) and whatever else it does. A method with more to say overrides `Method.display`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol

from groupwise.display_rollouts import RolloutDisplay

PLAIN_WORDS: Final = {"max": "peak", "min": "low", "sum": "all", "total": "all"}
"""What stands in a method's metrics for words in its name by which verl would take an extreme over the updates of a
step, or add them up (MetricsAggregator, verl/trainer/ppo/v1/utils.py)."""


def label_of(name: str) -> str:
    """What the names of a method's metrics begin with: its own name, but `max_rl` logs `peak_rl/...`."""
    for word, plain in PLAIN_WORDS.items():
        name = name.replace(word, plain)
    return name


NONE: Final = "not logged"
OBSERVED: Final = {True: "", False: " (observed)", None: " (done or observed)"}
"""Behind what a method did in a run, or would have done where another one was trained; None: nothing says which."""


class Metric(NamedTuple):
    """What a metric says, and what it does in a run that goes well; each in a few words."""

    meaning: str
    healthy: str = ""


class Colour(NamedTuple):
    """A colour on the light and on the dark page, as `#rrggbb`."""

    light: str
    dark: str


class Series(NamedTuple):
    """A curve, or a layer of a stack."""

    label: str | None  # in the legend; None where each variant has such a curve, which goes by the variant's name
    metric: str | Mapping[str, str]  # its full name; of a validation set, that of each figure that may be chosen
    colour: Colour | None = None  # None leaves it to the order
    ends: tuple[str, str] | None = None
    """Metrics of the ends of its band; None where the band is the interval over seeds. An interval over prompts is
    drawn for a single seed alone, and quantiles always, since their means are no seed's."""


class Panel(NamedTuple):
    """A chart with a curve for each variant, of one series without a label; of labelled series one for each variant."""

    key: str  # its name in the page and of its picture's file: letters, digits and hyphens
    title: str
    series: Sequence[Series]
    y_title: str
    shape: Literal["lines", "stack", "opposed"] = "lines"  # a stack's are on each other, opposed: the second below zero
    is_share: bool = False  # whether values lie in [0, 1]
    floor: float | None = None  # what the y axis reaches down to; None where the curves say it
    span: float = 0.0  # smallest extent of the y axis, so that noise does not fill it
    is_log: bool = False
    is_banded: bool = True
    limit: float | None = None  # where the healthy range ends, drawn as a dashed line


class Section(NamedTuple):
    """A part of the report: its heading, how to read it, and its charts."""

    title: str
    caption: str
    panels: Sequence[Panel]


class Sentence(NamedTuple):
    """A statement, and what it is about in a word."""

    topic: str
    text: str


class Log(Protocol):
    """The metrics of a variant: figures of each of its runs, averaged over them; None where a run lacks the metric."""

    def mean(self, metric: str) -> float | None:
        """The mean over the steps that logged it."""
        ...

    def total(self, metric: str) -> float | None:
        """The sum over the steps."""
        ...

    def steps(self, metric: str) -> float:
        """The number of steps that logged it."""
        ...

    def active(self, *metrics: str) -> float | None:
        """The share of the steps that logged all of these in which their sum is above 0."""
        ...


class Found(NamedTuple):
    """What a method did in a variant."""

    variant: str  # its name
    applied: bool | None  # whether the method trained it; False where it was observed, None where nothing says it
    seeds: int  # runs of the variant
    numbers: Mapping[str, Any]  # what `Display.numbers` gave

    @property
    def per_run(self) -> str:
        """Behind a count that is a mean over seeds."""
        return "" if self.seeds == 1 else " a run"


class Row(NamedTuple):
    """A row of the summary table: its label, its cell for a variant, and whether it belongs under the row above."""

    label: str
    cell: Callable[[Found], str]
    is_part: bool = False


BASE: Final = Colour("#6e747c", "#a9b0ba")
METHOD: Final = Colour("#0072B2", "#4aa8e8")
"""Colours of the base estimator and of the method beside it."""

COMMON: Final = {
    "gradient_share/grpo": Metric(
        "share of responses with a non-zero advantage under the base estimator", "falls as easy groups grow"
    ),
    "advantage_share": Metric("share of the summed |advantage| that is the method's own", "small for a perturbation"),
    "judged_share": Metric("share of responses in groups whose every response has a verdict and a perplexity", "1"),
}
EFFECT: Final = {
    "advantage_size/hard": Metric(
        "mean |advantage| in groups that are all wrong", "0.6 to 0.9 is that of a mixed group of eight"
    ),
    "advantage_size/easy": Metric("the same in groups that are all right", "likewise"),
    "confidence_correlation/hard": Metric(
        "correlation of advantage and mean log-prob within groups that are all wrong",
        "below 0: confident errors lose against unsure ones; 0: all move alike",
    ),
    "confidence_correlation/easy": Metric(
        "the same in groups that are all right", "above 0: confident right answers gain on unsure ones"
    ),
    "collapse_rate/grpo": Metric(
        "share of groups whose advantages are all 0 under the base estimator (the advantage collapse rate)", "below 0.5"
    ),
}
"""Metrics of every method, beside `gradient_share/<name>` and `collapse_rate/<name>`."""


@dataclass(frozen=True)
class Display(RolloutDisplay):
    """What people see of a method.

    Attributes:
        name: The method's.
        title: How it is written; the name where empty.
        metrics: Its own metrics by name, without `<name>/`, in the order in which they are shown.
    """

    name: str
    title: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    conditional: Sequence[str] = ()
    """How metrics begin, without `<name>/`, that exist only in steps where something was found; over seeds they are
    averaged over those that have them."""

    @property
    def label(self) -> str:
        """What the names of its metrics begin with."""
        return label_of(self.name)

    def __str__(self) -> str:
        return self.title or self.name

    def full(self, metric: str) -> str:
        """The name under which one of its metrics is logged."""
        return f"{self.label}/{metric}"

    def key(self, name: str) -> str:
        """A panel's key that no other method has."""
        return f"{self.name}-{name}"

    @property
    def gradient(self) -> tuple[str, str]:
        """Metrics of the share of responses with a gradient: under the base estimator, and with the method."""
        return self.full("gradient_share/grpo"), self.full(f"gradient_share/{self.label}")

    def meanings(self) -> dict[str, Metric]:
        """What its metrics mean, by full name."""
        own = {
            f"gradient_share/{self.label}": Metric(f"the same with {self}", "above the base estimator's"),
            f"collapse_rate/{self.label}": Metric(
                f"share of groups without any advantage with {self}", "below the base estimator's"
            ),
        }
        return {self.full(name): metric for name, metric in {**COMMON, **EFFECT, **own, **self.metrics}.items()}

    # ---------------------------------------------------------------- the report

    def numbers(self, log: Log) -> dict[str, Any]:
        """What it did in a variant; None for what was not logged."""
        without, with_it = (None if (share := log.mean(name)) is None else 1 - share for name in self.gradient)
        known = without is not None and with_it is not None and without > 0
        return {
            "without_gradient": without,
            "with_method": with_it,
            "given_gradient": (without - with_it) / without if known else None,
            "advantage_share": log.mean(self.full("advantage_share")),
            "judged_share": log.mean(self.full("judged_share")),
        }

    def rows(self) -> list[Row]:
        """Rows of the table, the first of them under `responses without gradient, base estimator`."""
        return [Row(f"given one by {self}", given, is_part=True)]

    def gave(self, found: Found) -> str:
        """What follows on the share of responses without a gradient, such as `; DiPO gave 20% of these one`."""
        share = found.numbers["given_gradient"]
        if share is None:
            return ""
        did = {True: "gave", False: "would have given", None: "gave, or would have given,"}[found.applied]
        return f"; {self} {did} {percent(share)} of these one"

    def sentences(self, found: Found) -> Iterator[Sentence]:
        """What else is to be said of a variant."""
        yield from ()

    def sections(self, logged: Collection[str]) -> list[Section]:
        """Sections of the page, by the metrics that any variant has logged under full names."""
        shown = {*self.gradient, *map(self.full, COMMON)}
        others = [name for name in logged if name.startswith(f"{self.label}/") and name not in shown]
        listed = {self.full(name): place for place, name in enumerate(self.metrics)}
        others.sort(key=lambda name: (listed.get(name, len(listed)), name))
        section = self.gradient_section(
            f"Share of responses with an advantage other than 0. The gap is what {self} adds."
        )
        panels = [Panel(self.key(f"metric-{n + 1}"), name, [Series(None, name)], "") for n, name in enumerate(others)]
        return [section._replace(panels=[*section.panels, *panels])]

    def gradient_section(self, caption: str) -> Section:
        """Who has a gradient, without the method and with it, and how much of the advantage is its own."""
        base, with_it = self.gradient
        curves = [Series("base estimator (GRPO)", base, BASE), Series(f"with {self}", with_it, METHOD)]
        title, axis = "Responses with a gradient", "share of responses"
        gradient = Panel(self.key("gradient"), title, curves, axis, is_share=True)
        title, own = f"Share of |advantage| from {self}", [Series(None, self.full("advantage_share"))]
        share = Panel(self.key("advantage"), title, own, "share", is_share=True, floor=0.0)
        return Section("Gradient", caption, [gradient, share])

    # ---------------------------------------------------------------- the terminal

    def line(self, metrics: Mapping[str, float], *, applied: bool) -> str:
        """A step in a few words, from all that it logs; `applied` where the method is the one that is trained."""
        share = metrics.get(self.gradient[1])
        return "" if share is None else f"gradient {'' if applied else 'would be '}{share:.0%}"


def given(found: Found) -> str:
    """The cell of the responses that the method gave a gradient."""
    if found.numbers["without_gradient"] == 0:
        return "none lack one"
    share = found.numbers["given_gradient"]
    return NONE if share is None else f"{percent(share)}{OBSERVED[found.applied]}"


def percent(share: float) -> str:
    """Writes a share in [0, 1] in percent, with a decimal near both ends; what is not 0 or 1 never reads so."""
    shown = share * 100
    if 0 < shown < 0.05:
        return "under 0.1%"
    if 99.95 <= shown < 100:
        return "over 99.9%"
    digits = 0 if shown in (0, 100) or 10 <= shown <= 90 else 1
    return f"{shown:.{digits}f}%"


def count(number: float) -> str:
    """Writes a count: whole, or with a decimal where it is a mean over seeds."""
    return f"{number:,.0f}" if float(number).is_integer() or number >= 100 else f"{number:.1f}"
