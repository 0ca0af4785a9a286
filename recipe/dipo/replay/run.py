"""Runs the method over batches in order, with a queue of its own, as the trainer does."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch

from recipe.dipo.config import DiPOConfig
from recipe.dipo.core.groups import number_groups
from recipe.dipo.core.perplexity import PerplexityQueue
from recipe.dipo.core.reallocation import GroupKind, classify_groups
from recipe.dipo.dumps import Dump
from recipe.dipo.labels import Labels, label
from recipe.dipo.metrics import step_metrics
from recipe.dipo.replay.rows import Batch, read_batches
from recipe.dipo.step import Advantages, Step, run_step, step_advantages


class Replayed(NamedTuple):
    """One advantage computation, replayed.

    Attributes:
        dump: Where the responses were read from.
        batch: The responses.
        groups: Number of groups.
        hard: Hard groups, known without perplexities.
        easy: Easy groups, likewise.
        history: Batches before this one that the queue holds, without a step missing in between.
        step: The decision; None where the dump has no perplexities.
        labels: Labels of the responses; None likewise.
        advantages: Advantages without and with reallocation; None likewise.
        metrics: What a run would log of it, under `dipo/`; empty likewise.
    """

    dump: Dump
    batch: Batch
    groups: int
    hard: int
    easy: int
    history: int
    step: Step | None
    labels: Labels | None
    advantages: Advantages | None
    metrics: dict[str, float]


def replay(
    dumps: Iterable[Dump], config: DiPOConfig, *, normalize_by_std: bool, correct_above: float | None
) -> Iterator[Replayed]:
    """Decides what DiPO would have reallocated in each batch of some dumps.

    Args:
        dumps: The dumps in order of steps.
        config: The hyper-parameters; `queue_batches` counts advantage computations.
        normalize_by_std: Whether the base estimator divides by the group's standard deviation.
        correct_above: See `read_batches`.

    Yields:
        The batches in order, with what was decided for each.

    Raises:
        DiPOError: A dump cannot be used; the sentence says what it lacks.
    """
    queue = PerplexityQueue(config.queue_batches)
    last, history = 0, 0
    for dump in dumps:
        # A run begins with an empty queue at step 1; after a gap the queue holds batches that the run's no longer did.
        history = history if dump.step in (last, last + 1) else 0
        for batch in read_batches(dump, correct_above=correct_above):
            yield _replay_batch(dump, batch, queue, config, history, normalize_by_std=normalize_by_std)
            history += 1
        last = dump.step


def _replay_batch(
    dump: Dump, batch: Batch, queue: PerplexityQueue, config: DiPOConfig, history: int, *, normalize_by_std: bool
) -> Replayed:
    responses = batch.responses
    # The kinds of groups need verdicts and rewards alone; a response without a verdict leaves its group out.
    known = ~torch.isin(responses.group, responses.group[responses.failed])
    kind = classify_groups(responses.correct[known], responses.reward[known], responses.group[known])
    groups = number_groups(responses.group[known])
    counts = [len(groups.number[kind == wanted].unique()) for wanted in (GroupKind.HARD, GroupKind.EASY)]
    shared = (dump, batch, len(number_groups(responses.group).size), *counts, history)
    if not batch.has_perplexity:
        return Replayed(*shared, None, None, None, {})
    step = run_step(responses, queue, config)
    advantages = step_advantages(responses, step, alpha=config.alpha, normalize_by_std=normalize_by_std)
    return Replayed(
        *shared,
        step=step,
        labels=label(responses, step, rule=config.group_perplexity),
        advantages=advantages,
        metrics=step_metrics(responses, step, advantages, rule=config.group_perplexity),
    )
