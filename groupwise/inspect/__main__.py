"""Shows the groups on which a method acted, with their prompts and responses: in the terminal, or with -o as a page.

The page has filters. DUMP is a run's trainer.rollout_data_dir, the folder groupwise inside it, or single files.
"""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from groupwise.dumps.reader import MALFORMED, find_dumps, malformed
from groupwise.errors import GroupwiseError
from groupwise.inspect import words
from groupwise.inspect.groups import Census, Group, Wanted, find_groups, method_of, read_groups
from groupwise.inspect.page import write_page
from groupwise.inspect.terminal import lines_of, paint, plain
from groupwise.printable import visible_output

TERMINAL_GROUPS: Final = 20
PAGE_GROUPS: Final = 200


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m groupwise.inspect", description=__doc__, allow_abbrev=False)
    parser.add_argument("dumps", nargs="+", type=Path, metavar="DUMP")
    parser.add_argument("--method", metavar="NAME", help="which one (default: that the run trained with, or observed)")
    which = parser.add_argument_group("which groups").add_argument
    which("--step", type=int, action="append", metavar="N", help="of this training step; may be repeated")
    labels = (
        "with a response that the method calls so (DiPO's quadrants EL, CH, CL, EH: errors or correct ones of low or "
        "high perplexity); these are shown, and those that it acted on"
    )
    which("--label", metavar="CODE", help=labels)
    which("--whole-groups", action="store_true", help="with --label: show the other responses too")
    which("--kind", choices=["hard", "easy", "mixed"], help="all wrong, all right, or others")
    which("--direction", choices=["up", "down", "both"], help="in which responses were pushed")
    which("--data-source", metavar="NAME", help="of this data source")
    which("--uid", help="of this prompt, whatever was done to it")
    which("--all", action="store_true", help="also those that the method left alone")
    most = f"at most so many, 0 for all (default: {TERMINAL_GROUPS} in the terminal, {PAGE_GROUPS} in a page)"
    which("--limit", type=_count, metavar="N", help=most)
    how = parser.add_argument_group("how").add_argument
    how("--full", action="store_true", help="do not cut long texts")
    how("--width", type=_count, metavar="N", help="wrap texts at so many columns, 0 for not at all")
    how("-o", "--output", type=Path, metavar="PAGE.html", help="write a page instead")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number from 0 on, but is {text!r}")
    return int(text)


@visible_output()
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 1 after a sentence on what is wrong or was not found, 130 after Ctrl-C."""
    given = _parser().parse_args(argv)
    try:
        code = _inspect(given)
        sys.stdout.flush()  # here, where a reader that has left is expected
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader, `head` or a pager, has seen enough.
        return 0
    except (GroupwiseError, OSError, *MALFORMED) as error:
        error = malformed(error, given.dumps)
        sys.stderr.write(f"error: {error}\n")
        return 1
    return code


def _inspect(given: argparse.Namespace) -> int:
    wanted = Wanted(
        steps=tuple(given.step) if given.step else None,
        **{name: getattr(given, name) for name in ("label", "kind", "direction", "data_source", "uid")},
        # Few methods act on mixed groups, and who names a prompt wants to see it whatever happened to it.
        untouched=given.all or given.kind == "mixed" or given.uid is not None,
    )
    if given.limit is None:
        given.limit = PAGE_GROUPS if given.output else TERMINAL_GROUPS
    files = find_dumps(given.dumps)
    places, census = find_groups(files, wanted, given.method or method_of(files[0]))
    if not places:
        sys.stderr.write(words.nothing_found(census, wanted) + "\n")
        return 1
    groups = read_groups(places[: given.limit or None], census.display)
    if given.output is None:
        _print(given, groups, census, matching=len(places))
    else:
        left = write_page(given, groups, census, matching=len(places))
        sys.stdout.write(f"wrote {given.output}{left}\n")
    return 0


def _print(given: argparse.Namespace, groups: Iterator[Group], census: Census, *, matching: int) -> None:
    is_terminal = sys.stdout.isatty()
    width = given.width if given.width is not None else shutil.get_terminal_size().columns if is_terminal else 0
    ink = paint if is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" else plain
    for sentence in [*words.about(census), f"Settings: {words.settings_of(census)}.", ""]:
        sys.stdout.write(f"{sentence}\n")
    count = 0
    for count, group in enumerate(groups, start=1):  # noqa: B007
        shown = {"label": given.label, "whole": given.whole_groups, "full": given.full}
        for line in lines_of(group, **shown, width=width, ink=ink):
            sys.stdout.write(f"{line}\n")
    if count < matching:
        sys.stdout.write(f"{words.shown(count, matching)}\n")


if __name__ == "__main__":
    sys.exit(main())
