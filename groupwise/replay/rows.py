"""Rows of a dump -> what a method sees; what a dump lacks is named."""

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
    "perplexities": "perplexities: a column perplexity, or old_log_probs (a list of nats per response, with "
    "response_mask where not every token is the policy's); verl's own dumps have neither, and a GRPO run of this "
    "framework with trainer.rollout_data_dir, which trains as verl's GRPO does, has them",
    "log_probs": "log-probs of each token: a column old_log_probs (a list of nats per response, with response_mask "
    "where not every token is the policy's), which dumps have only where it was added to them",
    "entropies": "entropies of each token: columns old_log_probs and entropies (each a list of nats per response), "
    "which dumps have only where they were added to them",
}


class Lacking(GroupwiseError):
    """A method asks for what a dump does not hold; the sentence says how a dump comes to hold it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the dumps lack {NEEDED.get(what, what)}.")


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
        tokens = self.responses.tokens
        for need in sorted(method.needs):
            if tokens is None or getattr(tokens, need, None) is None:
                raise Lacking(need)
        return compute(method, self.responses)


def read_batches(dump: Dump, *, correct_above: float | None) -> list[Batch]:
    """Takes a dump apart into the batches that advantages were computed on, in order; of one update a step it is one.

    The dump has the columns uid and score, and as far as they exist update, key, acc, perplexity, and old_log_probs,
    response_mask and entropies, lists of a number for each token. Where it has no verdicts, responses with a score
    higher than `correct_above` count as right; None takes scores of 0 and 1, or -1 and 1, for verdicts.

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
        found.append(Batch(dump.step, update, rows, *_read_responses(dump, table.take(rows), correct_above)))
    return found


def _read_responses(dump: Dump, table: pa.Table, correct_above: float | None) -> tuple[Responses, torch.Tensor]:
    """The responses, and which have a verdict."""
    uids = table["uid"].to_pylist()
    number = {uid: place for place, uid in enumerate(dict.fromkeys(uids))}
    group = torch.tensor([number[uid] for uid in uids], dtype=torch.int64)
    score = _floats(dump, table, "score")
    reward = torch.tensor(score, dtype=torch.float32)
    correct, has_verdict = _verdicts(dump, table, score, correct_above)
    tokens = _tokens(dump, table)
    perplexity = _perplexities(dump, table, tokens)
    if perplexity is None:
        unmeasured = Unmeasured(reward, correct, has_verdict, group, torch.empty(0), step=dump.step)
        return unmeasured, has_verdict
    known = has_verdict & ~perplexity.isnan()
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


def _tokens(dump: Dump, table: pa.Table) -> Tokens | None:
    if "old_log_probs" not in table.column_names:
        return None
    log_probs = [values or [] for values in table["old_log_probs"].to_pylist()]
    columns = {"old_log_probs": log_probs, "response_mask": [[1] * len(values) for values in log_probs]}
    columns |= {name: table[name].to_pylist() for name in ("response_mask", "entropies") if name in table.column_names}
    for name, rows in columns.items():
        columns[name] = rows = [values or [] for values in rows]
        for row, values in enumerate(rows):
            if len(values) != len(log_probs[row]) or not all(isinstance(value, int | float) for value in values):
                raise GroupwiseError(
                    f"The column {name} must hold a number for each token that old_log_probs has one for, but row "
                    f"{row} of {dump.file} does not."
                )
    padded = {
        name: pad_sequence([torch.tensor(values, dtype=torch.float64) for values in rows], batch_first=True)
        for name, rows in columns.items()
    }
    return Tokens(padded["old_log_probs"], padded["response_mask"].bool(), padded.get("entropies"))


def _perplexities(dump: Dump, table: pa.Table, tokens: Tokens | None) -> torch.Tensor | None:
    if "perplexity" in table.column_names:
        values = [torch.nan if value is None else float(value) for value in table["perplexity"].to_pylist()]
        return torch.tensor(values, dtype=torch.float64)
    if tokens is None:
        return None
    is_empty = ~tokens.mask.any(dim=1, keepdim=True)
    # A token in the place of none, so that a sentence counts rows as the dump does.
    log_probs, mask = torch.nn.functional.pad(tokens.log_probs, (0, 1)), torch.cat([tokens.mask, is_empty], dim=1)
    try:
        return sequence_perplexity(log_probs, mask).masked_fill(is_empty.squeeze(1), torch.nan)
    except ValueError as error:
        raise GroupwiseError(f"old_log_probs of {dump.file} must hold log-probs in nats, but: {error}") from None
