"""The command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from groupwise.errors import GroupwiseError

DESCRIPTION = "Show what runs did, in one page that opens from disk: whether a method helped, what it touched, and why."
EXAMPLES = """\
A RUN is the folder of a run (checkpoints/qwen7b/grpo), a metrics file of verl's logger (PROJECT/EXPERIMENT.jsonl), or a
folder of tensorboard events. Runs that differ in seeds alone are one variant, and variants are compared with GRPO.

  python -m groupwise.report checkpoints/qwen7b/grpo checkpoints/qwen7b/mine -o report.html
  python -m groupwise.report runs/mine-seed* runs/grpo-seed* --png pictures --json report.json
  python -m groupwise.report checkpoints/qwen7b/mine --follow
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line, None for the process's; `names` and `dumps` are by run.

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
    given.names = dict(_of_run(words, given.runs, "--name RUN=LABEL") for words in given.names)
    given.dumps = {
        run: Path(folder) for run, folder in (_of_run(words, given.runs, "--dumps RUN=DIR") for words in given.dumps)
    }
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m groupwise.report",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("runs", metavar="RUN", type=Path, nargs="+", help="a run's folder or metrics file")
    add("-o", "--output", type=Path, default=Path("report.html"), help="the page (default: report.html)")
    add("--png", metavar="DIR", type=Path, help="also write each chart as a picture, and overview.png of the foremost")
    add("--json", metavar="FILE", type=Path, help="also write the numbers of the summary")
    called = "call a run's variant so; one label, one variant"
    add("--name", metavar="RUN=LABEL", dest="names", action="append", default=[], help=called)
    add("--dumps", metavar="RUN=DIR", action="append", default=[], help="where a run's rollout dumps are")
    add("--baseline", metavar="LABEL", help="variant to compare with (default: the one with GRPO)")
    add("--different-data", action="store_true", help="go on where runs had different data")
    following = "rewrite the page while the runs go on; the page loads itself again (every 10 s)"
    add("--follow", metavar="SECONDS", type=float, nargs="?", const=10.0, help=following)
    add("--title", default="What the runs show", help="heading of the page")
    return parser


def _of_run(words: str, runs: Sequence[Path], option: str) -> tuple[Path, str]:
    # A label may hold "=", as in `mine alpha=0.3`; the path that is a run's is the longest that fits.
    splits = [(words[:place], words[place + 1 :].strip()) for place, letter in enumerate(words) if letter == "="]
    for run in sorted(runs, key=lambda path: -len(str(path))):
        for path, label in splits:
            if label and Path(path).resolve() == run.resolve():
                return run, label
    name, form = option.split()
    raise GroupwiseError(f"{name} must be {form} with one of the runs that were named, but got {words}; correct it.")
