"""The command line of `python -m groupwise.inspect`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from groupwise.inspect.groups import Wanted

TERMINAL_GROUPS: Final = 20
PAGE_GROUPS: Final = 200

DESCRIPTION: Final = """Shows the groups on which a method acted, with their prompts and responses: in the terminal, or
with -o as a page with filters. DUMP is a run's trainer.rollout_data_dir, the folder groupwise inside it, or single
files."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line, None for sys.argv's: `wanted` says which groups, `limit` is None for all of them."""
    given = _parser().parse_args(argv)
    if given.limit is None:
        given.limit = PAGE_GROUPS if given.output else TERMINAL_GROUPS
    given.limit = given.limit or None
    given.wanted = Wanted(
        steps=tuple(given.step) if given.step else None,
        label=given.label,
        kind=given.kind,
        direction=given.direction,
        data_source=given.data_source,
        uid=given.uid,
        # Few methods act on mixed groups, and who names a prompt wants to see it whatever happened to it.
        untouched=given.all or given.kind == "mixed" or given.uid is not None,
    )
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m groupwise.inspect", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("dumps", nargs="+", type=Path, metavar="DUMP")
    parser.add_argument("--method", metavar="NAME", help="which one (default: that the run trained with, or observed)")
    which = parser.add_argument_group("which groups")
    which.add_argument("--step", type=int, action="append", metavar="N", help="of this training step; may be repeated")
    which.add_argument(
        "--label",
        metavar="CODE",
        help="with a response that the method calls so (DiPO's quadrants EL, CH, CL, EH: errors or correct ones of low "
        "or high perplexity); these are shown, and those that it acted on",
    )
    which.add_argument("--whole-groups", action="store_true", help="with --label: show the other responses too")
    which.add_argument("--kind", choices=["hard", "easy", "mixed"], help="all wrong, all right, or others")
    which.add_argument("--direction", choices=["up", "down", "both"], help="in which responses were pushed")
    which.add_argument("--data-source", metavar="NAME", help="of this data source")
    which.add_argument("--uid", help="of this prompt, whatever was done to it")
    which.add_argument("--all", action="store_true", help="also those that the method left alone")
    which.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help=f"at most so many, 0 for all (default: {TERMINAL_GROUPS} in the terminal, {PAGE_GROUPS} in a page)",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--full", action="store_true", help="do not cut long texts")
    how.add_argument("--width", type=_count, metavar="N", help="wrap texts at so many columns, 0 for not at all")
    how.add_argument("-o", "--output", type=Path, metavar="PAGE.html", help="write a page instead")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number from 0 on, but is {text!r}")
    return int(text)
