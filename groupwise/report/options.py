"""The command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from groupwise.errors import GroupwiseError

DESCRIPTION = "Show what runs did, in one page that opens from disk: whether DiPO helped, what it touched, and why."
EXAMPLES = """\
A RUN is the folder of a run (checkpoints/qwen7b/dipo), a metrics file of verl's logger (PROJECT/EXPERIMENT.jsonl), or a
folder of tensorboard events. Runs that differ in seeds alone are one arm, and arms are compared with GRPO.

  python -m groupwise.report checkpoints/qwen7b/grpo checkpoints/qwen7b/dipo -o report.html
  python -m groupwise.report runs/dipo-seed* runs/grpo-seed* --png pictures --json report.json
  python -m groupwise.report checkpoints/qwen7b/dipo --follow
"""
DEFAULT_SECONDS = 10.0


class Options(NamedTuple):
    """What was asked for.

    Attributes:
        runs: Paths of the runs.
        output: The page.
        png: Folder for pictures; None for none.
        json: File for the numbers; None for none.
        names: Labels by run.
        baseline: Label of the arm to compare with; None leaves the choice to the estimators.
        different_data: Whether runs of different data are put on one page.
        follow: Seconds between looks at runs that go on; None to look once.
        title: Heading of the page.
    """

    runs: list[Path]
    output: Path
    png: Path | None
    json: Path | None
    names: dict[Path, str]
    baseline: str | None
    different_data: bool
    follow: float | None
    title: str


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Reads the command line.

    Args:
        arguments: Words; None takes those of the process.

    Returns:
        The options.

    Raises:
        GroupwiseError: A run is named twice, a label is for no run, or the interval is not above 0.
    """
    given = _parser().parse_args(arguments)
    resolved = [path.resolve() for path in given.runs]
    for path in given.runs:
        if resolved.count(path.resolve()) > 1:
            raise GroupwiseError(f"Each run must be named once, but {path} is there twice; leave one out.")
    if given.follow is not None and not given.follow > 0:
        raise GroupwiseError(
            f"--follow must be given seconds above 0, but got {given.follow:g}; leave them out for 10."
        )
    return Options(
        given.runs,
        given.output,
        given.png,
        given.json,
        dict(_name(words, given.runs) for words in given.name),
        given.baseline,
        given.different_data,
        given.follow,
        given.title,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m groupwise.report",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="a run's folder or metrics file")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), help="the page (default: report.html)"
    )
    parser.add_argument("--png", metavar="DIR", type=Path, help="also write each chart as a picture")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the numbers of the summary")
    parser.add_argument(
        "--name", metavar="RUN=LABEL", action="append", default=[], help="call a run's arm so; one label, one arm"
    )
    parser.add_argument("--baseline", metavar="LABEL", help="arm to compare with (default: the one with GRPO)")
    parser.add_argument("--different-data", action="store_true", help="go on where runs had different data")
    parser.add_argument(
        "--follow",
        metavar="SECONDS",
        type=float,
        nargs="?",
        const=DEFAULT_SECONDS,
        help="rewrite the page while the runs go on; the page loads itself again (every 10 s)",
    )
    parser.add_argument("--title", default="What the runs show", help="heading of the page")
    return parser


def _name(words: str, runs: Sequence[Path]) -> tuple[Path, str]:
    # A label may hold "=", as in `dipo alpha=0.3`; the path that is a run's is the longest that fits.
    for run in sorted(runs, key=lambda path: -len(str(path))):
        for path, separator, label in ((words[:place], words[place], words[place + 1 :]) for place in _equals(words)):
            if separator and label.strip() and Path(path).resolve() == run.resolve():
                return run, label.strip()
    raise GroupwiseError(f"--name must be RUN=LABEL with one of the runs that were named, but got {words}; correct it.")


def _equals(words: str) -> list[int]:
    return [place for place, character in enumerate(words) if character == "="]
