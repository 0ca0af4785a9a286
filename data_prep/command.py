"""What the commands share: how a converter is declared and run, its options, your own verifiers, and exit codes."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from data_prep.card import card_path, describe, write_card
from data_prep.conversion import CONTRADICTORY, EXCLUDED, UNSOLVABLE, Report, Rows, convert
from data_prep.errors import DataError
from data_prep.files import staged
from data_prep.hub import HubSet
from data_prep.inputs import SPLITS, TRAIN, Split, find_splits
from data_prep.question import QuestionSet
from reward_score.plugins import VerifierImportError
from reward_score.plugins import load as load_plugins

MAX_DROPPED_SHOWN: Final = 10

UNTOLD: Final = ("split", "licence", "name", "template", "system")
"""Options that the data card names only where they were given."""


class Part(NamedTuple):
    """One file to write: its name without ".parquet", its split, its rows and what is known of them."""

    name: str
    split: str
    rows: Rows
    origin: tuple[Path, ...] | HubSet | None
    """What the rows are read from, None where they are computed."""
    licence: str
    """As the set is published, which says nothing of a copy of it; of a user's own what the user says."""
    dedupe: bool = False
    """Whether duplicates are dropped unless the user says otherwise."""
    expected: int | None = None
    """How many rows the set is known to have, None where that varies; the user is told of another number."""


Plan = Callable[[argparse.Namespace], Sequence[Part]]
"""Says which files to write."""


@dataclass(frozen=True, kw_only=True)
class Converter:
    """A converter, `python -m data_prep.MODULE`: what it is called, what it reads, its options, and its plan."""

    module: str
    description: str
    plan: Plan
    hub_name: str | None = None
    """What is converted unless `--input` says otherwise; None where it must."""
    styles: Iterable[str] = ()
    """The prompt styles to choose from; none where there is only one."""
    style: str = ""
    """The default of them."""
    templates: bool = False
    """Whether the prompt may be the user's own."""
    input_help: str = "a folder with files named after their split, such files, or a name on the hub"
    splits: Sequence[str] = SPLITS
    """What the input may be said to be; nothing where the converter has a `--split` of its own."""
    add_options: Callable[[argparse.ArgumentParser], None] | None = None
    """Adds options of its own."""

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Runs the converter on a command line; the exit code is 1 after a sentence about what is wrong."""
        return run(self._parser(), self.plan, argv)

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=f"python -m data_prep.{self.module}", description=self.description)
        add = parser.add_argument
        add(
            "--input",
            nargs="+",
            default=[self.hub_name],
            required=self.hub_name is None,
            metavar="PATH_OR_HUB_NAME",
            help=f"{self.input_help} (default {self.hub_name})" if self.hub_name else self.input_help,
        )
        add("--output", type=Path, required=True, metavar="DIR", help="folder for the parquet files")
        if styles := tuple(self.styles):
            add("--prompt-style", choices=styles, default=self.style, help="default %(default)s")
        add("--hub-config", metavar="NAME", help="configuration of the dataset on the hub")
        add("--hub-revision", metavar="COMMIT", help="revision of the dataset on the hub (default newest)")
        add("--licence", metavar="TEXT", help="of the data, for the data card (default that of the published set)")
        if self.templates:
            add("--template", metavar="TEXT", help="your own prompt, {question} in it; @FILE for a file's text")
            add("--system", metavar="TEXT", help="your own system message")
        if self.splits:
            add(
                "--split",
                choices=self.splits,
                help="take this split only; files that name none are it (default all that are there)",
            )
        add(
            "--exclude",
            type=Path,
            nargs="+",
            default=[],
            metavar="FILE",
            help="drop training rows whose question occurs in one of these files or folders",
        )
        add(
            "--dedupe",
            action=argparse.BooleanOptionalAction,
            help="drop rows whose prompt occurred before, and all of one prompt where the answers differ (default:"
            " where the set is known for it)",
        )
        add_import_option(parser)
        add("--skip-bad", action="store_true", help="leave out records that are at fault, and list them")
        if self.add_options:
            self.add_options(parser)
        return parser


def asked_splits(options: argparse.Namespace, *default: str) -> tuple[str, ...]:
    """Returns the splits to look for: the one of `--split`, or all that the set has."""
    return (options.split,) if options.split else default


def asked_input(options: argparse.Namespace, *default: str, config: str | None = None) -> dict[str, Split]:
    """Finds the splits that the options ask for, of those that the set has; `config` is its default on the hub."""
    return find_splits(
        options.input,
        asked_splits(options, *default),
        config=options.hub_config,
        revision=options.hub_revision,
        default_config=config,
        tell=None if options.split else note,
    )


def note(sentence: str) -> None:
    """Tells what is no fault."""
    sys.stderr.write(f"note: {sentence}\n")


def split_parts(
    found: Mapping[str, Split], make: Callable[[Split, str], Rows], licence: str, *, dedupe: bool = False
) -> list[Part]:
    """Makes a file of each split, named after it; `make` makes the rows of a split under its name."""
    return [Part(name, name, make(split, name), split.origin, licence, dedupe) for name, split in found.items()]


def add_import_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--import`, which names modules that register verifiers of a user's own."""
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module on the path that registers your own verifiers (again for another)",
    )


def load_verifiers(imports: Iterable[str]) -> None:
    """Loads modules that register verifiers (see `reward_score.plugins`); DataError if one fails or registers none."""
    try:
        load_plugins(imports)
    except VerifierImportError as error:
        raise DataError(str(error)) from error


def exit_code_of(work: Callable[[], None]) -> int:
    """Runs the body of a command and turns a fault of its input into sentences on standard error and an exit code.

    The code is 0, or 1 after a DataError (bad input) or an OSError (no such folder, no permission, disk full); 130
    after Ctrl-C, as shells have it.
    """
    try:
        work()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: a file that was not finished is not there\n")
        return 130
    except (DataError, OSError) as error:
        sys.stderr.writelines(f"error: {line}\n" for line in str(error).splitlines())
        return 1
    return 0


def run(parser: argparse.ArgumentParser, plan: Plan, argv: Sequence[str] | None) -> int:
    """Runs a converter on a command line; the exit code is 1 after a sentence about what is wrong."""
    return exit_code_of(partial(_convert_all, parser, plan, parser.parse_args(argv)))


def _convert_all(parser: argparse.ArgumentParser, plan: Plan, options: argparse.Namespace) -> None:
    load_verifiers(options.imports)
    # Evaluation first: what is asked in the set's own test split must not be trained on either.
    parts = sorted(plan(options), key=lambda part: part.split == TRAIN)
    paths = [options.output / f"{part.name}.parquet" for part in parts]
    excluded = [file.resolve() for file in options.exclude]
    for path in paths:
        if path.resolve() in excluded:
            raise DataError(f"--exclude must name other files than those to write, got {path}")
    exclude = QuestionSet()
    exclude.add_files(options.exclude)
    published = options.input == parser.get_default("input")
    reports: list[Report] = []
    with staged(options.output) as folder:
        for part, path in zip(parts, paths, strict=True):
            made, training = folder / path.name, part.split == TRAIN
            dedupe = part.dedupe if options.dedupe is None else options.dedupe
            report = convert(
                part.rows,
                made,
                exclude=exclude if training else QuestionSet(),
                dedupe=dedupe,
                skip_bad=options.skip_bad,
            )
            if not training:
                exclude.add_files([made])
            write_card(
                made,
                report,
                split=part.split,
                source=describe(part.origin),
                options={"converter": parser.prog, **_told_options(options, dedupe=dedupe)},
                licence=options.licence
                or (part.licence if published else f"not stated (as published: {part.licence})"),
            )
            reports.append(report)
    for part, path, report in zip(parts, paths, reports, strict=True):
        _tell(part, path, report)


def _told_options(options: argparse.Namespace, *, dedupe: bool) -> dict[str, object]:
    values = dict[str, object](vars(options))
    del values["input"], values["output"]  # the card's place and its `source` tell them
    # The card's own tells which split was found.
    values = {name: value for name, value in values.items() if value is not None or name not in UNTOLD}
    values["exclude"] = [str(path) for path in options.exclude]
    values["dedupe"] = dedupe
    if not options.imports:
        del values["imports"]
    return values


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
        sys.stdout.writelines(f"    {fault}\n" for fault in report.kinds.lines("records"))
        sys.stdout.write(f"    all in {card_path(path)}\n")
    if part.expected not in (None, report.written):
        sys.stdout.write(f"  note: this set is known with {part.expected} rows\n")
    sys.stdout.flush()
