"""Runs a method over batches in order, with a state of its own, as the trainer does."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from groupwise.dumps.reader import Dump
from groupwise.maths.groups import GroupKind, classify_groups
from groupwise.method import Method, Outcome, compute
from groupwise.replay.rows import Batch, read_batches


class Replayed(NamedTuple):
    """One advantage computation, replayed.

    Attributes:
        dump: Where the responses were read from.
        batch: The responses.
        groups: Number of groups.
        hard: Hard groups, known without perplexities.
        easy: Easy groups, likewise.
        history: Batches before this one that the method has seen, without a step missing in between.
        outcome: What the method made of it; None where the dump has no perplexities.
    """

    dump: Dump
    batch: Batch
    groups: int
    hard: int
    easy: int
    history: int
    outcome: Outcome | None


def replay(dumps: Iterable[Dump], method: Method, *, correct_above: float | None) -> Iterator[Replayed]:
    """Computes what a method would have made of each batch of some dumps.

    Args:
        dumps: The dumps in order of steps.
        method: The method, without a history.
        correct_above: See `read_batches`.

    Yields:
        The batches in order, with what was made of each.

    Raises:
        GroupwiseError: A dump cannot be used; the sentence says what it lacks.
    """
    last, history = 0, 0
    for dump in dumps:
        # A run begins without a history at step 1; after a gap a method remembers batches that the run's no longer did.
        history = history if dump.step in (last, last + 1) else 0
        for batch in read_batches(dump, correct_above=correct_above):
            yield _replay_batch(dump, batch, method, history)
            history += 1
        last = dump.step


def _replay_batch(dump: Dump, batch: Batch, method: Method, history: int) -> Replayed:
    responses = batch.responses
    # The kinds of groups need verdicts and rewards alone; a response without a verdict leaves its group out.
    judged = responses.select(responses.group_mean(batch.has_verdict.double()) == 1)
    kind = classify_groups(judged.correct, judged.reward, judged.groups)
    counts = [len(judged.groups.number[kind == wanted].unique()) for wanted in (GroupKind.HARD, GroupKind.EASY)]
    outcome = compute(method, responses) if batch.has_perplexity else None
    return Replayed(dump, batch, len(responses.groups.size), *counts, history, outcome)
