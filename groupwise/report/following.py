"""Keeps the page up to date while runs go on."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from groupwise.report.building import Report, build
from groupwise.report.folders import CONFIG_FOLDERS, NoMetricsYet
from groupwise.report.options import Options

WATCHED = ("*.jsonl", "events.out.tfevents*", "tensorboard/**/events.out.tfevents*", "rollouts/*/*.parquet")

Stamp = frozenset[tuple[Path, int, int]]


def stamp(path: Path) -> Stamp:
    """Says how far a run is, cheaply: what changes when it logs.

    Args:
        path: The run's folder or file.

    Returns:
        Name, time and size of each file that a report reads.
    """
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


def follow(options: Options, seconds: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Rewrites the page whenever a run has logged something, until all runs have ended.

    Args:
        options: The command line.
        seconds: Between two looks.
        sleep: Waits so long.

    Raises:
        GroupwiseError: A path is not a run's; see `build`.
    """
    before: list[Stamp] | None = None
    shown: Report | None = None
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
                _tell(report, options, is_first=shown is None)
                shown = report
                if report.has_ended:
                    _say("All runs have logged their last step.")
                    return
        sleep(seconds)


def _tell(report: Report, options: Options, *, is_first: bool) -> None:
    if is_first:
        _say(f"{report.text}\n\npage: {options.output} (rewritten as the runs go on; Ctrl-C ends that)")
        return
    steps = ", ".join(f"{found.label} {found.steps:,}" for found in report.results.findings)
    _say(f"{time.strftime('%H:%M:%S')}  steps: {steps}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
