"""Command line: python -m groupwise.audit DUMPS [-o audit.html]"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from groupwise.audit.page import write_page
from groupwise.audit.reading import hold_out, read_rollouts
from groupwise.audit.signs import Seen, cells, look, sentences
from groupwise.errors import GroupwiseError
from groupwise.terminal import plain_table, write

DESCRIPTION = """\
Looks for signs of reward hacking in the rollout dumps of any verl run (trainer.rollout_data_dir). DUMP is the folder,
or single files. A sign is a reason to read the responses: -o writes a page with its course over the steps and examples.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints what was found, or says in a sentence why nothing could be looked at."""
    given = _parser().parse_args(arguments)
    try:
        frame, notes = read_rollouts(given.dumps)
        if given.held_out != "none":
            frame, more = hold_out(frame, given.held_out, given.data_source)
            notes += more
        seen = look(frame)
        write([_table(seen), "", *_told(seen, len(frame)), *(f"note: {note}" for note in notes)])
        if given.output is not None:
            title = f"Signs of reward hacking in {given.dumps[0]}"
            given.output.write_text(write_page(seen, frame, notes, title), encoding="utf-8")
            write([f"page: {given.output}"])
    except (GroupwiseError, LookupError, OSError) as error:
        sys.exit(str(error))


def _table(seen: Sequence[Seen]) -> Table:
    table = plain_table("sign", "first", "last", "told above", "since step")
    for one in seen:
        table.add_row(one.sign.title, *cells(one), "" if one.step is None else str(one.step))
    return table


def _told(seen: Sequence[Seen], responses: int) -> list[str]:
    unknown = [one.sign.title.lower() for one in seen if not one.curve]
    told = [f"- {text}" for text in sentences(seen)] or [f"No sign in {responses:,} responses."]
    return [*told, *([f"Nothing can be said of: {'; '.join(unknown)}."] if unknown else [])]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m groupwise.audit", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dumps", nargs="+", type=Path, metavar="DUMP", help="trainer.rollout_data_dir, or single files")
    add("-o", "--output", type=Path, metavar="PAGE.html", help="also write a page, with examples")
    names = "math_verify, verl, a data source with a verifier, or package.module:function; none leaves it out"
    judges = f"who judges beside the reward: {names} (default: reward_score's)"
    add("--held-out", default="", metavar="VERIFIER", help=judges)
    add("--data-source", default="", metavar="NAME", help="the data source of all rows, where the dumps do not tell")
    return parser


if __name__ == "__main__":
    main()
