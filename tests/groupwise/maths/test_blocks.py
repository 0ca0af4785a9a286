"""Blocks cover a batch once, in order, and none is larger than it may be."""

import pytest
import torch

from groupwise.maths.blocks import BLOCK_TOKENS, row_blocks


@pytest.mark.parametrize(
    "lengths",
    [
        [],
        [0],
        [1, 1, 1],
        [64] * (2 * BLOCK_TOKENS // 64 + 3),
        [BLOCK_TOKENS] * 5,
        [BLOCK_TOKENS + 1] * 3,
        [0, 5, BLOCK_TOKENS, 0, 7, 3 * BLOCK_TOKENS, 0],
    ],
)
def test_each_row_and_each_token_is_in_one_block(lengths: list[int]):
    blocks = list(row_blocks(torch.tensor(lengths, dtype=torch.int64)))
    assert [row for rows, _ in blocks for row in range(rows.start, rows.stop)] == list(range(len(lengths)))
    token = 0
    for rows, tokens in blocks:
        assert (tokens.start, tokens.stop) == (token, token + sum(lengths[rows]))
        assert rows.stop - rows.start == 1 or tokens.stop - tokens.start <= BLOCK_TOKENS
        token = tokens.stop


def test_blocks_are_as_large_as_they_may_be():
    # 2^16 tokens are 1,024 rows of 64.
    assert [rows.stop for rows, _ in row_blocks(torch.full((2050,), 64))] == [1024, 2048, 2050]
