"""From run folders to a page, pictures and numbers."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.report.arms import Arm, form_arms
from groupwise.report.options import Options
from groupwise.report.results import Results, find_results
from groupwise.report.runs import Run, load_run
from groupwise.report.same_data import check_same_data, data_fault
from groupwise.report.sentences import say
from groupwise.report.store import draw_curves, points_for
from groupwise.report.table import as_json, as_text, printable


class Report(NamedTuple):
    """What was made of some runs.

    Attributes:
        results: What they show.
        remarks: Sentences for the head of the page.
        has_ended: Whether all runs are known to have ended.
    """

    results: Results
    remarks: list[str]
    has_ended: bool

    @property
    def text(self) -> str:
        """The summary for the terminal: sentences, then the table."""
        told = [*self.remarks, *(sentence.text for sentence in say(self.results))]
        return "\n".join([*(f"- {printable(text)}" for text in told), "", as_text(self.results)])


def build(options: Options) -> Report:
    """Reads the runs and writes what was asked for.

    Args:
        options: The command line.

    Returns:
        The report.

    Raises:
        NoMetricsYet: A run has logged nothing so far.
        GroupwiseError: A path is not a run's, a run is named twice, or runs had different data.
    """
    runs = [load_run(path) for path in options.runs]
    _check_distinct(runs)
    if not options.different_data:
        check_same_data(runs)
    arms = form_arms(runs, options.names)
    _check_baseline(arms, options.baseline)
    fault = data_fault(runs)
    report = Report(
        find_results(arms, baseline=options.baseline),
        [] if fault is None else [f"The data differ: {fault}. Differences between arms may come from that alone."],
        all(run.has_ended for run in runs),
    )
    _write(report, options)
    return report


def _write(report: Report, options: Options) -> None:
    # Altair takes a second to import, which a wrong path need not wait for.
    from groupwise.report.page import Refresh, write_page
    from groupwise.report.pictures import write_pictures
    from groupwise.report.sections import all_panels, lay_out

    points = points_for(report.results.arms)
    curves = [draw_curves(arm, points=points) for arm in report.results.arms]
    refresh = Refresh(options.follow) if options.follow is not None and not report.has_ended else None
    _replace(options.output, write_page(report.results, curves, options.title, refresh, report.remarks))
    if options.json is not None:
        tree = {**as_json(report.results), "sentences": [text for _, text in say(report.results)]}
        _replace(options.json, json.dumps({**tree, "remarks": report.remarks}, indent=1) + "\n")
    if options.png is not None:
        write_pictures(all_panels(lay_out(report.results, curves)), curves, options.png)


def _replace(file: Path, text: str) -> None:
    """Writes a file so that a reader sees the old one or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, file)


def _check_distinct(runs: Sequence[Run]) -> None:
    seen: dict[Path, Run] = {}
    for run in runs:
        for file in run.files:
            other = seen.setdefault(file.resolve(), run)
            if other is not run:
                raise GroupwiseError(
                    f"Each run must be named once, but {other.path} and {run.path} are the same ({file}); leave one "
                    "out."
                )


def _check_baseline(arms: Sequence[Arm], label: str | None) -> None:
    labels = [arm.label for arm in arms]
    if label is not None and label not in labels:
        raise GroupwiseError(f"--baseline must name an arm ({', '.join(labels)}), but got {label}; take one of these.")
