"""From run folders to a page, pictures and numbers, once or while the runs go on."""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from groupwise.errors import GroupwiseError
from groupwise.files import replacing
from groupwise.report.curves import draw_curves, points_for
from groupwise.report.findings import Results, find_results
from groupwise.report.folders import CONFIG_FOLDERS, DUMPS, NoMetricsYet
from groupwise.report.runs import Run, check_same_data, data_fault, load_run
from groupwise.report.sentences import say
from groupwise.report.table import as_json, as_text
from groupwise.report.variants import form_variants
from groupwise.report.wording import printable

WATCHED = ("*.jsonl", "events.out.tfevents*", "tensorboard/**/events.out.tfevents*", f"{DUMPS}/*/*.parquet")


class Report(NamedTuple):
    """What was made of some runs: what they show, sentences for the head of the page, and whether all have ended."""

    results: Results
    remarks: list[str]
    has_ended: bool

    @property
    def text(self) -> str:
        """The summary for the terminal: sentences, then the table."""
        told = [*self.remarks, *(sentence.text for sentence in say(self.results))]
        return "\n".join([*(f"- {printable(text)}" for text in told), "", as_text(self.results)])


def build(options: Namespace) -> Report:
    """Reads the runs and writes what was asked for.

    Raises:
        NoMetricsYet: A run has logged nothing so far.
        GroupwiseError: A path is not a run's, a run is named twice, or runs had different data.
    """
    runs = [load_run(path, options.dumps.get(path)) for path in options.runs]
    _check_distinct(runs)
    if not options.different_data:
        check_same_data(runs)
    variants = form_variants(runs, options.names)
    labels = [variant.label for variant in variants]
    if options.baseline is not None and options.baseline not in labels:
        raise GroupwiseError(
            f"--baseline must name a variant ({', '.join(labels)}), but got {options.baseline}; take one of these."
        )
    fault = data_fault(runs)
    report = Report(
        find_results(variants, baseline=options.baseline),
        [] if fault is None else [f"The data differ: {fault}. Differences between variants may come from that alone."],
        all(run.has_ended for run in runs),
    )
    _write(report, options)
    return report


def _write(report: Report, options: Namespace) -> None:
    # Altair takes a second to import, which a wrong path need not wait for.
    from groupwise.report.page import write_page
    from groupwise.report.pictures import write_pictures
    from groupwise.report.sections import lay_out

    results, remarks = report.results, report.remarks
    points = points_for(results.variants)
    curves = [draw_curves(variant, points=points) for variant in results.variants]
    page = write_page(results, curves, options.title, None if report.has_ended else options.follow, remarks)
    with replacing(options.output) as partial:
        partial.write_text(page, encoding="utf-8")
    if options.json is not None:
        tree = {**as_json(results), "sentences": [text for _, text in say(results)], "remarks": remarks}
        with replacing(options.json) as partial:
            partial.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    if options.png is not None:
        write_pictures(lay_out(results, curves), curves, options.png)


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


def stamp(path: Path) -> frozenset[tuple[Path, int, int]]:
    """Says how far a run is, cheaply: name, time and size of each file that a report reads."""
    folders = [path / name for name in CONFIG_FOLDERS] if path.is_dir() else []
    files = [file for folder in folders for pattern in WATCHED for file in folder.glob(pattern)] or [path]
    found = []
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            # A run that starts again moves its metrics aside in between.
            continue
        found.append((file, status.st_mtime_ns, status.st_size))
    return frozenset(found)


def follow(options: Namespace, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Rewrites the page whenever a run has logged something, until all runs have ended.

    Raises:
        GroupwiseError: A path is not a run's; see `build`.
    """
    before = shown = None
    is_waiting = False
    while True:
        now = [stamp(path) for path in options.runs]
        if now != before:
            before = now
            try:
                report = build(options)
            except NoMetricsYet as waiting:
                if not is_waiting:
                    _say(f"Waiting: {waiting}")
                is_waiting = True
            except FileNotFoundError:
                # As above; the next look finds the new file.
                before = None
            else:
                if shown is None:
                    _say(f"{report.text}\n\npage: {options.output} (rewritten as the runs go on; Ctrl-C ends that)")
                else:
                    steps = ", ".join(f"{found.label} {found.steps:,}" for found in report.results.findings)
                    _say(f"{time.strftime('%H:%M:%S')}  steps: {steps}")
                shown = report
                if report.has_ended:
                    _say("All runs have logged their last step.")
                    return
        sleep(options.follow)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
