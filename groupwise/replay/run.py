"""Runs methods over the batches of dumps in order, each with a state of its own, as the trainer does."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch

from groupwise.dumps.reader import Dump
from groupwise.maths.groups import GroupKind
from groupwise.method import Method, Outcome
from groupwise.replay.rows import Batch, read_batches

UNJUDGED = -1
"""In the place of a `GroupKind`, where a response of the group has no verdict."""


class Step(NamedTuple):
    """One advantage computation of a run."""

    dump: Dump
    batch: Batch
    kind: torch.Tensor
    """(B,) `GroupKind` of each response's group, which verdicts and rewards say alone, or UNJUDGED."""
    history: int
    """Batches before this one, without a step missing in between."""

    @property
    def name(self) -> str:
        """The step, and behind a colon the number of a later update of it."""
        return f"{self.batch.step}:{self.batch.update}" if self.batch.update else f"{self.batch.step}"

    def groups_of(self, kind: GroupKind) -> int:
        """Counts groups."""
        return len(self.batch.responses.group[self.kind == kind].unique())


def steps_of(dumps: Iterable[Dump], *, correct_above: float | None) -> Iterator[Step]:
    """Takes dumps in order of steps apart, see `read_batches`, one at a time in memory.

    Raises:
        GroupwiseError: A dump cannot be used; the sentence says what it lacks.
    """
    last, history = 0, 0
    for dump in dumps:
        # A run begins without a history at step 1; after a gap a method remembers batches that the run's no longer did.
        history = history if dump.step in (last, last + 1) else 0
        for batch in read_batches(dump, correct_above=correct_above):
            responses = batch.responses
            judged = responses.group_mean(batch.has_verdict.double()) == 1
            kind = torch.full_like(responses.group, UNJUDGED)
            kind[judged] = responses.select(judged).kind
            yield Step(dump, batch, kind, history)
            history += 1
        last = dump.step


def find_differences(step: Step, outcome: Outcome | None, method: Method) -> list[str] | None:
    """Compares what a method makes of a step, with the settings of the run, with what its dump holds, bit for bit.

    Metrics and columns that the dump does not hold are not compared: a later version may have more.

    Returns:
        The names of what differs: metrics, and columns of the responses. None where they cannot be compared, since the
        dumps do not hold all batches that the run's method remembered, as in the first steps of a folder that begins
        in the middle of a run.
    """
    decided, batch = step.dump.decided, step.batch
    if decided is None or outcome is None:
        return None
    is_whole_run = step.history >= batch.step - 1 + batch.update
    if not is_whole_run and (method.memory is None or step.history < method.memory - 1):
        return None
    logged = decided["updates"][batch.update]["metrics"]
    own_metrics = (name for name in sorted(logged) if name.startswith(method.display().full("")))
    found = [name for name in own_metrics if logged[name] != outcome.metrics.get(name)]
    base = batch.responses.base_advantage(normalize_by_std=decided["normalize_by_std"]).double().tolist()
    own = outcome.per_response().double().tolist()
    now: dict[str, Any] = {f"{method.name}_advantage": own, **outcome.columns}
    # Other estimators than GRPO have advantages of their own, which a dump leaves out.
    if decided["estimator"] in (method.name, "grpo"):
        now |= {"advantage_before": base, "advantage_after": own if decided["estimator"] == method.name else base}
    table = step.dump.table.take(batch.rows)
    shared = (column for column in now if column in table.column_names)
    return [*found, *(column for column in shared if table[column].to_pylist() != now[column])]
