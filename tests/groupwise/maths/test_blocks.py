"""Blocks cover a batch once, in order, and none is larger than it may be."""

import pytest

from groupwise.maths.blocks import BLOCK_TOKENS, row_blocks


@pytest.mark.parametrize(
    ("responses", "tokens"),
    [(0, 5), (1, 0), (3, 1), (2 * BLOCK_TOKENS // 64 + 3, 64), (5, BLOCK_TOKENS), (3, BLOCK_TOKENS + 1)],
)
def test_each_row_is_in_one_block(responses: int, tokens: int):
    blocks = list(row_blocks(responses, tokens))
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(responses))
    sizes = [block.stop - block.start for block in blocks]
    assert all(rows == 1 or rows * tokens <= BLOCK_TOKENS for rows in sizes)


def test_blocks_are_as_large_as_they_may_be():
    # 2^16 tokens are 1,024 rows of 64.
    assert [block.stop for block in row_blocks(2050, 64)] == [1024, 2048, 2050]
