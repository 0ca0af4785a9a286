"""Shows the groups on which a method acted: `python -m groupwise.inspect DUMP [options]`, see --help."""

import os
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence

from groupwise.dumps.reader import MALFORMED, find_dumps, malformed
from groupwise.errors import GroupwiseError
from groupwise.inspect import options, words
from groupwise.inspect.groups import Census, Group, find_groups, method_of, read_groups
from groupwise.inspect.page import write_page
from groupwise.inspect.terminal import lines_of, paint, plain
from groupwise.printable import visible_output


@visible_output()
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 1 after a sentence on what is wrong or was not found, 130 after Ctrl-C."""
    given = options.parse(argv)
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


def _inspect(given: Namespace) -> int:
    files = find_dumps(given.dumps)
    places, census = find_groups(files, given.wanted, given.method or method_of(files[0]))
    if not places:
        sys.stderr.write(words.nothing_found(census, given.wanted) + "\n")
        return 1
    groups = read_groups(places[: given.limit], census.display)
    if given.output is None:
        _print(given, groups, census, matching=len(places))
    else:
        left = write_page(given, groups, census, matching=len(places))
        sys.stdout.write(f"wrote {given.output}{left}\n")
    return 0


def _print(given: Namespace, groups: Iterator[Group], census: Census, *, matching: int) -> None:
    is_terminal = sys.stdout.isatty()
    width = given.width if given.width is not None else shutil.get_terminal_size().columns if is_terminal else 0
    ink = paint if is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" else plain
    for sentence in [*words.about(census), f"Settings: {words.settings_of(census)}.", ""]:
        sys.stdout.write(f"{sentence}\n")
    count = 0
    for group in groups:
        count += 1
        shown = {"label": given.wanted.label, "whole": given.whole_groups, "full": given.full}
        for line in lines_of(group, **shown, width=width, ink=ink):
            sys.stdout.write(f"{line}\n")
    if count < matching:
        sys.stdout.write(f"{words.shown(count, matching)}\n")


if __name__ == "__main__":
    sys.exit(main())
