"""What the commands share: a converter's parser and run, the options of users' own files, exit codes."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

from data_prep.card import card_path, describe, write_card
from data_prep.conversion import CONTRADICTORY, EXCLUDED, UNSOLVABLE, Dropped, Report, Rows, convert
from data_prep.errors import DataError
from data_prep.files import staged
from data_prep.hub import HubSet
from data_prep.inputs import SPLITS, TRAIN, VAL, Split, find_splits
from data_prep.question import digest, question_digest, questions_in
from data_prep.records import Fault
from data_prep.schema import LocatedRow
from reward_score import plugins

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


def converter_parser(
    module: str,
    description: str,
    *,
    hub_name: str | None = None,
    styles: Iterable[str] = (),
    style: str = "",
    templates: bool = False,
    input_help: str = "a folder with files named after their split, such files, or a name on the hub",
    splits: Sequence[str] = SPLITS,
) -> argparse.ArgumentParser:
    """Makes the parser of a converter, `python -m data_prep.MODULE`, which adds options of its own.

    `hub_name` is what is converted unless `--input` says otherwise; None where it must. `style` is the default of
    `styles`, none where there is only one. `templates`: whether the prompt may be the user's own. `splits` are what the
    input may be said to be; nothing where the converter has a `--split` of its own.
    """
    parser = argparse.ArgumentParser(prog=f"python -m data_prep.{module}", description=description)
    add = parser.add_argument
    add(
        "--input",
        nargs="+",
        default=[hub_name],
        required=hub_name is None,
        metavar="PATH_OR_HUB_NAME",
        help=f"{input_help} (default {hub_name})" if hub_name else input_help,
    )
    add("--output", type=Path, required=True, metavar="DIR", help="folder for the parquet files")
    if choices := tuple(styles):
        add("--prompt-style", choices=choices, default=style, help="default %(default)s")
    add("--hub-config", metavar="NAME", help="configuration of the dataset on the hub")
    add("--hub-revision", metavar="COMMIT", help="revision of the dataset on the hub (default newest)")
    add("--licence", metavar="TEXT", help="of the data, for the data card (default that of the published set)")
    if templates:
        add("--template", metavar="TEXT", help="your own prompt, {question} in it; @FILE for a file's text")
        add("--system", metavar="TEXT", help="your own system message")
    if splits:
        only = "take this split only; files that name none are it (default all that are there)"
        add("--split", choices=splits, help=only)
    excluded = "drop training rows whose question occurs in one of these files or folders"
    add("--exclude", type=Path, nargs="+", default=[], metavar="FILE", help=excluded)
    add(
        "--dedupe",
        action=argparse.BooleanOptionalAction,
        help="drop rows whose prompt occurred before, and all of one prompt where the answers differ (default:"
        " where the set is known for it)",
    )
    add_import_option(parser)
    add("--skip-bad", action="store_true", help="leave out records that are at fault, and list them")
    return parser


def asked_input(options: argparse.Namespace, *default: str, config: str | None = None) -> dict[str, Split]:
    """Finds the split of `--split`, or those that the set has; `config` is its default on the hub."""
    return find_splits(
        options.input,
        (options.split,) if options.split else default,
        config=options.hub_config,
        revision=options.hub_revision,
        default_config=config,
        tell=None if options.split else lambda sentence: sys.stderr.write(f"note: {sentence}\n"),
    )


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


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a converter of users' own files."""
    add = parser.add_argument
    add("--data-source", required=True, metavar="NAME", help="what to call the set in all reports")
    parser.set_defaults(licence="not stated")
    add("--name", help="of the file, for an evaluation set of its own: NAME.parquet (default the split)")
    add("--val-share", type=float, default=0.0, metavar="SHARE", help="hold out questions: val.parquet")
    add("--seed", type=int, default=0, help="chooses what is held out (default %(default)s)")


def own_parts(options: argparse.Namespace, make: Callable[[Split, str], Rows]) -> list[Part]:
    """Makes a file of each split of the user's own input, and one of the questions that are held out.

    `make` makes the rows of a split under a name for it.
    """
    name, share = cast("str", options.data_source), cast("float", options.val_share)
    if not name.isprintable() or name != name.strip() or not name:
        raise DataError(f"--data-source must be a name without blanks around it, got {name!r}")
    if share and (options.split not in (None, TRAIN) or not 0 < share < 1):
        raise DataError(f"--val-share must lie between 0 and 1 and be of --split train, got {share}")
    found = asked_input(options, *((TRAIN,) if share else SPLITS))
    parts = split_parts(found, make, options.licence)
    if options.name:
        if share or len(parts) != 1 or not re.fullmatch(r"\w[\w.-]*", options.name):
            raise DataError(
                f"--name must be of one file, and of letters, digits and .-_, got {options.name!r} for"
                f" {' and '.join([*found, *([VAL] if share else [])])}: give --split, and no --val-share"
            )
        return [parts[0]._replace(name=options.name)]
    if not share:
        return parts
    (train,) = parts
    # What asks the same stays together, and at least one question is held out.
    questions = cast("set[int]", {_question(item) for item in train.rows()} - {None})
    order = sorted(questions, key=lambda question: digest(f"{options.seed} {question}"))
    if len(order) < 2:
        raise DataError(f"--val-share needs two questions or more, got {len(order)}")
    held_out = frozenset(order[: min(max(1, round(share * len(order))), len(order) - 1)])
    val = train._replace(name=VAL, split=VAL, rows=_chosen(make(found[TRAIN], VAL), held_out, wanted=True))
    return [train._replace(rows=_chosen(train.rows, held_out, wanted=False)), val]


def _chosen(rows: Rows, questions: frozenset[int], *, wanted: bool) -> Rows:
    """The rows that ask one of some questions, or those that do not; what is no row stands beside the latter."""
    return lambda: (item for item in rows() if (_question(item) in questions) == wanted)


def _question(item: LocatedRow | Dropped | Fault) -> int | None:
    return None if isinstance(item, Dropped | Fault) else question_digest(item[1]["extra_info"]["question"])


def exit_code_of(work: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Runs the body of a command and turns a fault of its input into sentences on standard error and an exit code.

    The code is 0, or 1 after a DataError or VerifierImportError (bad input) or an OSError (no such folder, no
    permission, disk full); 130 after Ctrl-C, as shells have it.
    """
    try:
        work(options)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: a file that was not finished is not there\n")
        return 130
    except (DataError, plugins.VerifierImportError, OSError) as error:
        sys.stderr.writelines(f"error: {line}\n" for line in str(error).splitlines())
        return 1
    return 0


def run(parser: argparse.ArgumentParser, plan: Plan, argv: Sequence[str] | None) -> int:
    """Runs a converter on a command line; the exit code is 1 after a sentence about what is wrong."""
    return exit_code_of(lambda options: _convert_all(parser, plan, options), parser.parse_args(argv))


def _convert_all(parser: argparse.ArgumentParser, plan: Plan, options: argparse.Namespace) -> None:
    plugins.load(options.imports)
    # Evaluation first: what is asked in the set's own test split must not be trained on either.
    parts = sorted(plan(options), key=lambda part: part.split == TRAIN)
    paths = [options.output / f"{part.name}.parquet" for part in parts]
    others = [file.resolve() for file in options.exclude]
    for path in paths:
        if path.resolve() in others:
            raise DataError(f"--exclude must name other files than those to write, got {path}")
    exclude = questions_in(options.exclude)
    published = options.input == parser.get_default("input")
    reports: list[Report] = []
    with staged(options.output) as folder:
        for part, path in zip(parts, paths, strict=True):
            made, training = folder / path.name, part.split == TRAIN
            dedupe = part.dedupe if options.dedupe is None else options.dedupe
            excluded = exclude if training else set[int]()
            report = convert(part.rows, made, exclude=excluded, dedupe=dedupe, skip_bad=options.skip_bad)
            if not training:
                exclude |= questions_in([made])
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
