"""Blocks of rows, for passes over a batch that keep their temporaries in the cache of one core.

The tokens of B rows lie one after another, N in all; a padded batch is one whose rows are equally long.
"""

from collections.abc import Iterator

import torch

BLOCK_TOKENS = 2**16
"""Tokens that are worked on at once: at 8 bytes each about 0.5 MiB."""


def row_blocks(lengths: torch.Tensor) -> Iterator[tuple[slice, slice]]:  # (B,) int64
    """Splits rows into blocks of at most BLOCK_TOKENS tokens, or of one row; yields the rows and the tokens of each."""
    ends = lengths.cumsum(0)
    row = token = 0
    while row < len(ends):
        stop = max(row + 1, int(torch.searchsorted(ends, token + BLOCK_TOKENS, right=True)))
        end = int(ends[stop - 1])
        yield slice(row, stop), slice(token, end)
        row, token = stop, end
