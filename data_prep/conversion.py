"""From a converter's rows to the file: what is dropped and why, what is at fault, and the report of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from data_prep.errors import DataError, Faults, UnsolvableError
from data_prep.question import digest, prompt_digest, question_digest
from data_prep.records import Fault, Record
from data_prep.schema import LocatedRow, Row, check_made_row, prove_row, write_rows

UNSOLVABLE: Final = "no answer can be right"
EXCLUDED: Final = "asked in an evaluation set"
DUPLICATE: Final = "asked before"
CONTRADICTORY: Final = "asked again with another answer"

MAX_LISTED: Final = 1000
"""So many of each kind are listed in the data card; all are counted."""

Rows = Callable[[], Iterator["LocatedRow | Dropped | Fault"]]
"""Gives the rows from the beginning each time it is called."""


class Dropped(NamedTuple):
    """A record that is left out on purpose: its id, one of the kinds above, and why where that says too little."""

    identity: str
    kind: str
    reason: str = ""


@dataclass
class Report:
    """What became of the records of one file; `listed` and `faults` have the first MAX_LISTED of each kind."""

    read: int = 0
    """Records, faulty ones included."""
    written: int = 0
    data_sources: Counter[str] = field(default_factory=Counter[str])
    dropped: Counter[str] = field(default_factory=Counter[str])
    listed: list[Dropped] = field(default_factory=list[Dropped])
    faults: list[str] = field(default_factory=list[str])
    kinds: Faults = field(default_factory=Faults)

    def drop(self, dropped: Dropped) -> None:
        self.dropped[dropped.kind] += 1
        if self.dropped[dropped.kind] <= MAX_LISTED:
            self.listed.append(dropped)

    def blame(self, fault: str) -> None:
        self.kinds.add(fault)
        if len(self.faults) < MAX_LISTED:
            self.faults.append(fault)

    @property
    def faulty(self) -> int:
        return self.kinds.count


class Located(Protocol):
    """Something that says where it is from, for the sentence about a fault: a record, or what was joined with one."""

    @property
    def where(self) -> str: ...


Source = TypeVar("Source", bound=Located)


def make_rows(
    records: Callable[[], Iterator[Source | Fault]],
    identify: Callable[[Source], str],
    make: Callable[[Source, str], Row],
) -> Rows:
    """Turns records into rows, with faults and dropped records in their places.

    `identify` returns a record's id, and `make` the row of a record and its id. Both raise DataError where the record
    is at fault, and UnsolvableError where no answer to it can be right.
    """

    def rows() -> Iterator[LocatedRow | Dropped | Fault]:
        for record in records():
            if isinstance(record, Fault):
                yield record
                continue
            identity = ""
            try:
                identity = identify(record)
                yield record.where, make(record, identity)
            except UnsolvableError as error:
                yield Dropped(identity, UNSOLVABLE, str(error))
            except DataError as error:
                yield Fault(str(error))
            except RecursionError:
                yield Fault(f"{record.where}: must be nested less deeply")

    return rows


def numbered(name: str, split: str) -> Callable[[Record], str]:
    """Makes ids of a set's name, the split, and a record's number in it."""
    return lambda record: f"{name}/{split}/{record.number}"


def convert(rows: Rows, path: Path, *, exclude: Set[int], dedupe: bool, skip_bad: bool) -> Report:
    """Writes one file, without the rows that ask one of the questions in `exclude`, their digests.

    `dedupe` drops rows whose prompt occurred before, and all rows with one prompt where their answers differ: then
    nobody knows which is right. `skip_bad` leaves out the records that are at fault; otherwise they are raised in one
    DataError, a line for each kind of fault.
    """
    kept = _Kept(exclude)
    # All rows are gone through once before any is written: a contradiction may come last.
    prompts = [kept.find_prompt(item) for item in rows()] if dedupe else repeat(None)
    write_rows(kept.rows(rows(), prompts, path.name, skip_bad=skip_bad), path)
    return kept.report


class _Kept:
    """The rows that a file gets."""

    def __init__(self, exclude: Set[int]) -> None:
        self.report = Report()
        self._exclude = exclude
        self._ids = set[int]()
        self._answers: dict[int, int] = {}
        """For each prompt its answer, CONTRADICTED if there are several, and TAKEN once a row has been written."""

    def find_prompt(self, item: "LocatedRow | Dropped | Fault") -> int:
        """Gives an item's prompt, UNKNOWN for what is no row or is not found solvable."""
        if isinstance(item, Dropped | Fault):
            return _UNKNOWN
        where, row = item
        try:
            check_made_row(row, where)
            answer = digest(prove_row(row, where)["pred"])
        except DataError:
            return _UNKNOWN  # told in the second pass
        prompt = prompt_digest(row)
        if self._answers.setdefault(prompt, answer) != answer:
            self._answers[prompt] = _CONTRADICTED
        return prompt

    def rows(
        self,
        items: Iterable["LocatedRow | Dropped | Fault"],
        prompts: Iterable[int | None],
        name: str,
        *,
        skip_bad: bool,
    ) -> Iterator[Row]:
        """Yields the rows; `prompts` are what `find_prompt` gave for each item, None where it was not asked."""
        report = self.report
        for item, prompt in zip(items, prompts, strict=False):
            report.read += 1
            if isinstance(item, Fault):
                report.blame(item.message)
            elif isinstance(item, Dropped):
                report.drop(item)
            else:
                where, row = item
                try:
                    dropped = self._judge(where, row, prompt)
                except DataError as error:
                    report.blame(str(error))
                    continue
                if dropped is not None:
                    report.drop(dropped)
                elif report.faulty == 0 or skip_bad:
                    row["extra_info"]["index"] = report.written
                    report.written += 1
                    report.data_sources[row["data_source"]] += 1
                    yield row
        if report.faulty and not (skip_bad and report.written):
            cure = "no record is left" if skip_bad else "correct them, or leave them out with --skip-bad"
            unwritten = f"{name} is not written: {report.faulty} of {report.read} records are at fault: {cure}"
            raise DataError("\n".join([*report.kinds.lines("records"), unwritten]))
        if report.written == 0:
            first = {dropped.kind: f" ({dropped.reason})" for dropped in reversed(report.listed) if dropped.reason}
            kinds = ", ".join(f"{count} {kind}{first.get(kind, '')}" for kind, count in report.dropped.items())
            found = f"none is left of {report.read}: {kinds}" if report.read else "no record belongs to it"
            raise DataError(f"{name} must get at least one row, but {found}")

    def _judge(self, where: str, row: Row, prompt: int | None) -> Dropped | None:
        known = prompt is not None and prompt != _UNKNOWN
        if not known:
            check_made_row(row, where)
        extra_info = row["extra_info"]
        identity = extra_info["id"]
        if (key := digest(identity)) in self._ids:
            raise DataError(f"{where}: the id {identity} must occur once, it occurred before: drop one of the records")
        self._ids.add(key)
        try:
            if not known:
                prove_row(row, where)
        except UnsolvableError as error:
            return Dropped(identity, UNSOLVABLE, str(error))
        if self._exclude and question_digest(extra_info["question"]) in self._exclude:
            return Dropped(identity, EXCLUDED, f"{where}: {extra_info['question'][:80]!r}")
        if prompt is None or not known:
            return None
        answer = self._answers[prompt]
        if answer == _CONTRADICTED:
            return Dropped(identity, CONTRADICTORY, f"{where}: {extra_info['question'][:80]!r}")
        self._answers[prompt] = _TAKEN
        return Dropped(identity, DUPLICATE) if answer == _TAKEN else None


_CONTRADICTED: Final = -1
_TAKEN: Final = -2
_UNKNOWN: Final = -3
