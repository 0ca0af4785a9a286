"""Verdicts on a batch: which responses were judged, and which could not be.

A response that could not be judged is no wrong answer. Its verdict is all zero because verl needs numbers, so it is
told apart here, by the word that its `reason` begins with, and by `error`, the sentence that names its row. Such
responses are counted, logged with their rows, and tolerated up to a set share: of a batch, or of several where batches
are small, so that one odd answer among thirty does not end a run.
"""

import logging
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any, Final, NamedTuple

import torch

from groupwise.errors import GroupwiseError
from groupwise.names import REWARD_MANAGER

logger = logging.getLogger(__name__)

REWARD_ERROR_KEY: Final = "error"
"""Key of `reward_extra_info` for the sentence about a response that could not be judged; "" for one that was."""

VERIFIER_ERROR: Final = "verifier error"
TIMEOUT: Final = "timeout"
UNPARSABLE_GOLD: Final = "unparsable gold"
KINDS: Final = {VERIFIER_ERROR: "verifier_error", TIMEOUT: "timeout", UNPARSABLE_GOLD: "unparsable_gold"}
"""The words that `reason` begins with (reward_score's, which the framework knows by their effect alone), and the name
of each one's metric."""

UNKNOWN_DATA_SOURCE: Final = "unknown data source"
"""A fault of the configuration rather than of a row: one such response stops the run, whatever share is allowed."""

MAX_REASON_CHARS: Final = 200
MAX_SENTENCE_CHARS: Final = 500
"""verl may turn the strings of a batch into an array, which pays for its longest one in every row."""

LOGGED_IN_FULL: Final = 20
LOGGED_EVERY: Final = 100
SHOWN_ROWS: Final = 3

WINDOW_RESPONSES: Final = 1000
"""So many responses at least a share is counted over, once there are as many: in batches, the last ones."""
FEWEST: Final = 3
"""So many failures at least stop a run, unless none are allowed."""


class Failure(NamedTuple):
    """A response that could not be judged: one of the values of `KINDS`, and a sentence on which row, and why."""

    kind: str
    sentence: str


class Verdicts(NamedTuple):
    """The verdicts on B responses."""

    correct: torch.Tensor  # (B,) bool; False and without meaning for a response that could not be judged
    failed: torch.Tensor  # (B,) bool, which could not be judged
    failures: tuple[Failure, ...]  # one for each of them, in order


def check_verdict(verdict: Any) -> dict[str, Any]:
    """Gives what a reward function returned, with `score` and `acc` as floats.

    Raises:
        ValueError: It is no mapping with a number `score` and an `acc` of 0 or 1, or its `error` is no sentence.
    """
    wanted = "a reward function must return {'score': a number, 'acc': 0 or 1, ...}"
    if not isinstance(verdict, dict):
        raise ValueError(f"{wanted}, but returned {type(verdict).__name__} {verdict!r:.80}.")
    for key in ("score", "acc"):
        if key not in verdict:
            raise ValueError(f"{wanted}, but its verdict has no {key!r}, only {sorted(map(str, verdict))}.")
    acc, score = verdict["acc"], verdict["score"]
    if acc not in (0, 1):
        raise ValueError(f"{wanted}, but `acc` is {acc!r}; graded rewards belong into `score`.")
    try:
        score = float(score)
    except (TypeError, ValueError):
        raise ValueError(f"{wanted}, but `score` is {score!r:.80}.") from None
    if not isfinite(score):
        raise ValueError(f"{wanted}, but `score` is {score}.")
    error = verdict.get(REWARD_ERROR_KEY)
    if error is not None and not isinstance(error, str):
        raise ValueError(f"{wanted}; `error` is kept for a sentence on why it could not judge, but is {error!r:.80}.")
    return {**verdict, "score": score, "acc": float(acc)}


def failure_word(reason: object) -> str | None:
    """Gives the key of `KINDS` that a verdict's reason begins with, None where there is none."""
    return next((word for word in KINDS if isinstance(reason, str) and reason.startswith(word)), None)


def describe_failure(row: Mapping[str, Any], reason: str) -> str:
    """Puts a failure into a line of at most MAX_SENTENCE_CHARS characters that names its row.

    Of the row `data_source`, and `id` and `index` of `extra_info`, are named where they exist; the reason may have any
    length, and quote a model or a file.
    """
    extra_info = row.get("extra_info")
    names = {"data source": row.get("data_source")}
    if isinstance(extra_info, Mapping):
        names |= {key: extra_info.get(key) for key in ("id", "index")}
    named = ", ".join(f"{name} {value!r}" for name, value in names.items() if value is not None)
    text = f"A response could not be judged ({named or 'of an unnamed row'}): {reason}"
    return one_line(text, MAX_SENTENCE_CHARS)


def one_line(text: str, limit: int) -> str:
    """Makes any text, a model's or a file's included, one printable line of at most `limit` characters."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else line[: limit - 3] + "..."


def failure_of(info: Mapping[str, Any]) -> Failure | None:
    """Says whether a response could not be judged, by its `reward_extra_info`, of whatever reward manager.

    Raises:
        GroupwiseError: No verifier is known for its data source.
    """
    reason, error = info.get("reason"), info.get(REWARD_ERROR_KEY)
    word = failure_word(reason)
    if word is None and not error:
        return None
    if error and str(reason).startswith(UNKNOWN_DATA_SOURCE):
        raise GroupwiseError(str(error))
    return Failure(KINDS[word or VERIFIER_ERROR], str(error or reason))


def read_verdicts(reward_extra_infos: Sequence[Mapping[str, Any]]) -> Verdicts:
    """Reads the verdicts on B responses from what the reward manager said of each beside its score.

    Raises:
        GroupwiseError: No verifier is known for a data source, or a verdict lacks `acc` or has one that is neither 0
            nor 1.
    """
    found = [failure_of(info) for info in reward_extra_infos]
    correct = [failure is None and _read_acc(info) for info, failure in zip(reward_extra_infos, found, strict=True)]
    return Verdicts(
        correct=torch.tensor(correct, dtype=torch.bool),
        failed=torch.tensor([failure is not None for failure in found], dtype=torch.bool),
        failures=tuple(failure for failure in found if failure is not None),
    )


def _read_acc(info: Mapping[str, Any]) -> bool:
    if "acc" not in info:
        raise GroupwiseError(
            f"Groups are classified by the verdict `acc`, but the reward gave only {sorted(info) or 'a score'}; "
            f"use the reward manager `{REWARD_MANAGER}`, or a custom reward function that returns "
            "{'score': ..., 'acc': 0 or 1}."
        )
    if info["acc"] not in (0, 1):
        raise GroupwiseError(
            f"The verdict `acc` must be 0 or 1, but is {info['acc']!r}; graded rewards belong into `score`."
        )
    return bool(info["acc"])


def failure_shares(failures: Sequence[Failure], responses: int, *, prefix: str) -> dict[str, float]:
    """Metrics: of all responses of a batch, failures included, the share in [0, 1] of each kind of failure."""
    count = Counter(failure.kind for failure in failures)
    return {f"{prefix}/{kind}": count[kind] / max(1, responses) for kind in KINDS.values()}


class FailureWindow:
    """The failures of the last batches, of training or of validation; `where` says which. A restart begins without."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.batches: deque[tuple[Sequence[Failure], int]] = deque()

    def add(self, failures: Sequence[Failure], responses: int, *, max_share: float) -> None:
        """Logs the failures of a batch of so many responses, each row once, and counts them.

        Raises:
            GroupwiseError: Their share is above the largest allowed; the sentence says how many of which kind, and
                shows some of their rows.
        """
        rows = Counter(failure.sentence for failure in failures)
        for sentence, count in list(rows.items())[:LOGGED_IN_FULL]:
            logger.warning("%s (%d of %d responses of this %s)", sentence, count, responses, self.where)
        if len(rows) > LOGGED_IN_FULL:
            logger.warning("%d further sentences about this %s are not shown.", len(rows) - LOGGED_IN_FULL, self.where)
        self.batches.append((failures, responses))
        while sum(size for _, size in self.batches) - self.batches[0][1] >= WINDOW_RESPONSES:
            self.batches.popleft()
        found = [failure for batch, _ in self.batches for failure in batch]
        responses = sum(size for _, size in self.batches)
        # As a decimal fraction: in floating point 29 of 100 is more than a share of 0.29.
        if len(found) <= Fraction(str(max_share)) * responses or (max_share > 0 and len(found) < FEWEST):
            return
        kinds, rows = Counter(failure.kind for failure in found), dict.fromkeys(failure.sentence for failure in found)
        counted = ", ".join(f"{word}: {kinds[kind]}" for word, kind in KINDS.items() if kinds[kind])
        further = f" (and {len(rows) - SHOWN_ROWS} more like these)" if len(rows) > SHOWN_ROWS else ""
        over = f"this {self.where}" if len(self.batches) == 1 else f"the last {len(self.batches)} {self.where}s"
        raise GroupwiseError(
            f"{len(found)} of {responses} responses of {over} could not be judged ({counted}), more than "
            f"reward.reward_kwargs.max_failure_share={max_share} allows. {' '.join(list(rows)[:SHOWN_ROWS])}{further} "
            "Correct these rows or the reward function (`python -m reward_score FILE` judges dumped responses again), "
            "or raise that key."
        )


class FailureLog:
    """Logs failures where they happen, in a reward worker: the first ones in full, then one in a hundred.

    A restart counts from 0 again.
    """

    def __init__(self) -> None:
        self.count = 0

    def add(self, sentence: str) -> None:
        """Counts a failure, and logs it unless a broken verifier floods the log already."""
        self.count += 1
        if self.count <= LOGGED_IN_FULL or self.count % LOGGED_EVERY == 0:
            logger.warning("%s (failure %d of this reward worker)", sentence, self.count)
