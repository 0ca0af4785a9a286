"""Verdicts on a batch: which responses were judged, and which could not be.

A response that could not be judged is no wrong answer. Its verdict is all zero because verl needs numbers, so it is
told apart here, by the word that its `reason` begins with, and by `error`, the sentence that names its row.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import torch

from groupwise.errors import GroupwiseError
from groupwise.names import REWARD_MANAGER

REWARD_ERROR_KEY: Final = "error"
"""Key of `reward_extra_info` for the sentence about a response that could not be judged; "" for one that was."""

VERIFIER_ERROR: Final = "verifier error"
TIMEOUT: Final = "timeout"
UNPARSABLE_GOLD: Final = "unparsable gold"
KINDS: Final = {VERIFIER_ERROR: "verifier_error", TIMEOUT: "timeout", UNPARSABLE_GOLD: "unparsable_gold"}
"""The words that `reason` begins with (reward_score's, which the recipe knows by their effect alone), and the name of
each one's metric."""

UNKNOWN_DATA_SOURCE: Final = "unknown data source"
"""A fault of the configuration rather than of a row: one such response stops the run, whatever share is allowed."""

MAX_REASON_CHARS: Final = 200
MAX_SENTENCE_CHARS: Final = 500
"""verl may turn the strings of a batch into an array, which pays for its longest one in every row."""


class Failure(NamedTuple):
    """A response that could not be judged.

    Attributes:
        kind: One of the values of `KINDS`.
        sentence: Which row, and why.
    """

    kind: str
    sentence: str


class Verdicts(NamedTuple):
    """The verdicts on B responses.

    Attributes:
        correct: (B,) bool; False and without meaning for a response that could not be judged.
        failed: (B,) bool, which could not be judged.
        failures: One for each of them, in order.
    """

    correct: torch.Tensor
    failed: torch.Tensor
    failures: tuple[Failure, ...]


def check_verdict(verdict: Any) -> dict[str, Any]:
    """Refuses what is not a verdict.

    Args:
        verdict: What a reward function returned.

    Returns:
        The verdict, with `score` and `acc` as floats.

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
    if score != score or score in (float("inf"), float("-inf")):
        raise ValueError(f"{wanted}, but `score` is {score}.")
    error = verdict.get(REWARD_ERROR_KEY)
    if error is not None and not isinstance(error, str):
        raise ValueError(f"{wanted}; `error` is kept for a sentence on why it could not judge, but is {error!r:.80}.")
    return {**verdict, "score": score, "acc": float(acc)}


def failure_word(reason: object) -> str | None:
    """Gives the key of `KINDS` that a verdict's reason begins with, None where there is none."""
    return next((word for word in KINDS if isinstance(reason, str) and reason.startswith(word)), None)


def describe_failure(row: Mapping[str, Any], reason: str) -> str:
    """Puts a failure into a sentence that names its row.

    Args:
        row: The columns of the row; `data_source` and `extra_info` with `id` and `index` are named where they exist.
        reason: What happened, in any length; it may quote a model or a file.

    Returns:
        One line of at most MAX_SENTENCE_CHARS characters.
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
    """Says whether a response could not be judged.

    Args:
        info: Its `reward_extra_info`, of whatever reward manager.

    Returns:
        The failure, None for a response that was judged.

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
    """Reads the verdicts on B responses.

    Args:
        reward_extra_infos: (B,) what the reward manager said of each response beside its score.

    Returns:
        The verdicts.

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
