"""Rows of a dump -> what a method sees; what a dump lacks is named."""

from typing import NamedTuple

import pyarrow as pa
import torch

from groupwise.dumps.reader import Dump
from groupwise.errors import GroupwiseError
from groupwise.hook.sessions import select_final_outputs
from groupwise.maths.perplexity import sequence_perplexity
from groupwise.method import Responses

COLUMNS = ("step", "update", "uid", "key", "acc", "score", "perplexity", "old_log_probs", "response_mask")
"""What is read of a dump for a decision; `old_log_probs` and `response_mask` are lists, a number a token."""

BINARY = ({0.0, 1.0}, {-1.0, 1.0}, {0.0}, {1.0}, {-1.0})
"""Values of `score` from which a verdict follows: verl's own scorers of math give 0 and 1, or -1 and 1."""


class Batch(NamedTuple):
    """The responses of one advantage computation.

    Attributes:
        step: Number of the training step.
        update: Which advantage computation of the step, from 0.
        rows: Where in the dump each response stands.
        responses: What a method sees; all perplexities are NaN where the dump has none.
        has_verdict: (B,) bool, the responses that could be judged, with perplexity or without.
        has_perplexity: Whether the dump has perplexities, or the log-probs that they follow from.
    """

    step: int
    update: int
    rows: list[int]
    responses: Responses
    has_verdict: torch.Tensor
    has_perplexity: bool


def read_batches(dump: Dump, *, correct_above: float | None) -> list[Batch]:
    """Takes a dump apart into the batches that advantages were computed on.

    Args:
        dump: A dump with (some of) `COLUMNS`.
        correct_above: Where the dump has no verdicts, responses with a higher score count as right; None takes scores
            of 0 and 1, or -1 and 1, for verdicts.

    Returns:
        The batches in order; one, but for dumps of several updates a step.

    Raises:
        GroupwiseError: A column is missing that nothing can stand in for, or its values are of another kind.
    """
    table = dump.table
    for name in ("uid", "score"):
        if name not in table.column_names:
            raise GroupwiseError(
                f"A dump must have the columns uid (of the prompt) and score, but {dump.file} has only "
                f"{', '.join(table.column_names)}; dump with trainer.rollout_data_dir, or rename its columns."
            )
    updates = table["update"].to_pylist() if "update" in table.column_names else [0] * table.num_rows
    return [
        _read_batch(dump, update, [row for row, value in enumerate(updates) if value == update], correct_above)
        for update in sorted(set(updates))
    ]


def _read_batch(dump: Dump, update: int, rows: list[int], correct_above: float | None) -> Batch:
    if dump.decided is None and "key" in dump.table.column_names:
        keys = dump.table["key"].to_pylist()
        final, _ = select_final_outputs([keys[row] for row in rows], [False] * len(rows))
        rows = [rows[place] for place in final]
    table = dump.table.take(rows)
    uids = table["uid"].to_pylist()
    number = {uid: place for place, uid in enumerate(dict.fromkeys(uids))}
    score = _floats(dump, table, "score")
    correct, has_verdict = _verdicts(dump, table, score, correct_above)
    found = _perplexities(dump, table)
    perplexity = torch.full((len(rows),), torch.nan, dtype=torch.float64) if found is None else found
    responses = Responses(
        reward=torch.tensor(score, dtype=torch.float32),
        correct=correct,
        known=has_verdict & ~perplexity.isnan(),
        group=torch.tensor([number[uid] for uid in uids], dtype=torch.int64),
        perplexity=perplexity,
        step=dump.step,
    )
    return Batch(dump.step, update, rows, responses, has_verdict, found is not None)


def _floats(dump: Dump, table: pa.Table, name: str) -> list[float]:
    values = table[name].to_pylist()
    for row, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise GroupwiseError(
                f"The column {name} of {dump.file} must hold numbers, but row {row} has {value!r:.40}."
            )
    return [float(value) for value in values]


def _verdicts(
    dump: Dump, table: pa.Table, score: list[float], correct_above: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which responses are right, and which have a verdict."""
    if "acc" in table.column_names:
        acc = table["acc"].to_pylist()
        wrong_kind = next((value for value in acc if value is not None and value not in (0, 1)), None)
        if wrong_kind is not None:
            raise GroupwiseError(
                f"The column acc of {dump.file} must hold verdicts, 0 or 1, but has {wrong_kind!r:.40}; graded rewards "
                "belong into score."
            )
        return torch.tensor([value == 1 for value in acc]), torch.tensor([value is not None for value in acc])
    if correct_above is None and set(score) not in BINARY:
        shown = ", ".join(f"{value:g}" for value in sorted(set(score))[:5])
        raise GroupwiseError(
            f"A dump must have verdicts (a column acc of 0 and 1), or scores that are verdicts (0 and 1, or -1 and 1), "
            f"but {dump.file} has the scores {shown}{', ...' if len(set(score)) > 5 else ''}; say with --correct-above "
            "from which score on a response is right."
        )
    limit = 0.0 if correct_above is None else correct_above
    return torch.tensor([value > limit for value in score]), torch.ones(len(score), dtype=torch.bool)


def _perplexities(dump: Dump, table: pa.Table) -> torch.Tensor | None:
    if "perplexity" in table.column_names:
        values = [torch.nan if value is None else float(value) for value in table["perplexity"].to_pylist()]
        return torch.tensor(values, dtype=torch.float64)
    if "old_log_probs" not in table.column_names:
        return None
    log_probs = table["old_log_probs"].to_pylist()
    masks = table["response_mask"].to_pylist() if "response_mask" in table.column_names else [None] * len(log_probs)
    return torch.tensor(
        [_perplexity(dump, row, *values) for row, values in enumerate(zip(log_probs, masks, strict=True))],
        dtype=torch.float64,
    )


def _perplexity(dump: Dump, row: int, log_probs: list[float] | None, mask: list[int] | None) -> float:
    if not log_probs or (mask is not None and not any(mask)):
        return torch.nan
    try:
        values = torch.tensor(log_probs, dtype=torch.float64).unsqueeze(0)
        kept = torch.ones_like(values) if mask is None else torch.tensor(mask).unsqueeze(0)
        return sequence_perplexity(values, kept).item()
    except (TypeError, ValueError) as error:
        raise GroupwiseError(
            "old_log_probs must hold log-probs in nats, a number a token, and response_mask a 0 or 1 for each, but "
            f"row {row} of {dump.file} does not: {error}"
        ) from None
