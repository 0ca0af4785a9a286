"""`python -m reward_score FILE ...`: scores responses offline with the training reward."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tqdm import tqdm

from reward_score import UnknownDataSourceError, plugins
from reward_score.against import find_judge
from reward_score.rescore.columns import Columns
from reward_score.rescore.files import InputError, find_files
from reward_score.rescore.output import verdict_writer
from reward_score.rescore.scoring import Scored, Settings, score_files, selector
from reward_score.rescore.table import fault_lines, render

POSITIONAL: Final = ("data_source", "solution_str", "ground_truth", "extra_info")
"""compute_score's own parameters, which are no options of a verifier."""

WHICH: Final = "wrong, failures, differs (from the recorded), disputed (by --against)"

INTERRUPTED: Final = 128 + 2
BROKEN_PIPE: Final = 128 + 13
"""A shell's exit codes for an end by SIGINT and by SIGPIPE."""

DESCRIPTION: Final = """\
Scores responses with the training reward (reward_score.compute_score) and prints a table by data source, the most
common reasons, and how far a reward recorded in the file agrees with the one of now. Read are

  - verl's dumps of rollouts as they are (trainer.rollout_data_dir, trainer.validation_data_dir): files or the folder;
  - parquet, JSON or JSON Lines (.gz too, or - for standard input) with a response, or a list of them, and a ground
    truth under the names that public evaluations use, such as response, generation, completion, resps, messages, and
    ground_truth, answer, expected_answer, gold, gt, target; and with data_source and extra_info where there are such
    columns;
  - a dataset made by data_prep: its rows hold no response, so their reference responses are scored. This proves the
    ground truths.

Two columns that may be meant and differ are not chosen from: --response-column and --ground-truth-column name them,
with a point for a field in a column. A row without data_source, as in verl's dumps, is taken for the source that its
ground truth or the answer format of its prompt tells; a note says so.
"""

EXIT_CODES: Final = """\
exit code: 0 if every response was judged, whatever the verdicts and however many differ from the recorded; 1 after a
sentence on standard error for each kind of fault: what could not be read, a data source without a verifier, responses
that a verifier could not judge (verifier error, timeout, unparsable gold). The others are scored all the same.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; 130 after Ctrl-C, 141 where nobody reads the output any more, else see EXIT_CODES."""
    options = _parser().parse_args(argv)
    try:
        faults = _run(options)
        sys.stdout.flush()
    except (InputError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # The interpreter flushes once more at its end, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        faults = [str(error)]
    except KeyboardInterrupt:
        return INTERRUPTED
    sys.stderr.writelines(f"error: {fault}\n" for fault in faults)
    return 1 if faults else 0


def _run(options: argparse.Namespace) -> list[str]:
    for module in options.imports:
        try:
            plugins.load([module])
        except plugins.VerifierImportError as error:
            raise InputError(f"--import {module}: {error}") from error
    files = find_files(options.files)
    try:
        against = {name: find_judge(name) for name in options.against.split(",") if name}
    except UnknownDataSourceError as error:
        raise InputError(f"--against: {error}") from error
    output: Path | None = options.output
    if output is not None and output.resolve() in [file.resolve() for file in files]:
        raise InputError(f"--output must not be one of the files read, got {output}")
    settings = Settings(
        columns=Columns(options.response_column, options.ground_truth_column),
        data_source=options.data_source,
        last_turn=options.last_turn,
        options=dict(options.option),
        limit=options.limit,
        selects=selector(options.show) if options.show else None,
        show_count=options.n,
        against=against,
    )
    with (
        verdict_writer(output, settings.against) as write,
        tqdm(unit=" responses", delay=0.5, disable=None, leave=False) as progress,
    ):

        def write_and_count(scored: Scored) -> None:
            if scored.disputed or not settings.against:
                write(scored)
            progress.update()

        report = score_files(files, settings, write_and_count)
    _print(render(report, options.reasons))
    if settings.selects and not report.shown:
        _print(f"\nno response to show for {options.show!r}\n")
    if output is not None and settings.against:
        _print(f"\n{output}: the responses that are graded differently, with all verdicts\n")
    elif output is not None:
        scored = sum(tally.responses for tally in report.sources.values())
        _print(f"\n{output}: {scored} responses with their verdicts\n")
    return fault_lines(report)


def _print(text: str) -> None:
    # A terminal's encoding may lack what a model writes.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


def _option(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or name in POSITIONAL:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE with the name of a verifier's option, got {text!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reward_score",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="parquet, JSON or JSON Lines, a folder (sorted by step), or -",
    )
    add("--data-source", default="", metavar="NAME", help="the data source of all rows, before what they say")
    add("--response-column", default="", metavar="NAME", help="column of the response, or of a list of them")
    add("--ground-truth-column", default="", metavar="NAME", help="column of the right answer")
    add("--last-turn", action="store_true", help="judge what follows the last <|im_start|>assistant (or Llama 3's)")
    add("--option", action="append", default=[], type=_option, metavar="NAME=VALUE", help="a verifier's option; JSON")
    own = "registers your own verifiers"
    add("--import", dest="imports", action="append", default=[], metavar="MODULE", help=own)
    other = "also judge by these and say which responses they grade differently: math_verify, verl, a data source's"
    add("--against", default="", metavar="NAME,...", help=f"{other}, or package.module:function")
    add("--limit", type=_positive, metavar="N", help="score the first N responses")
    add("--reasons", type=_positive, default=8, metavar="N", help="reasons to list for a data source (default 8)")
    add("--show", default="", metavar="WHICH", help=f"show responses: {WHICH}, or a reason's beginning")
    add("-n", type=_positive, default=5, metavar="N", help="how many to show (default 5)")
    written = "write every response with its verdict, with --against those graded differently, .jsonl or .parquet"
    add("--output", type=Path, metavar="FILE", help=written)
    return parser


if __name__ == "__main__":
    sys.exit(main())
