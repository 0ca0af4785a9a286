"""Command line: python -m groupwise.report RUN [RUN ...] -o report.html"""

import sys
from collections.abc import Sequence

from groupwise.errors import GroupwiseError
from groupwise.printable import visible_output
from groupwise.report.building import build, follow
from groupwise.report.options import parse


@visible_output()
def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the report, or says in a sentence why there is none."""
    try:
        options = parse(arguments)
        if options.follow is not None:
            follow(options)
            return
        sys.stdout.write(f"{build(options).text}\n\npage: {options.output}\n")
    except GroupwiseError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\nNo longer following; the page stays as it is.")


if __name__ == "__main__":
    main()
