"""Tables of numbers for a terminal, or for the file that its output goes to."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDEST = 10_000
"""A table is as wide as it is: a terminal may wrap it, but no number is left out."""


def plain_table(*headers: str) -> Table:
    """Begins a table whose first column holds names and whose others hold numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for place, header in enumerate(headers):
        table.add_column(Text(header), justify="right" if place else "left", no_wrap=True)
    return table


def write(parts: Iterable[str | Table]) -> None:
    """Writes lines and tables to standard output, as they are."""
    console = Console(file=sys.stdout, width=WIDEST, highlight=False, markup=False, emoji=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
