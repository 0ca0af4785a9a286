"""Responses that could not be judged: counted, logged with their rows, and borne up to a set share.

"More than 1%" is taken at its word: a batch of fewer than 100 responses stops at its first failure. A share of a batch
that small says little, and its user can raise the key.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from groupwise.errors import GroupwiseError
from groupwise.hook.verdicts import KINDS, Failure

logger = logging.getLogger(__name__)

LOGGED_IN_FULL: Final = 20
LOGGED_EVERY: Final = 100
SHOWN_ROWS: Final = 3


def failure_shares(failures: Sequence[Failure], responses: int, *, prefix: str) -> dict[str, float]:
    """Puts failures into metrics.

    Args:
        failures: Those of a batch.
        responses: How many responses the batch has, those included.
        prefix: What the metrics' names begin with.

    Returns:
        The share of each kind in [0, 1], 0 for a kind that did not occur.
    """
    count = Counter(failure.kind for failure in failures)
    return {f"{prefix}/{kind}": count[kind] / max(1, responses) for kind in KINDS.values()}


def stop_on_too_many(failures: Sequence[Failure], responses: int, *, max_share: float, where: str) -> None:
    """Logs the failures of a batch, each row once, and stops the run on more of them than a set share.

    Args:
        failures: Those of a batch.
        responses: How many responses the batch has, those included.
        max_share: The largest share that is borne, in [0, 1].
        where: What the batch is, for the sentence.

    Raises:
        GroupwiseError: There are more; the sentence says how many of which kind, and shows some of their rows.
    """
    rows = Counter(failure.sentence for failure in failures)
    for sentence, count in list(rows.items())[:LOGGED_IN_FULL]:
        logger.warning("%s (%d of %d responses of this %s)", sentence, count, responses, where)
    if len(rows) > LOGGED_IN_FULL:
        logger.warning("%d further sentences about this %s are not shown.", len(rows) - LOGGED_IN_FULL, where)
    # As a decimal fraction: in floating point 29 of 100 is more than a share of 0.29.
    if len(failures) <= Fraction(str(max_share)) * responses:
        return
    kinds = Counter(failure.kind for failure in failures)
    counted = ", ".join(f"{word}: {kinds[kind]}" for word, kind in KINDS.items() if kinds[kind])
    further = f" (and {len(rows) - SHOWN_ROWS} more like these)" if len(rows) > SHOWN_ROWS else ""
    raise GroupwiseError(
        f"{len(failures)} of {responses} responses of this {where} could not be judged ({counted}), more than "
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
