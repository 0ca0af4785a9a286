"""The options that all converters share, and how one is run."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from data_prep import verifiers
from data_prep.card import card_path, describe, write_card
from data_prep.conversion import CONTRADICTORY, EXCLUDED, UNSOLVABLE, Report, Rows, convert
from data_prep.errors import DataError, exit_code_of
from data_prep.hub import HubSet
from data_prep.inputs import SPLITS, TRAIN
from data_prep.question import QuestionSet
from data_prep.staging import staged

MAX_DROPPED_SHOWN: Final = 10


class Part(NamedTuple):
    """One file to write.

    Attributes:
        name: The file's name without ".parquet".
        split: "train", "val" or "test".
        rows: What it is made of.
        origin: What the rows are read from, None where they are computed.
        licence: The licence of the data, in a few words.
        dedupe: Whether duplicates are dropped unless the user says otherwise.
        expected: How many rows the set is known to have, None where it varies; another number is told.
    """

    name: str
    split: str
    rows: Rows
    origin: tuple[Path, ...] | HubSet | None
    licence: str
    dedupe: bool = False
    expected: int | None = None


Plan = Callable[[argparse.Namespace], Sequence[Part]]


def make_parser(
    module: str,
    description: str,
    *,
    hub_name: str | None,
    styles: Sequence[str] = (),
    style: str = "",
    input_help: str = "a folder with files named after their split, such files, or a name on the hub",
    splits: Sequence[str] = SPLITS,
) -> argparse.ArgumentParser:
    """Makes the parser of a converter.

    Args:
        module: The module that is run.
        description: What it converts.
        hub_name: What is converted unless `--input` says otherwise, None where it must.
        styles: The prompt styles to choose from; none where there is one only.
        style: The default.
        input_help: What `--input` may be.
        splits: Which one the input may be said to be; none where the converter has a `--split` of its own.

    Returns:
        The parser.
    """
    parser = argparse.ArgumentParser(prog=f"python -m data_prep.{module}", description=description)
    parser.add_argument(
        "--input",
        nargs="+",
        default=[hub_name],
        required=hub_name is None,
        metavar="PATH_OR_HUB_NAME",
        help=f"{input_help} (default {hub_name})" if hub_name else input_help,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the parquet files")
    if styles:
        parser.add_argument("--prompt-style", choices=styles, default=style, help="default %(default)s")
    parser.add_argument("--hub-config", metavar="NAME", help="configuration of the dataset on the hub")
    parser.add_argument("--hub-revision", metavar="COMMIT", help="revision of the dataset on the hub (default newest)")
    if splits:
        parser.add_argument(
            "--split",
            choices=splits,
            help="take this split only; files that name none are it (default all that are there)",
        )
    add_row_options(parser)
    return parser


def asked_splits(options: argparse.Namespace, *default: str) -> tuple[str, ...]:
    """Gives the splits to look for: the one of `--split`, or all that the set has."""
    return (options.split,) if options.split else default


def add_row_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which rows are kept.

    Args:
        parser: The parser.
    """
    parser.add_argument(
        "--exclude",
        type=Path,
        nargs="+",
        default=[],
        metavar="EVAL.parquet",
        help="drop training rows whose question occurs in one of these files",
    )
    parser.add_argument(
        "--dedupe",
        action=argparse.BooleanOptionalAction,
        help="drop rows whose prompt occurred before, and all of one prompt where the answers differ (default: where"
        " the set is known for it)",
    )
    verifiers.add_option(parser)
    parser.add_argument("--skip-bad", action="store_true", help="leave out records that are at fault, and list them")


def run(parser: argparse.ArgumentParser, plan: Plan, argv: Sequence[str] | None) -> int:
    """Runs a converter.

    Args:
        parser: Its parser.
        plan: Says which files to write.
        argv: The command line's arguments, sys.argv's by default.

    Returns:
        The exit code: 1 after a sentence about what is wrong.
    """
    return exit_code_of(partial(_convert_all, parser, plan, parser.parse_args(argv)))


def _convert_all(parser: argparse.ArgumentParser, plan: Plan, options: argparse.Namespace) -> None:
    verifiers.load(options.imports)
    # Evaluation first: what is asked in the set's own test split must not be trained on either.
    parts = sorted(plan(options), key=lambda part: part.split == TRAIN)
    paths = [options.output / f"{part.name}.parquet" for part in parts]
    excluded = [file.resolve() for file in options.exclude]
    for path in paths:
        if path.resolve() in excluded:
            raise DataError(f"--exclude must name other files than those to write, got {path}")
    exclude = QuestionSet()
    exclude.add_files(options.exclude)
    reports: list[Report] = []
    with staged(options.output) as folder:
        for part, path in zip(parts, paths, strict=True):
            report = _convert(part, folder / path.name, exclude, options)
            write_card(
                folder / path.name,
                report,
                split=part.split,
                source=describe(part.origin),
                options=_options(parser, part, options),
                licence=part.licence,
            )
            reports.append(report)
    for part, path, report in zip(parts, paths, reports, strict=True):
        _tell(part, path, report)


def _convert(part: Part, path: Path, exclude: QuestionSet, options: argparse.Namespace) -> Report:
    training = part.split == TRAIN
    report = convert(
        part.rows,
        path,
        exclude=exclude if training else QuestionSet(),
        dedupe=_dedupes(part, options),
        skip_bad=options.skip_bad,
    )
    if not training:
        exclude.add_files([path])
    return report


def _options(parser: argparse.ArgumentParser, part: Part, options: argparse.Namespace) -> dict[str, object]:
    values = dict[str, object](vars(options))
    del values["input"], values["output"]  # the card's place and its `source` tell them
    if values.get("split", "") is None:
        del values["split"]  # the card's own tells which was found
    values["exclude"] = [str(path) for path in options.exclude]
    values["dedupe"] = _dedupes(part, options)
    if not options.imports:
        del values["imports"]
    return {"converter": parser.prog, **values}


def _dedupes(part: Part, options: argparse.Namespace) -> bool:
    return part.dedupe if options.dedupe is None else options.dedupe


def _tell(part: Part, path: Path, report: Report) -> None:
    sys.stdout.write(f"{path}: {report.written} rows of {report.read} records\n")
    for kind, count in report.dropped.items():
        sys.stdout.write(f"  {count} dropped: {kind}\n")
        shown = [dropped for dropped in report.listed if dropped.kind == kind][:MAX_DROPPED_SHOWN]
        for dropped in shown if kind in (UNSOLVABLE, EXCLUDED, CONTRADICTORY) else ():
            sys.stdout.write(f"    {dropped.identity}{f' ({dropped.reason})' if dropped.reason else ''}\n")
        if count > len(shown):
            sys.stdout.write(f"    all in {card_path(path)}\n")
    if report.faulty:
        sys.stdout.write(f"  {report.faulty} skipped: at fault\n")
        sys.stdout.writelines(f"    {fault}\n" for fault in report.faults[:MAX_DROPPED_SHOWN])
    if part.expected not in (None, report.written):
        sys.stdout.write(f"  note: this set is known with {part.expected} rows\n")
    sys.stdout.flush()
