"""What is kept of scored responses for a report.

Memory does not grow with their number: kept are sums, a bounded number of reasons and faults, and the few responses
that are to be shown.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from reward_score.rescore.files import Fault
from reward_score.rescore.rows import Sample
from reward_score.verdict import FAILURES, VerdictDict

MAX_GROUPS: Final = 200
"""Most kinds of reasons and of faults that are kept apart; a model's own words in a reason could make any number."""

OTHER: Final = "others"

MAX_DIFFERENCES: Final = 5
"""Most differences from the recorded reward that are listed; all are counted."""

SCORE_TOLERANCE: Final = 1e-6
"""verl sums a training dump's score from float32 tokens; relative beyond 1, absolute below."""

TAIL_CHARS: Final = 480
"""Most characters that are kept of a text to show: its end, where the answer stands."""

_QUOTED: Final = re.compile(r"(?<!\w)(?:'[^']*'|\"[^\"]*\"|`[^`]*`)")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")


class Scored(NamedTuple):
    """A response with its verdict under today's reward, and those of other verifiers by name."""

    sample: Sample
    data_source: str
    verdict: VerdictDict
    others: Mapping[str, VerdictDict] = {}

    @property
    def failure(self) -> str:
        """Which of verdict.FAILURES kept it from being judged, "" if none did."""
        return next((kind for kind in FAILURES if self.verdict["reason"].startswith(kind)), "")

    @property
    def differs(self) -> bool:
        """Whether the file records another reward: another acc, or another score where it records no acc."""
        recorded, now = self.compared
        return recorded is not None and not abs(recorded - now) <= SCORE_TOLERANCE * max(1.0, abs(now))

    @property
    def disputed(self) -> list[str]:
        """The other verifiers that grade it differently; none where either could not judge it."""
        judged = {} if self.failure else {name: other for name, other in self.others.items() if is_judged(other)}
        return [name for name, other in judged.items() if other["acc"] != self.verdict["acc"]]

    @property
    def compared(self) -> tuple[float | None, float]:
        """The recorded reward, None without one, and the one of now that it is compared with."""
        if self.sample.recorded_acc is not None:
            return self.sample.recorded_acc, self.verdict["acc"]
        return self.sample.recorded_score, self.verdict["score"]


def is_judged(verdict: VerdictDict) -> bool:
    """Whether a verifier reached a verdict."""
    return not verdict["reason"].startswith(FAILURES)


@dataclass
class Against:
    """How another verifier's verdicts stand to those of the training reward."""

    both_right: int = 0
    both_wrong: int = 0
    unjudged: int = 0
    only_here: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    only_there: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Right by one alone, by the groups of both reasons: here, there."""

    def add(self, scored: Scored, name: str) -> None:
        here, there = scored.verdict, scored.others[name]
        if scored.failure or not is_judged(there):
            self.unjudged += 1
        elif here["acc"] == there["acc"]:
            self.both_right += here["acc"] == 1.0
            self.both_wrong += here["acc"] == 0.0
        else:
            kinds = self.only_here if here["acc"] else self.only_there
            key = reason_group(here["reason"]), reason_group(there["reason"])
            kinds[key if key in kinds or len(kinds) < MAX_GROUPS else (OTHER, OTHER)] += 1


@dataclass
class SourceTally:
    """Sums over the responses of one data source; `seconds` is the time spent in the verifier."""

    responses: int = 0
    acc: float = 0.0
    score: float = 0.0
    format: float = 0.0
    failures: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, scored: Scored, seconds: float) -> None:
        verdict = scored.verdict
        self.responses += 1
        self.acc += verdict["acc"]
        self.score += verdict["score"]
        self.format += verdict["format"]
        if scored.failure:
            self.failures[scored.failure] += 1
        self.seconds += seconds
        group = bounded(self.reasons, reason_group(verdict["reason"]))
        self.reasons[group] += 1
        self.examples.setdefault(group, verdict["reason"])


@dataclass
class Report:
    """What is known after scoring.

    `notes` and `faults` count by sentence; `fault_places` has the first place of each fault. `compared_acc` and
    `compared_score` count the responses whose file records a reward, by the field that was compared.
    """

    sources: dict[str, SourceTally] = field(default_factory=dict[str, SourceTally])
    notes: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    fault_places: dict[str, str] = field(default_factory=dict[str, str])
    compared_acc: int = 0
    compared_score: int = 0
    differing: int = 0
    differences: list[Scored] = field(default_factory=list[Scored])
    shown: list[Scored] = field(default_factory=list[Scored])
    against: dict[str, "Against"] = field(default_factory=dict[str, "Against"])

    def add_fault(self, fault: Fault) -> None:
        """Counts a fault, and remembers where its kind was first met."""
        message = bounded(self.faults, fault.message)
        self.faults[message] += 1
        self.fault_places.setdefault(message, fault.place)

    def add(self, scored: Scored, seconds: float) -> None:
        self.sources.setdefault(scored.data_source, SourceTally()).add(scored, seconds)
        if scored.compared[0] is not None:
            self.compared_acc += scored.sample.recorded_acc is not None
            self.compared_score += scored.sample.recorded_acc is None
            self.differing += scored.differs
            if scored.differs and len(self.differences) < MAX_DIFFERENCES:
                self.differences.append(shortened(scored))
        for name in scored.others:
            self.against.setdefault(name, Against()).add(scored, name)


def reason_group(reason: str) -> str:
    """Gives what stands before a reason's first ": ", with "'...'" for what is quoted and "N" for numbers."""
    return _NUMBER.sub("N", _QUOTED.sub("'...'", reason)).partition(": ")[0]


def bounded(counts: Counter[str], key: str) -> str:
    """Gives the key, or OTHER where it is new and `counts` has MAX_GROUPS already."""
    return key if key in counts or len(counts) < MAX_GROUPS else OTHER


def shortened(scored: Scored) -> Scored:
    """Keeps the last TAIL_CHARS of prompt and response and the first of the ground truth, to save memory."""
    sample = scored.sample
    gold = sample.ground_truth if isinstance(sample.ground_truth, str) else repr(sample.ground_truth)
    return scored._replace(
        sample=sample._replace(
            prompt=sample.prompt[-TAIL_CHARS:],
            response=sample.response[-TAIL_CHARS:],
            ground_truth=gold[:TAIL_CHARS],
            extra_info=None,
        )
    )
