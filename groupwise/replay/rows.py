"""Rows of a dump -> what a method sees; what a dump lacks is named."""

from collections.abc import Collection
from typing import Final, NamedTuple

import pyarrow as pa
import torch
from torch.nn.utils.rnn import pad_sequence

from groupwise.dumps.reader import Dump
from groupwise.errors import GroupwiseError
from groupwise.hook.sessions import select_final_outputs
from groupwise.maths.perplexity import sequence_perplexity
from groupwise.method import Method, Outcome, Responses, Tokens, compute

BINARY = ({0.0, 1.0}, {-1.0, 1.0}, {0.0}, {1.0}, {-1.0})
"""Values of `score` from which a verdict follows: verl's own scorers of math give 0 and 1, or -1 and 1."""


NEEDED: Final = {
    "perplexities": "perplexities: a column perplexity, or old_log_probs (a list of nats a response, with "
    "response_mask where not every token is the policy's); verl's own dumps have neither, and a GRPO run of this "
    "framework with trainer.rollout_data_dir, which trains as verl's GRPO does, has them",
    "log_probs": "log-probs of each token: a column old_log_probs (a list of nats a response, with response_mask where "
    "not every token is the policy's), which dumps have only where it was added to them",
}


class Lacking(GroupwiseError):
    """A method asks for what a dump does not hold; the sentence says how a dump comes to hold it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the dumps lack {NEEDED.get(what, f'the {what} of each token, which no dump holds')}.")


class Unmeasured(Responses):
    """Responses of a dump without perplexities, for methods that do not ask for them."""

    has_perplexity = False

    @property
    def perplexity(self) -> torch.Tensor:
        """Not there."""
        raise Lacking("perplexities")

    @perplexity.setter
    def perplexity(self, value: torch.Tensor) -> None:
        pass

    def select(self, rows: torch.Tensor) -> Responses:
        """Those of a mask, (B,) bool."""
        if bool(rows.all()):
            return self
        columns = (self.reward, self.correct, self.known, self.group)
        return Unmeasured(*(values[rows] for values in columns), torch.empty(0), step=self.step)


class Batch(NamedTuple):
    """The responses of one advantage computation."""

    step: int
    update: int
    """Which advantage computation of the step, from 0."""
    rows: list[int]
    """Where in the dump each response stands."""
    responses: Responses
    has_verdict: torch.Tensor
    """(B,) bool, the responses that could be judged, with perplexity or without."""

    def outcome(self, method: Method) -> Outcome:
        """What a method makes of the batch.

        Raises:
            Lacking: The method asks for what the dump does not hold.
        """
        absent = method.needs - (set() if self.responses.tokens is None else {"log_probs"})
        if absent:
            raise Lacking(min(absent))
        return compute(method, self.responses)


def read_batches(dump: Dump, *, correct_above: float | None, needs: Collection[str] = ()) -> list[Batch]:
    """Takes a dump apart into the batches that advantages were computed on.

    Args:
        dump: A dump with the columns uid and score, and as far as they exist update, key, acc, perplexity, and
            old_log_probs and response_mask, lists of a number for each token.
        correct_above: Where the dump has no verdicts, responses with a higher score count as right; None takes scores
            of 0 and 1, or -1 and 1, for verdicts.
        needs: Per-token data that is handed on, see `Method.needs`, as far as the dump has it.

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
    found = []
    for update in sorted(set(updates)):
        rows = [row for row, value in enumerate(updates) if value == update]
        if dump.decided is None and "key" in table.column_names:
            keys = table["key"].take(rows).to_pylist()
            rows = [rows[place] for place in select_final_outputs(keys, [False] * len(rows))[0]]
        found.append(Batch(dump.step, update, rows, *_read_responses(dump, table.take(rows), correct_above, needs)))
    return found


def _read_responses(
    dump: Dump, table: pa.Table, correct_above: float | None, needs: Collection[str]
) -> tuple[Responses, torch.Tensor]:
    """The responses, and which have a verdict."""
    uids = table["uid"].to_pylist()
    number = {uid: place for place, uid in enumerate(dict.fromkeys(uids))}
    group = torch.tensor([number[uid] for uid in uids], dtype=torch.int64)
    score = _floats(dump, table, "score")
    reward = torch.tensor(score, dtype=torch.float32)
    correct, has_verdict = _verdicts(dump, table, score, correct_above)
    perplexity = _perplexities(dump, table)
    if perplexity is None:
        unmeasured = Unmeasured(reward, correct, has_verdict, group, torch.empty(0), step=dump.step)
        return unmeasured, has_verdict
    known = has_verdict & ~perplexity.isnan()
    tokens = _tokens(table) if needs and "old_log_probs" in table.column_names else None
    return Responses(reward, correct, known, group, perplexity, step=dump.step, tokens=tokens), has_verdict


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


def _token_columns(table: pa.Table) -> list[tuple[list[float] | None, list[int] | None]]:
    log_probs = table["old_log_probs"].to_pylist()
    masks = table["response_mask"].to_pylist() if "response_mask" in table.column_names else [None] * len(log_probs)
    return list(zip(log_probs, masks, strict=True))


def _perplexities(dump: Dump, table: pa.Table) -> torch.Tensor | None:
    if "perplexity" in table.column_names:
        values = [torch.nan if value is None else float(value) for value in table["perplexity"].to_pylist()]
    elif "old_log_probs" in table.column_names:
        values = [_perplexity(dump, row, *values) for row, values in enumerate(_token_columns(table))]
    else:
        return None
    return torch.tensor(values, dtype=torch.float64)


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


def _tokens(table: pa.Table) -> Tokens:
    rows = [(values or [], [1] * len(values or []) if mask is None else mask) for values, mask in _token_columns(table)]
    log_probs = [torch.tensor(values, dtype=torch.float32) for values, _ in rows]
    masks = [torch.tensor(mask, dtype=torch.bool) for _, mask in rows]
    return Tokens(pad_sequence(log_probs, batch_first=True), pad_sequence(masks, batch_first=True))
