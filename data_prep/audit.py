"""What is wrong with data files that a training is about to read, and a table of what is in them."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from data_prep.card import check_card
from data_prep.errors import DataError
from data_prep.inputs import TRAIN
from data_prep.prompt_length import Measure
from data_prep.question import digest, prompt_digest, question_digest, question_of
from data_prep.row import check_row, judge_row, prove_row
from data_prep.schema import read_rows, read_types

MAX_ROW_FAULTS: Final = 20
"""Of each file; the others are counted."""

MAX_REPEATED_SHARE: Final = 0.5
"""Of a file's rows, so many may repeat a prompt: a prompt that is asked twice counts twice, which may be meant, and the
table tells how many are. DAPO's file, which asks each a hundred times, is the case to find."""


@dataclass
class SourceCount:
    """The rows of one data source in one file.

    Attributes:
        rows: How many.
        repeated: How many have a prompt that occurred before in the file.
        lengths: The prompts' lengths in tokens, empty where they are not measured.
    """

    rows: int = 0
    repeated: int = 0
    lengths: "array[int]" = field(default_factory=lambda: array("i"))


@dataclass
class Overlap:
    """Questions that two files ask: an example, and how many."""

    example: str
    count: int = 0


@dataclass
class FileAudit:
    """What was found in one file.

    Attributes:
        path: The file.
        sources: By data source.
        splits: Rows by split, "" where they name none.
        contradictory: Rows with another answer than the first one with the same prompt.
        row_faults: Sentences about rows, the first MAX_ROW_FAULTS.
        faulty_rows: How many rows are at fault.
        faults: Sentences about the file as a whole.
    """

    path: Path
    sources: dict[str, SourceCount] = field(default_factory=dict[str, SourceCount])
    splits: Counter[str] = field(default_factory=Counter[str])
    contradictory: int = 0
    row_faults: list[str] = field(default_factory=list[str])
    faulty_rows: int = 0
    faults: list[str] = field(default_factory=list[str])

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return sum(source.rows for source in self.sources.values())

    def all_faults(self) -> Iterator[str]:
        """Gives all sentences about the file."""
        yield from self.row_faults
        if self.faulty_rows > len(self.row_faults):
            yield f"{self.path}: {self.faulty_rows - len(self.row_faults)} more rows are at fault"
        yield from self.faults

    def blame(self, fault: str) -> None:
        """Counts a row that is at fault."""
        self.faulty_rows += 1
        if self.faulty_rows <= MAX_ROW_FAULTS:
            self.row_faults.append(fault)


class Auditor:
    """Goes through files one after another and remembers ids and questions, about 300 bytes a row.

    Args:
        judged_here: Whether rewards come from `reward_score`: then each row must have a verifier that takes its ground
            truth and, where it brings a reference response, finds that right.
        measure: Measures prompts, None if their lengths are not asked for.
        max_prompt_length: Tokens that a prompt may have, None for any number.
    """

    def __init__(
        self, *, judged_here: bool, measure: Measure | None = None, max_prompt_length: int | None = None
    ) -> None:
        self._judged_here = judged_here
        self._measure = measure
        self._max_prompt_length = max_prompt_length
        self._audits: list[FileAudit] = []
        self._ids: dict[int, int] = {}
        """For each id the number of the file that has it."""
        self._shared_ids: dict[tuple[int, int], Overlap] = {}
        self._asked_in: dict[int, int] = {}
        """For each question the numbers of the files that ask it, as bits."""
        self._overlaps: dict[tuple[int, int], Overlap] = {}

    def add(self, path: Path) -> FileAudit:
        """Audits a file.

        Args:
            path: The file.

        Returns:
            What was found; a file that cannot be read has one fault.
        """
        audit = FileAudit(path)
        self._audits.append(audit)
        answers: dict[int, str] = {}
        try:
            for number, row in enumerate(read_rows(path)):
                self._add_row(audit, row, f"{path} row {number}", answers)
        except (DataError, OSError) as error:
            audit.faults.append(str(error))
        else:
            audit.faults.extend(self._file_faults(audit))
        return audit

    def between_files(self) -> Iterator[str]:
        """Gives what is wrong between files: questions both trained on and evaluated on, columns of different types."""
        for (first, second), shared in sorted(self._shared_ids.items()):
            also = "twice" if first == second else f"in {self._audits[first].path} too"
            yield (
                f"{self._audits[second].path}: an id must occur once, but {shared.count} occur {also},"
                f" such as {shared.example}: drop the copies"
            )
        for (first, second), overlap in sorted(self._overlaps.items()):
            one, other = self._audits[first], self._audits[second]
            if trains(one) == trains(other):
                continue
            train, held_out = (one, other) if trains(one) else (other, one)
            yield (
                f"{train.path}: must ask nothing that {held_out.path} asks, but {overlap.count} questions are in both,"
                f" such as {overlap.example!r}: make it again with --exclude {held_out.path}"
            )
        for training in (True, False):
            yield from _type_faults([audit.path for audit in self._audits if trains(audit) == training and audit.rows])

    def _add_row(self, audit: FileAudit, row: dict[str, Any], where: str, answers: dict[int, str]) -> None:
        source = audit.sources.setdefault(str(row.get("data_source")), SourceCount())
        source.rows += 1
        try:
            check_row(row, where)
            extra_info = cast("Mapping[str, Any]", row.get("extra_info") or {})
            audit.splits[str(extra_info.get("split") or "")] += 1
            self._add_id(extra_info.get("id"))
            answer = self._answer(row, where)
            if self._measure is not None:
                source.lengths.append(self._length(self._measure, row, where))
        except DataError as error:
            audit.blame(str(error))
            return
        self._add_question(question_of(row))
        self._add_prompt(audit, source, row, answer, answers)

    def _answer(self, row: Mapping[str, Any], where: str) -> str:
        if self._judged_here and "reference_response" in (row.get("extra_info") or {}):
            return prove_row(row, where)["pred"]
        if self._judged_here:
            judge_row(row, where)
        return str(row["reward_model"]["ground_truth"])

    def _length(self, measure: Measure, row: Mapping[str, Any], where: str) -> int:
        try:
            return measure(row["prompt"])
        except DataError as error:
            raise DataError(f"{where}: {error}") from error

    def _add_id(self, identity: object) -> None:
        if not isinstance(identity, str) or not identity:
            return  # another maker's row
        here = len(self._audits) - 1
        key = digest(identity)
        if key in self._ids:
            self._shared_ids.setdefault((self._ids[key], here), Overlap(identity[:80])).count += 1
        self._ids.setdefault(key, here)

    def _add_question(self, question: str) -> None:
        here = len(self._audits) - 1
        key = question_digest(question)
        files = self._asked_in.get(key, 0)
        if files >> here & 1:
            return
        self._asked_in[key] = files | 1 << here
        for before in range(here):
            if files >> before & 1:
                self._overlaps.setdefault((before, here), Overlap(question[:80])).count += 1

    def _add_prompt(
        self, audit: FileAudit, source: SourceCount, row: Mapping[str, Any], answer: str, answers: dict[int, str]
    ) -> None:
        prompt = prompt_digest(row)
        if prompt in answers:
            source.repeated += 1
            audit.contradictory += answers[prompt] != answer
        answers.setdefault(prompt, answer)

    def _file_faults(self, audit: FileAudit) -> Iterator[str]:
        if audit.rows == 0:
            yield f"{audit.path}: a data file must have at least one row, it has none"
            return
        if fault := check_card(audit.path):
            yield fault
        repeated = sum(source.repeated for source in audit.sources.values())
        if repeated > MAX_REPEATED_SHARE * audit.rows:
            yield (
                f"{audit.path}: must ask each prompt once, but {repeated} of {audit.rows} rows repeat one:"
                " make it again with --dedupe"
            )
        if audit.contradictory and trains(audit):
            yield (
                f"{audit.path}: must have one answer for a prompt, but {audit.contradictory} rows have another one than"
                " the first with the same prompt: make it again with --dedupe"
            )
        limit = self._max_prompt_length
        overlong = sum(length > limit for source in audit.sources.values() for length in source.lengths) if limit else 0
        if overlong:
            yield (
                f"{audit.path}: a prompt must have at most {limit} tokens, but {overlong} of {audit.rows} have more:"
                " raise data.max_prompt_length, or let verl drop them with data.filter_overlong_prompts=True"
            )


def trains(audit: FileAudit) -> bool:
    """Says whether a file is trained on: a row's split is "train", or no row names one and the file is named so."""
    return TRAIN in audit.splits or (not any(audit.splits) and TRAIN in audit.path.stem)


def _type_faults(paths: Sequence[Path]) -> Iterator[str]:
    """verl concatenates the files that it trains on, and those that it evaluates on; missing fields become null."""
    first: dict[str, tuple[str, Path]] = {}
    for path in paths:
        for name, kind in read_types(path).items():
            told, before = first.setdefault(name, (kind, path))
            if told != kind:
                yield (
                    f"{path}: verl concatenates files, so {name} must have the type {told} that it has in {before},"
                    f" but has {kind}: make both with data_prep"
                )
