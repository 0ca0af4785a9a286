"""The verdict on one response: the five keys that verl's reward manager passes on, in one place."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict, TypeVar, cast

MAX_PRED_CHARS: Final = 256
"""numpy pads every string of a batch to the longest, so one long `pred` would be paid for by all."""

MAX_REASON_CHARS: Final = 200

CORRECT: Final = "correct"
WRONG_ANSWER: Final = "wrong answer"
NO_ANSWER: Final = "no answer"
UNPARSABLE: Final = "unparsable"
UNFINISHED_THINKING: Final = "unfinished thinking"
TIMEOUT: Final = "timeout"
VERIFIER_ERROR: Final = "verifier error"
UNPARSABLE_GOLD: Final = "unparsable gold"

FAILURES: Final = (VERIFIER_ERROR, TIMEOUT, UNPARSABLE_GOLD)
"""Reasons that say nothing about the response: it was not judged. Training counts them and stops on too many."""


MAX_ALTERNATIVES: Final = 64
"""A ground truth may hold so many answers, any of which counts."""

T = TypeVar("T")

ExtraInfo = Mapping[str, object] | None
"""What a row says besides: the column `extra_info`."""


class GroundTruthError(ValueError):
    """A ground truth cannot be judged against: the row is at fault, not the response."""


def sole_ground_truth(ground_truth: object, what: str) -> object:
    """Takes a ground truth, which is one `what`, out of a list of one, which is how some data sets store it.

    Raises GroundTruthError if a list or tuple has no member or several.
    """
    if not isinstance(ground_truth, list | tuple):
        return ground_truth
    several = cast("list[object] | tuple[object, ...]", ground_truth)
    if len(several) != 1:
        raise GroundTruthError(f"the ground truth must be one {what}, got {len(several)} of them: correct the data")
    return several[0]


def read_any(ground_truth: object, read: Callable[[object], T]) -> tuple[T, ...]:
    """Reads a ground truth that may hold several answers, any of which counts; passes over what cannot be read.

    Raises GroundTruthError if none can be read, or as `alternatives` does.
    """
    found: list[T] = []
    fault: GroundTruthError | None = None
    for one in alternatives(ground_truth):
        try:
            found.append(read(one))
        except GroundTruthError as error:
            fault = fault or error
    if fault is not None and not found:
        raise fault
    return tuple(found)


def alternatives(ground_truth: object) -> Sequence[object]:
    """Gives the answers that a ground truth holds, any of which counts.

    It is one answer, a list or tuple of them, or `{"any": [...]}`; the latter two also as JSON text, by which a column
    of texts holds a list of texts. Raises GroundTruthError if it is JSON that cannot be read, or there are no answers
    or more than MAX_ALTERNATIVES.
    """
    if isinstance(ground_truth, str):
        if not ground_truth.startswith(('{"any"', '["')):
            return (ground_truth,)
        try:
            ground_truth = json.loads(ground_truth)
        except (ValueError, RecursionError) as error:
            found = f"{ground_truth[:60]!r} ({error})"
            raise GroundTruthError(f"the ground truth must be JSON, got {found}: correct the data") from None
    if isinstance(ground_truth, Mapping):
        fields = cast("Mapping[str, object]", ground_truth)
        several = fields.get("any")
        if list(fields) != ["any"] or not isinstance(several, list | tuple):
            raise GroundTruthError(f'the ground truth must be {{"any": [...]}}, got {short(fields)}: correct the data')
        ground_truth = cast("object", several)
    if not isinstance(ground_truth, list | tuple):
        return (ground_truth,)
    answers = cast("Sequence[object]", ground_truth)
    if not 1 <= len(answers) <= MAX_ALTERNATIVES:
        raise GroundTruthError(
            f"the ground truth must be 1 to {MAX_ALTERNATIVES} answers, got {len(answers)} of them: correct the data"
        )
    return answers


class VerdictDict(TypedDict):
    """A verdict as verl reads it: the same five keys for every response, none of them None."""

    score: float
    acc: float
    format: float
    pred: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What a verifier found out about one response.

    Attributes:
        score: What is optimised, any finite number; before DAPO's shaping and a method's reallocation.
        acc: 1.0 for a right answer and 0.0 for a wrong one; methods classify groups by it.
        format: 1.0 if the answer was given in the form that was asked for, else 0.0.
        pred: The answer in canonical form, "" without one, at most MAX_PRED_CHARS characters; equal answers print
            alike, because verl's maj@k groups by it.
        reason: Why, in a few words on one line.

    Raises:
        ValueError: If a field does not hold what is said above.
    """

    score: float
    acc: float
    format: float
    pred: str
    reason: str

    def __post_init__(self) -> None:
        """Refuses what verl would fail on far from here, or average silently."""
        if not math.isfinite(self.score):
            raise ValueError(f"a verdict's score must be a finite number, got {self.score!r}: return 0.0 for a failure")
        for name, value in (("acc", self.acc), ("format", self.format)):
            if value not in (0.0, 1.0):
                raise ValueError(f"a verdict's {name} must be 0.0 or 1.0, got {value!r}: put graded values in score")
        if len(self.pred) > MAX_PRED_CHARS:
            raise ValueError(
                f"a verdict's pred must have at most {MAX_PRED_CHARS} characters, got {len(self.pred)}: shorten it"
            )
        if not self.reason.strip() or len(self.reason) > MAX_REASON_CHARS or not self.reason.isprintable():
            raise ValueError(
                f"a verdict's reason must be one printable line of 1 to {MAX_REASON_CHARS} characters,"
                f" got {self.reason[:MAX_REASON_CHARS]!r}: say in a few words why"
            )

    def as_dict(self) -> VerdictDict:
        """Gives the five keys with plain Python floats and strings, in a fixed order."""
        return {
            "score": float(self.score),
            "acc": float(self.acc),
            "format": float(self.format),
            "pred": self.pred,
            "reason": self.reason,
        }


def binary_verdict(*, right: bool, pred: str) -> Verdict:
    """Gives the verdict on an answer that was found and read: score and acc are 1 if it is right, else 0."""
    value = 1.0 if right else 0.0
    return Verdict(score=value, acc=value, format=1.0, pred=pred, reason=CORRECT if right else WRONG_ANSWER)


def failed_verdict(reason: str, detail: str = "") -> Verdict:
    """Gives the verdict on a response without a readable answer: all zero; `detail` may be any text."""
    return Verdict(
        score=0.0, acc=0.0, format=0.0, pred="", reason=one_line(f"{reason}: {detail}" if detail else reason)
    )


def one_line(text: str, limit: int = MAX_REASON_CHARS) -> str:
    """Makes any text one printable line, cut to a length, with "?" for what does not print."""
    line = " ".join(text[: 4 * limit].split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= limit else line[: limit - 3] + "..."


def short(value: object) -> str:
    """Shows any value that a file may hold, in one printable line of at most 80 characters."""
    return "nothing" if value is None else one_line(repr(value)[:320], 80)


def shorten(text: str, limit: int, *, mark: str = "...", digits: int = 12) -> str:
    """Cuts a text to a length so that different ones stay different and equal ones equal.

    A cut text ends in the mark and the first hexadecimal digits of its SHA-256.
    """
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    return f"{text[: limit - len(mark) - digits]}{mark}{digest}"
