"""What people see of DiPO: its metrics and what they mean, its part of the report, and its words."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from groupwise.display import (
    NONE,
    OBSERVED,
    Colour,
    Found,
    Log,
    Metric,
    Panel,
    Row,
    Section,
    Sentence,
    Series,
    count,
    given,
    percent,
)
from recipe.dipo.rollout_words import ADMISSIBLE, DOWN, ERROR_RATE, TAU, UP, WOULD, RolloutWords

KINDS: Final = {
    "hard": Metric("share of groups with all responses wrong", "falls in training"),
    "mixed": Metric(
        "share of all other groups: those with a gradient under GRPO, and those with graded rewards",
        "the larger, the less there is for DiPO to do",
    ),
    "easy": Metric("share of groups with all responses right", "grows in training"),
}
QUADRANTS: Final = {
    "correct_low": Metric("CL: right and confident, share of responses", "grows"),
    "correct_high": Metric(
        "CH: right but unsure, share of responses; work in easy groups", "shrinks, as right answers become sure"
    ),
    "error_low": Metric("EL: wrong but confident, share of responses; work in hard groups", "falls"),
    "error_high": Metric("EH: wrong and unsure, share of responses", "falls with the errors; the larger part of them"),
}
"""By verdict, and by the side of tau* on which the perplexity lies."""

CORRECT, WRONG = "perplexity/correct", "perplexity/wrong"

METRICS: Final = {
    **{f"group_share/{kind}": metric for kind, metric in KINDS.items()},
    ADMISSIBLE: Metric(
        "1 if a threshold was admissible, else 0",
        "1 most of the time once something is right; always 0 means that perplexity does not separate right from "
        "wrong here",
    ),
    TAU: Metric("tau*, in units of perplexity", "between the mean perplexities of right and of wrong responses"),
    ERROR_RATE: Metric("share of the queue on the wrong side of tau*", "below the share of the rarer verdict"),
    "threshold/exploitation_advantage": Metric("D_EiS at tau*", "above 0"),
    "threshold/exploration_advantage": Metric("D_ErS at tau*", "above 0"),
    **{f"quadrant_share/{name}": metric for name, metric in QUADRANTS.items()},
    UP: Metric("hard groups in which a response was rewarded", "some in most steps"),
    DOWN: Metric("easy groups in which a response was penalised", "some, later in training"),
    WOULD["any"]: Metric("groups that the rule `any` would have reallocated", "the largest except for `always`"),
    WOULD["any_group"]: Metric(
        "groups that the rule `any_group` would have reallocated",
        "the same number as for `any`; in hard groups another response",
    ),
    WOULD["median"]: Metric("groups that the rule `median` would have reallocated", "below `any` in hard groups"),
    WOULD["mean"]: Metric("groups that the rule `mean` would have reallocated", "few: outliers lift a mean above tau*"),
    WOULD["max"]: Metric(
        "groups that the rule `max` would have reallocated", "the fewest hard groups; as many easy ones as `any`"
    ),
    WOULD["always"]: Metric(
        "groups that the rule `always` would have reallocated: all without variance", "the upper bound"
    ),
    CORRECT: Metric("mean perplexity of right responses", "below that of wrong responses"),
    WRONG: Metric("mean perplexity of wrong responses", "above that of right ones; equal: nothing to separate"),
    "advantage_share": Metric(
        "share of the summed |advantage| that comes from reallocation", "small: alpha is meant to perturb"
    ),
    "judged_share": Metric(
        "share of responses in groups whose every response has a verdict and a perplexity",
        "1, except with unjudged responses and with agents whose last output may hold no token of the policy",
    ),
    "queue_size": Metric("responses in the queue", "two batches from the second step on, minus the unjudged"),
}

SELDOM, MOSTLY = 0.2, 0.8
"""Below the one a threshold is called seldom admissible, from the other on mostly."""

RIGHT_COLOUR, WRONG_COLOUR = Colour("#009E73", "#2fc79a"), Colour("#D55E00", "#ff8c42")
THRESHOLD_COLOUR = Colour("#1f2328", "#f2f4f7")
KIND_COLOURS: Final = {
    "hard": Colour("#D55E00", "#e0763a"),
    "mixed": Colour("#d3d6da", "#4a505a"),
    "easy": Colour("#56B4E9", "#56B4E9"),
}
KIND_LABELS: Final = {"hard": "hard (all wrong)", "mixed": "mixed", "easy": "easy (all right)"}
LAYERS: Final = {
    "correct_low": ("right, confident (CL)", Colour("#00805d", "#1f9d78")),
    "correct_high": ("right, unsure (CH)", Colour("#8fd6bf", "#9be3cc")),
    "error_high": ("wrong, unsure (EH)", Colour("#f4bb94", "#f3c29f")),
    "error_low": ("wrong, confident (EL)", Colour("#c44f00", "#e0672a")),
}


class DiPODisplay(RolloutWords):
    """What people see of DiPO, or of a variant of it under another name."""

    def __init__(self, name: str, title: str = "DiPO") -> None:
        super().__init__(name, title, METRICS, conditional=("threshold/", "quadrant_share/", "perplexity/"))

    def numbers(self, log: Log) -> dict[str, Any]:
        """Groups, thresholds, and what was reallocated."""
        tried = log.steps(self.full(ADMISSIBLE))
        totals = {rule: log.total(self.full(name)) for rule, name in WOULD.items()}
        would = {rule: total for rule, total in totals.items() if total is not None}
        return {
            **super().numbers(log),
            "hard": log.mean(self.full("group_share/hard")),
            "easy": log.mean(self.full("group_share/easy")),
            "admissible": log.mean(self.full(ADMISSIBLE)),
            "something_right": log.steps(self.full(CORRECT)) / tried if tried else None,
            "up": log.total(self.full(UP)),
            "down": log.total(self.full(DOWN)),
            "acted": log.active(self.full(UP), self.full(DOWN)),
            "would": would or None,
        }

    def rows(self) -> list[Row]:
        """Those of every method, and what the groups and the threshold were."""
        return [
            Row("given one by reallocation", given, is_part=True),
            Row("groups all wrong, all right", _kinds),
            Row("groups reallocated, up and down", _reallocated),
            Row("steps with an admissible threshold", _admissible),
        ]

    def gave(self, found: Found) -> str:
        """Counts the groups too."""
        numbers = found.numbers
        up, down, acted = numbers["up"], numbers["down"], numbers["acted"]
        if numbers["given_gradient"] is None or up is None or down is None or acted is None:
            return ""
        if up + down == 0:
            return ", and no group had a candidate for reallocation"
        return (
            f"{super().gave(found)}: {count(up)} hard and {count(down)} easy groups{found.per_run}, in "
            f"{percent(acted)} of the steps"
        )

    def sentences(self, found: Found) -> Iterator[Sentence]:
        """How often a threshold was admissible, and what each `group_perplexity` rule would have touched."""
        share, right, would = (found.numbers[name] for name in ("admissible", "something_right", "would"))
        if share is not None and right is not None:
            start = f"{found.variant}: the threshold was admissible in {percent(share)} of the steps"
            if share >= MOSTLY:
                yield Sentence("Threshold", f"{start}: perplexity separates right from wrong here.")
            elif share >= SELDOM:
                yield Sentence("Threshold", f"{start}; in the others {self} changes nothing.")
            elif right < 0.5:
                yield Sentence("Threshold", f"{start}: in {percent(1 - right)} of them no response was right.")
            else:
                yield Sentence("Threshold", f"{start}: perplexity does not separate right from wrong here.")
        if would and any(would.values()):
            (first, most), *others = sorted(would.items(), key=lambda item: -item[1])
            told = ", ".join(f"{rule} {count(number)}" for rule, number in others)
            touched = f"{first} would have touched {count(most)} groups{found.per_run}, {told}."
            yield Sentence("Rules", f"{found.variant}: of the rules, {touched}")

    def sections(self, logged: Collection[str]) -> list[Section]:
        """Groups, perplexities and threshold, reallocation, gradient."""
        caption = (
            f"Share of responses with an advantage other than 0. The gap is what {self} adds; alpha says how strongly."
        )
        return [self._composition(), self._perplexity(logged), self._reallocation(), self.gradient_section(caption)]

    def _composition(self) -> Section:
        layers = [self._series(KIND_LABELS[kind], f"group_share/{kind}", KIND_COLOURS[kind]) for kind in KIND_LABELS]
        caption = (
            f"Groups whose responses are all wrong or all right have no gradient under GRPO; they are what {self} "
            "works on. Training should move them from hard over mixed to easy."
        )
        groups = Panel(self.key("groups"), "Groups", layers, "share of groups", shape="stack", is_share=True)
        return Section("Group composition", caption, [groups])

    def _perplexity(self, logged: Collection[str]) -> Section:
        # Means of perplexities are ruled by single outliers, which would flatten all else on a linear axis.
        axis: dict[str, Any] = {"y_title": "perplexity", "floor": 1.0, "is_log": True}
        curves = [
            self._series("wrong responses", WRONG, WRONG_COLOUR),
            self._series("right responses", CORRECT, RIGHT_COLOUR),
            self._series("threshold τ*", TAU, THRESHOLD_COLOUR),
        ]
        shares = [self._series(label, f"quadrant_share/{name}", colour) for name, (label, colour) in LAYERS.items()]
        panels = [
            Panel(self.key("perplexity"), "Perplexity", curves, **axis),
            Panel(self.key("quadrants"), "Quadrants", shares, "share of responses", shape="stack", is_share=True),
        ]
        if any(name.startswith("dump/perplexity/") for name in logged):
            spread = [
                _quantiles("wrong responses", "wrong", WRONG_COLOUR),
                _quantiles("right responses", "correct", RIGHT_COLOUR),
            ]
            panels.append(Panel(self.key("spread"), "Median and 10 to 90%, from dumps", spread, **axis))
        caption = (
            "Mean perplexity of right and wrong responses, and the threshold τ* that separates them best. Where none "
            "is admissible, τ* and the quadrants have a gap. Useful is a τ* between the two means; wrong and confident "
            "(EL) is what is explored in hard groups, right but unsure (CH) what is exploited in easy ones."
        )
        return Section("Perplexity and threshold", caption, panels)

    def _reallocation(self) -> Section:
        touched = [
            self._series("rewarded in hard groups (up)", UP, KIND_COLOURS["hard"]),
            self._series("penalised in easy groups (down)", DOWN, KIND_COLOURS["easy"]),
        ]
        rules = [self._series(rule, name) for rule, name in WOULD.items()]
        title = "What each rule would touch"
        panels = [
            Panel(self.key("reallocated"), "Groups reallocated", touched, "groups a step", shape="opposed"),
            Panel(self.key("rules"), title, rules, "groups a step", floor=0.0, is_banded=False),
        ]
        caption = (
            f"Groups in which a reward was reallocated. In a variant that was not trained with {self}: in which one "
            "would have been. Below, the readings of group_perplexity on the same steps."
        )
        return Section("Reallocation", caption, panels)

    def _series(self, label: str, metric: str, colour: Colour | None = None) -> Series:
        return Series(label, self.full(metric), colour)

    def line(self, metrics: Mapping[str, float], *, applied: bool) -> str:
        """Shares of groups, tau* and what was reallocated: `hard 31% easy 12% tau 1.42 (err 0.21) up 5 down 2`."""
        names = ("group_share/hard", "group_share/easy", TAU, ERROR_RATE, UP, DOWN)
        hard, easy, tau, error, up, down = (metrics.get(self.full(name)) for name in names)
        parts = [f"{kind} {share:.0%}" for kind, share in (("hard", hard), ("easy", easy)) if share is not None]
        if tau is not None and error is not None:
            parts.append(f"tau {tau:.2f} (err {error:.2f})")
        elif self.full(ADMISSIBLE) in metrics:
            parts.append("no tau")
        if up is not None and down is not None:
            parts.append(f"{'' if applied else 'would be '}up {up:.0f} down {down:.0f}")
        return " ".join(parts)


def _quantiles(label: str, verdict: str, colour: Colour) -> Series:
    stem = f"dump/perplexity/{verdict}"
    return Series(label, f"{stem}/p50", colour, (f"{stem}/p10", f"{stem}/p90"))


def _kinds(found: Found) -> str:
    hard, easy = found.numbers["hard"], found.numbers["easy"]
    return NONE if hard is None or easy is None else f"{percent(hard)}, {percent(easy)}"


def _reallocated(found: Found) -> str:
    up, down = found.numbers["up"], found.numbers["down"]
    return NONE if up is None or down is None else f"{count(up)}, {count(down)}{OBSERVED[found.applied]}"


def _admissible(found: Found) -> str:
    share = found.numbers["admissible"]
    return NONE if share is None else percent(share)
