"""What the converters of users' own files share: the set's name, its licence, and questions held out of a file."""

import argparse
import re
from collections.abc import Callable
from typing import cast

from data_prep.command import Part, asked_input, split_parts
from data_prep.conversion import Dropped, Rows
from data_prep.errors import DataError
from data_prep.inputs import SPLITS, TRAIN, VAL, Split
from data_prep.question import digest, question_digest
from data_prep.records import Fault
from data_prep.schema import LocatedRow


def add_own_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of such a converter."""
    parser.add_argument("--data-source", required=True, metavar="NAME", help="what to call the set in all reports")
    parser.set_defaults(licence="not stated")
    parser.add_argument(
        "--name", help="of the file, for an evaluation set of its own: NAME.parquet (default the split)"
    )
    parser.add_argument("--val-share", type=float, default=0.0, metavar="SHARE", help="hold out questions: val.parquet")
    parser.add_argument("--seed", type=int, default=0, help="chooses what is held out (default %(default)s)")


def own_parts(options: argparse.Namespace, make: Callable[[Split, str], Rows]) -> list[Part]:
    """Makes a file of each split of the input, and one of the questions that are held out.

    `make` makes the rows of a split under a name for it. Raises DataError if an option makes no sense; see also
    `find_splits`.
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
    questions = _held_out(train.rows, share, options.seed)
    val = train._replace(name=VAL, split=VAL, rows=_chosen(make(found[TRAIN], VAL), questions, wanted=True))
    return [train._replace(rows=_chosen(train.rows, questions, wanted=False)), val]


def _held_out(rows: Rows, share: float, seed: int) -> frozenset[int]:
    """The questions to hold out, at least one; rows that ask the same stay together."""
    questions = {_question(item) for item in rows()} - {None}
    order = sorted(cast("set[int]", questions), key=lambda question: digest(f"{seed} {question}"))
    if len(order) < 2:
        raise DataError(f"--val-share needs two questions or more, got {len(order)}")
    return frozenset(order[: min(max(1, round(share * len(order))), len(order) - 1)])


def _chosen(rows: Rows, questions: frozenset[int], *, wanted: bool) -> Rows:
    """The rows that ask one of some questions, or those that do not; what is no row stands beside the latter."""
    return lambda: (item for item in rows() if (_question(item) in questions) == wanted)


def _question(item: LocatedRow | Dropped | Fault) -> int | None:
    return None if isinstance(item, Dropped | Fault) else question_digest(item[1]["extra_info"]["question"])
