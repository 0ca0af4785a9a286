"""Prints what scoring files has found, as plain text in aligned columns."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from reward_score.rescore.report import Against, Report, Scored, SourceTally
from reward_score.verdict import one_line

WIDTH: Final = 120

HEADER: Final = ("data source", "responses", "acc", "score", "format", "failures", "seconds", "per second")


def render(report: Report, reasons: int) -> str:
    """Gives the report, with some reasons for each data source; faults go to standard error."""
    notes = [
        line
        for note, count in report.notes.items()
        for line in textwrap.wrap(f"note: {_responses(count)} {note}", WIDTH, subsequent_indent="  ")
    ]
    shown = [line for scored in report.shown for line in _show(scored)]
    against = [_against(name, found, reasons) for name, found in report.against.items()]
    blocks = [_responses_table(report), *_reasons(report, reasons), _agreement(report), *against, notes, shown]
    return "\n".join("\n".join(block) + "\n" for block in blocks if block)


def _responses_table(report: Report) -> list[str]:
    if not report.sources:
        return []
    rows = [HEADER, *(_row(name, tally) for name, tally in sorted(report.sources.items()))]
    if len(report.sources) > 1:
        rows.append(_row("all", _total(list(report.sources.values()))))
    lines = _aligned(rows)
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def _row(name: str, tally: SourceTally) -> tuple[str, ...]:
    count = tally.responses
    means = (f"{value / count:.4f}" for value in (tally.acc, tally.score, tally.format))
    rate = f"{count / tally.seconds:.0f}" if tally.seconds else "-"
    return (one_line(name, 40), str(count), *means, str(tally.failures.total()), f"{tally.seconds:.2f}", rate)


def _total(tallies: Sequence[SourceTally]) -> SourceTally:
    failures = sum((tally.failures for tally in tallies), Counter[str]())
    return SourceTally(
        responses=sum(tally.responses for tally in tallies),
        acc=sum(tally.acc for tally in tallies),
        score=sum(tally.score for tally in tallies),
        format=sum(tally.format for tally in tallies),
        failures=failures,
        seconds=sum(tally.seconds for tally in tallies),
    )


def _reasons(report: Report, most: int) -> Iterator[list[str]]:
    for name, tally in sorted(report.sources.items()):
        common = tally.reasons.most_common(most)
        rows: list[tuple[str, ...]] = []
        for group, count in common:
            example = "" if tally.examples[group] == group else f"such as {tally.examples[group]}"
            rows.append((f"  {one_line(group, 60)}", str(count), f"{count / tally.responses:.1%}", example))
        more = len(tally.reasons) - len(common)
        tail = [f"  and {more} more: --reasons {len(tally.reasons)}"] if more > 0 else []
        yield [f"reasons, {one_line(name, 40)}", *_aligned(rows, left=(0, 3)), *tail]


def _agreement(report: Report) -> list[str]:
    compared = report.compared_acc + report.compared_score
    if not compared:
        return []
    fields = [f"acc of {report.compared_acc}"] * (report.compared_acc > 0)
    fields += [f"score of {report.compared_score}"] * (report.compared_score > 0)
    lines = [f"recorded reward: {' and '.join(fields)} responses compared, {report.differing} different"]
    for scored in report.differences:
        recorded, now = scored.compared
        lines.append(f"  {scored.sample.place}: recorded {recorded:g}, now {now:g} ({scored.verdict['reason']})")
    if report.differing > len(report.differences):
        lines.append(f"  and {report.differing - len(report.differences)} more: --show differs -n {report.differing}")
    if report.differing and report.compared_score:
        lines.append("  a training dump's score holds DAPO's overlong shaping where enabled; a validation dump has acc")
    return lines


def _against(name: str, found: Against, most: int) -> list[str]:
    """How many responses both grade alike, and the others by both reasons."""
    kinds = {"right here alone": found.only_here, f"right by {name} alone": found.only_there}
    lines = [
        f"against {one_line(name, 60)}: right by both {found.both_right}, wrong by both {found.both_wrong},"
        f" right here alone {found.only_here.total()}, there alone {found.only_there.total()},"
        f" unjudged by either {found.unjudged}"
    ]
    for title, counts in kinds.items():
        if counts:
            rows = [
                (f"    {count}", f"here: {here}", f"there: {there}")
                for (here, there), count in counts.most_common(most)
            ]
            lines += [f"  {one_line(title, 80)}", *_aligned(rows, left=(0, 1, 2))]
    return lines


def _show(scored: Scored) -> Iterator[str]:
    sample, verdict = scored.sample, scored.verdict
    yield f"{sample.place}  {one_line(scored.data_source, 40)}  acc {verdict['acc']:g}  score {verdict['score']:g}"
    texts = {
        "reason": verdict["reason"],
        **{name: f"acc {other['acc']:g}, {other['reason']}" for name, other in scored.others.items()},
        "gold": str(sample.ground_truth),
        "pred": verdict["pred"],
        "prompt": sample.prompt,
        "response": sample.response,
    }
    for name, text in texts.items():
        # A model's text may hold escape sequences that a terminal would obey: one_line lets through what prints.
        yield from textwrap.wrap(
            one_line(text, max(len(text), 1)), WIDTH, initial_indent=f"  {name + ' ':<10}", subsequent_indent=" " * 12
        ) or [f"  {name:<10}(empty)"]


def _aligned(rows: Sequence[tuple[str, ...]], left: tuple[int, ...] = (0,)) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()[:WIDTH]
        for row in rows
    ]


def fault_lines(report: Report) -> list[str]:
    """Gives a sentence for each kind of fault, failures of verifiers included; none where all was read and judged."""
    lines: list[str] = []
    for message, count in report.faults.items():
        more = f" (and {count - 1} more with the same fault)" if count > 1 else ""
        lines.append(f"{report.fault_places[message]}: {message}{more}")
    failures = _total(list(report.sources.values())).failures
    if failures:
        kinds = ", ".join(f"{kind} {count}" for kind, count in failures.items())
        lines.append(
            f"{_responses(failures.total())} could not be judged ({kinds}): see with --show failures,"
            " and correct the data or the verifier"
        )
    elif not report.sources and not report.faults:
        lines.append("the files must hold at least one response, nothing was scored")
    return lines


def _responses(count: int) -> str:
    return f"{count} response" if count == 1 else f"{count} responses"
