"""What is wrong with data files that a training is about to read, and what is in them.

A fault is what verl would stop at or what would mislead a training, what the verifiers do not take where they judge,
and a question that is both trained on and evaluated on. Files that data_prep made are held to its promises besides: an
id once, a prompt once, with one answer; of other makers' files such things are notes.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from data_prep.card import check_card
from data_prep.errors import DataError, Faults
from data_prep.inputs import TRAIN
from data_prep.opening import concatenation_faults, features_of, open_file
from data_prep.prompt_length import Measure
from data_prep.question import digest, prompt_digest, question_digest, question_of
from data_prep.reading import Reading, check_row, column_faults, has_media, said
from data_prep.schema import ExtraInfo, judge_row, prove_row

MAX_REPEATED_SHARE: Final = 0.5
"""The share of a file's rows that may repeat a prompt: one that is asked twice counts twice, which may be meant, and
the table tells how many are. DAPO's file, which asks each a hundred times, is the case to find."""

MAX_JUDGED: Final = 1_000_000
"""So many ground truths are remembered as good, so that none is judged a hundred times."""


EVALUATED: Final = frozenset({"test", "val", "valid", "validation", "dev", "eval", "evaluation", "heldout", "holdout"})
"""Words for what is not trained on, as a row's split or in a file's name."""


@dataclass
class SourceCount:
    """The rows of one data source in one file; `repeated` are those with a prompt that occurred before in the file."""

    rows: int = 0
    repeated: int = 0
    lengths: "array[int]" = field(default_factory=lambda: array("i"))
    """The prompts' lengths in tokens, empty where they are not measured."""


@dataclass
class Overlap:
    """Questions that two files ask: an example, and how many."""

    example: str
    count: int = 0


@dataclass
class FileAudit:
    """What was found in one file."""

    path: Path
    trained_on: bool | None
    """Whether it is trained on, as the caller knows; None where that is to be seen from the file."""
    is_own: bool = False
    """Whether data_prep made it, as its rows' `extra_info` tells."""
    features: Any = None
    """What `datasets` makes of its types, None where it could not be read."""
    sources: dict[str, SourceCount] = field(default_factory=dict[str, SourceCount])
    splits: Counter[str] = field(default_factory=Counter[str])
    """Rows by split, "" where they name none."""
    contradictory: int = 0
    """Rows with another answer than the first one with the same prompt."""
    row_faults: Faults = field(default_factory=Faults)
    faults: list[str] = field(default_factory=list[str])
    """Sentences about the file as a whole."""
    notes: list[str] = field(default_factory=list[str])
    """What is worth telling about the file but is no fault."""

    @property
    def rows(self) -> int:
        return sum(source.rows for source in self.sources.values())

    def all_faults(self) -> Iterator[str]:
        """Yields all sentences about the file."""
        yield from self.row_faults.lines("rows")
        yield from self.faults


def trains(audit: FileAudit) -> bool | None:
    """Says whether a file is trained on: as the caller knows, else by its rows' split, else by its name, else None."""
    if audit.trained_on is not None:
        return audit.trained_on
    splits = {split.lower() for split in audit.splits}
    words = set(re.split(r"[^a-z]+", audit.path.stem.lower()))
    if TRAIN in splits or "training" in splits:
        return True
    if splits & EVALUATED:
        return False
    if TRAIN in audit.path.stem.lower():
        return True
    return False if words & EVALUATED else None


class Auditor:
    """Goes through files one after another and remembers ids and questions, about 500 bytes a row.

    Where `reward_score` judges, each row must have a verifier that takes its ground truth, and that finds its reference
    response right where data_prep made the row. `max_prompt_length` is in tokens, as `measure` counts them.
    """

    def __init__(self, reading: Reading, *, measure: Measure | None, max_prompt_length: int | None) -> None:
        self._reading = reading
        self._measure = measure
        self._max_prompt_length = max_prompt_length
        self._audits: list[FileAudit] = []
        self._judged: set[tuple[str, str]] = set()
        """Data sources and ground truths, with what else a verifier may read, that were found good."""
        self._spelt: dict[int, tuple[int, int]] = {}
        """For each text of question and prompt their digests."""
        self._ids: dict[int, int] = {}
        """For each id the number of the file that has it."""
        self._shared_ids: dict[tuple[int, int], Overlap] = {}
        self._asked_in: dict[int, int] = {}
        """For each question the numbers of the files that ask it, as bits."""
        self._overlaps: dict[tuple[int, int], Overlap] = {}

    def add(self, path: Path, *, trained_on: bool | None) -> FileAudit:
        """Audits a file; one that cannot be read has one fault. `trained_on`: None to see that from the file itself."""
        audit = FileAudit(path, trained_on)
        self._audits.append(audit)
        answers: dict[int, str] = {}
        try:
            with open_file(path) as file:
                audit.faults.extend(f"{path}: {fault}" for fault in column_faults(file.columns, self._reading))
                if set(self._reading.columns) <= set(file.columns):
                    for number, row in enumerate(file.rows):
                        self._add_row(audit, row, f"{path} row {number}", answers)
                    try:
                        audit.features = features_of(file.schema)
                    except ValueError as error:
                        audit.faults.append(
                            f"{path}: must have types that datasets knows, but {error}: write the column as text"
                        )
        except (DataError, OSError) as error:
            audit.faults.append(str(error))
        else:
            self._judge_file(audit)
        return audit

    def between_files(self) -> Iterator[str]:
        """Yields what is wrong between files: questions both trained and evaluated on, columns of different types."""
        for (first, second), shared in sorted(self._shared_ids.items()):
            also = "twice" if first == second else f"in {self._audits[first].path} too"
            yield (
                f"{self._audits[second].path}: an id must occur once, but {shared.count} occur {also},"
                f" such as {shared.example}: drop the copies"
            )
        for one, other, overlap in self._overlapping():
            roles = trains(one), trains(other)
            if roles[0] == roles[1]:
                continue
            # A file of which nothing tells what it is for is taken for what its neighbour is not.
            one_trains = roles[0] if roles[0] is not None else not roles[1]
            train, held_out = (one, other) if one_trains else (other, one)
            sure = None not in roles
            yield (
                f"{train.path}: must ask nothing that {held_out.path} asks, but {overlap.count} questions are in both,"
                f" such as {overlap.example!r}: make it again with --exclude {held_out.path}"
                f"{'' if sure else ', or say with --train and --val which file is which'}"
            )
        for training in (True, False):
            files = [
                (audit.path, audit.features)
                for audit in self._audits
                if bool(trains(audit)) == training and audit.features is not None
            ]
            if len(files) > 1:
                yield from concatenation_faults(files)

    def notes(self) -> Iterator[str]:
        """Yields what is worth telling but is no fault, once all files were added."""
        for audit in self._audits:
            yield from audit.notes
        if self._reading.render is not None:
            yield from self._reading.render.remarks.values()
        for one, other, overlap in self._overlapping():
            if trains(one) is None and trains(other) is None:
                yield (
                    f"{other.path} asks {overlap.count} questions that {one.path} asks, such as {overlap.example!r};"
                    " say with --train and --val which file is trained on and which is not"
                )

    def _overlapping(self) -> Iterator[tuple[FileAudit, FileAudit, Overlap]]:
        for (first, second), overlap in sorted(self._overlaps.items()):
            yield self._audits[first], self._audits[second], overlap

    def _add_row(self, audit: FileAudit, row: dict[str, Any], where: str, answers: dict[int, str]) -> None:
        source = audit.sources.setdefault(str(row.get("data_source")), SourceCount())
        source.rows += 1
        try:
            check_row(row, where, self._reading)
            extra_info = cast("Mapping[str, Any]", row.get("extra_info") or {})
            audit.splits[str(extra_info.get("split") or "")] += 1
            is_own = extra_info.keys() >= ExtraInfo.__annotations__.keys()
            audit.is_own |= is_own
            if is_own:
                self._add_id(extra_info["id"])
            answer = self._answer(row, where, is_own=is_own)
            if self._measure is not None:
                try:
                    source.lengths.append(self._measure(row[self._reading.prompt_key]))
                except DataError as error:
                    raise DataError(f"{where}: {error}") from error
        except DataError as error:
            audit.row_faults.add(str(error))
            return
        # Of two rows with pictures, the same words ask two questions.
        if not has_media(row, self._reading):
            question, prompt = self._digests(row, str(extra_info.get("question") or ""))
            self._add_question(row, question)
            if prompt in answers:
                source.repeated += 1
                audit.contradictory += answers[prompt] != answer
            answers.setdefault(prompt, answer)

    def _answer(self, row: Mapping[str, Any], where: str, *, is_own: bool) -> str:
        judge = self._reading.judge
        if judge == "model":
            return ""
        gold = str(row["reward_model"]["ground_truth"])
        if judge == "verifiers" and is_own:
            return prove_row(row, where)["pred"]
        if judge == "verifiers":
            # All that a verifier may read, but for the number that tells a row from the others.
            judged = (row["data_source"], f"{gold} { {**(row.get('extra_info') or {}), 'index': 0} }")
            if judged not in self._judged:
                judge_row(row, where)
                if len(self._judged) < MAX_JUDGED:
                    self._judged.add(judged)
        return gold

    def _add_id(self, identity: object) -> None:
        if not isinstance(identity, str) or not identity:
            return  # another maker's row
        here, key = len(self._audits) - 1, digest(identity)
        if key in self._ids:
            self._shared_ids.setdefault((self._ids[key], here), Overlap(identity[:80])).count += 1
        self._ids.setdefault(key, here)

    def _digests(self, row: Mapping[str, Any], question: str) -> tuple[int, int]:
        """Of question and prompt; spelling them takes longer than all else, so that a text which repeats is known."""
        key = self._reading.prompt_key
        text = digest("\0".join([question, *map(said, row[key])]))
        if text not in self._spelt:
            self._spelt[text] = question_digest(question_of(row, key)), prompt_digest(row, key)
        return self._spelt[text]

    def _add_question(self, row: Mapping[str, Any], question: int) -> None:
        here = len(self._audits) - 1
        files = self._asked_in.get(question, 0)
        if files >> here & 1:
            return
        self._asked_in[question] = files | 1 << here
        for before in range(here):
            if files >> before & 1:
                text = question_of(row, self._reading.prompt_key)
                self._overlaps.setdefault((before, here), Overlap(text[:80])).count += 1

    def _judge_file(self, audit: FileAudit) -> None:
        if audit.rows == 0:
            if not audit.faults:
                audit.faults.append(f"{audit.path}: a data file must have at least one row, it has none")
            return
        if fault := check_card(audit.path):
            audit.faults.append(fault)
        (audit.faults if audit.is_own else audit.notes).extend(self._repetitions(audit))
        limit = self._max_prompt_length
        overlong = sum(length > limit for source in audit.sources.values() for length in source.lengths) if limit else 0
        if overlong:
            audit.faults.append(
                f"{audit.path}: a prompt must have at most {limit} tokens, but {overlong} of {audit.rows} have more:"
                " raise data.max_prompt_length, or let verl drop them with data.filter_overlong_prompts=True"
            )

    @staticmethod
    def _repetitions(audit: FileAudit) -> Iterator[str]:
        repeated = sum(source.repeated for source in audit.sources.values())
        if repeated > MAX_REPEATED_SHARE * audit.rows:
            yield (
                f"{audit.path}: must ask each prompt once, but {repeated} of {audit.rows} rows repeat one:"
                " make it again with --dedupe"
                if audit.is_own
                else f"{audit.path}: {repeated} of {audit.rows} rows repeat a prompt, which then counts that many times"
            )
        if audit.contradictory and trains(audit) is not False:
            yield (
                f"{audit.path}: must have one answer for a prompt, but {audit.contradictory} rows have another one than"
                " the first with the same prompt: make it again with --dedupe"
                if audit.is_own
                else f"{audit.path}: {audit.contradictory} rows have another answer than the first with the same prompt"
            )
