"""Blocks of rows, for passes over a batch that keep their temporaries in the cache of one core."""

from collections.abc import Iterator

BLOCK_TOKENS = 2**16
"""Tokens that are worked on at once: at 8 bytes each about 0.5 MiB."""


def row_blocks(responses: int, tokens: int) -> Iterator[slice]:
    """Splits a batch into blocks of whole rows.

    Args:
        responses: B.
        tokens: T, the length to which rows are padded; may be 0.

    Yields:
        Slices that cover the B rows in their order, each of at most BLOCK_TOKENS tokens, or of one row.
    """
    rows = max(1, BLOCK_TOKENS // max(1, tokens))
    for start in range(0, responses, rows):
        yield slice(start, min(start + rows, responses))
