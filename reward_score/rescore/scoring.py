"""Scores responses from files with the training reward, one at a time."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from reward_score import UnknownDataSourceError, compute_score
from reward_score.against import Judge
from reward_score.plugins import find_verifier, has_verifier
from reward_score.rescore.columns import Columns
from reward_score.rescore.files import Fault, InputError, read_rows
from reward_score.rescore.report import Report, Scored, bounded, reason_group, shortened
from reward_score.rescore.rows import Sample, infer_data_source, samples_of
from reward_score.response import last_turn


class Settings(NamedTuple):
    """How to score.

    `data_source` holds for all rows, "" for none. `last_turn`: only that of each response counts. `options` go to the
    verifiers. `limit` is the most responses to score. `selects` tells which are to be shown, at most `show_count`.
    `against` are other verifiers by name, which judge too.
    """

    columns: Columns = Columns()
    data_source: str = ""
    last_turn: bool = False
    options: Mapping[str, Any] = {}
    limit: int | None = None
    selects: Callable[[Scored], bool] | None = None
    show_count: int = 5
    against: Mapping[str, Judge] = {}


def score_files(files: Sequence[Path], settings: Settings, write: Callable[[Scored], None]) -> Report:
    """Scores all responses of the files that `find_files` gave; `write` takes each with its verdict, in order.

    What could not be read, or has no verifier, is among the report's faults.
    """
    report, taken = Report(), set[str]()
    for sample in _samples(files, settings.columns, settings.limit):
        if isinstance(sample, Fault):
            report.add_fault(sample)
            continue
        try:
            data_source = _source_of(sample, settings.data_source, report.notes)
            started = time.perf_counter()
            response = last_turn(sample.response) if settings.last_turn else sample.response
            verdict = compute_score(data_source, response, sample.ground_truth, sample.extra_info, **settings.options)
        except (InputError, UnknownDataSourceError) as error:
            report.add_fault(Fault(sample.place, str(error)))
            continue
        seconds = time.perf_counter() - started
        if settings.options:
            taken |= find_verifier(data_source, sample.extra_info).options
        others = {
            name: judge(data_source, response, sample.ground_truth, sample.prompt, sample.extra_info)
            for name, judge in settings.against.items()
        }
        scored = Scored(sample, data_source, verdict, others)
        report.add(scored, seconds)
        write(scored)
        if settings.selects and len(report.shown) < settings.show_count and settings.selects(scored):
            report.shown.append(shortened(scored))
    for name in settings.options if report.sources else ():
        if name not in taken:
            has = ", ".join(sorted(taken)) or "no options"
            report.add_fault(Fault(f"--option {name}", f"must be an option of a verifier used here, which have {has}"))
    return report


def selector(word: str) -> Callable[[Scored], bool]:
    """Gives the test for what --show names: "wrong", "failures", "differs", "disputed", or how a reason begins."""
    known: dict[str, Callable[[Scored], bool]] = {
        "wrong": lambda scored: scored.verdict["acc"] == 0.0 and not scored.failure,
        "failures": lambda scored: scored.failure != "",
        "differs": lambda scored: scored.differs,
        "disputed": lambda scored: scored.disputed != [],
    }
    return known.get(
        word,
        lambda scored: (
            scored.verdict["reason"].startswith(word) or reason_group(scored.verdict["reason"]).startswith(word)
        ),
    )


def _samples(files: Iterable[Path], columns: Columns, limit: int | None) -> Iterator[Sample | Fault]:
    left = limit
    for item in chain.from_iterable(map(read_rows, files)):
        if isinstance(item, Fault):
            yield item
            continue
        place, row = item
        try:
            samples = samples_of(row, place, columns)[:left]
        except InputError as error:
            yield Fault(place, str(error))
            continue
        yield from samples
        if left is not None and (left := left - len(samples)) == 0:
            return


def _source_of(sample: Sample, given: str, notes: Counter[str]) -> str:
    if sample.is_reference:
        notes[
            "held no response: their extra_info.reference_response was scored, which proves the ground truths"
            " and says nothing about a model"
        ] += 1
    # A row may say how it is judged, but not in a dump.
    if given or (sample.data_source and has_verifier(sample.data_source, sample.extra_info)):
        return given or sample.data_source
    inferred = infer_data_source(sample.prompt, sample.ground_truth)
    if inferred is None and sample.data_source:
        return sample.data_source  # whose judging says what is known
    if inferred is None:
        raise InputError(
            "names no data_source, and neither its ground truth nor its prompt tells which: give --data-source NAME"
        )
    notes[bounded(notes, f"taken for {inferred.data_source}: {inferred.why} (--data-source NAME overrides)")] += 1
    return inferred.data_source
