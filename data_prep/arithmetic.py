"""The demo's data: additions of mixed difficulty, for a model that can be trained on a CPU.

    python -m data_prep.arithmetic --output DIR

The difficulty of `a+b=` is the number of digits of its larger operand. Whether a problem belongs to training or to
validation is a property of the pair of operands alone (`in_validation`), the same for `a+b` and `b+a` and whatever the
seed, so the splits of any two files are disjoint, and a warm start that asks `in_validation` stays clear of
validation too.
"""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from data_prep.command import Part, run
from data_prep.errors import DataError
from data_prep.schema import LocatedRow, make_row

DATA_SOURCE: Final = "dipo/arithmetic"
LICENCE: Final = "Apache-2.0 (computed here)"
VALIDATION_PART: Final = 5
"""One pair of operands in five belongs to validation."""

LISTED_DIGITS: Final = 2
"""Up to this difficulty the problems are listed whole (at most 9,900), above it they are drawn."""

MAX_ROWS: Final = 100_000
"""Per split; of the 990,000 problems of three digits a fifth are for validation, so drawing always ends soon."""

MAX_DIGITS: Final = 9


def in_validation(a: int, b: int) -> bool:
    """Says whether the addition of a and b, in either order, belongs to validation; else it is for training."""
    pair = f"{min(a, b)}+{max(a, b)}".encode()
    return int.from_bytes(blake2b(pair, digest_size=8).digest(), "big") % VALIDATION_PART == 0


def operands(digits: int, count: int, *, validation: bool, rng: random.Random) -> list[tuple[int, int]]:
    """Picks pairs of operands of one difficulty (1 to MAX_DIGITS) and one split, in random order.

    Where the split has fewer than `count` (there are 100 problems of one digit), each is repeated equally often to
    within one; otherwise all are different.
    """
    low, high = 10 ** (digits - 1) if digits > 1 else 0, 10**digits
    if digits <= LISTED_DIGITS:
        pool = [
            (a, b) for a in range(high) for b in range(high) if max(a, b) >= low and in_validation(a, b) == validation
        ]
        rng.shuffle(pool)
        return list(islice(cycle(pool), count))
    drawn: dict[tuple[int, int], None] = {}
    while len(drawn) < count:
        a, b = rng.randrange(high), rng.randrange(high)
        if max(a, b) >= low and in_validation(a, b) == validation:
            drawn[a, b] = None
    return list(drawn)


def rows(split: str, size: int, shares: Sequence[float], seed: int) -> Iterator[LocatedRow]:
    """Makes the rows of a split, "train" or "val", in random order; equal seeds give equal rows.

    `shares` are those of the problems of 1, 2, ... digits, 0 or more; what rounding leaves over goes to those with the
    largest fractions.
    """
    rng = random.Random(f"{split} {seed}")
    exact = [size * share / sum(shares) for share in shares]
    counts = [int(count) for count in exact]
    by_fraction = sorted(range(len(shares)), key=lambda i: counts[i] - exact[i])
    for i in by_fraction[: size - sum(counts)]:
        counts[i] += 1
    picked = [
        (digits, pair)
        for digits, count in enumerate(counts, start=1)
        for pair in operands(digits, count, validation=split == "val", rng=rng)
    ]
    rng.shuffle(picked)
    for index, (digits, (a, b)) in enumerate(picked):
        row = make_row(
            data_source=DATA_SOURCE,
            prompt=f"{a}+{b}=",
            ground_truth=str(a + b),
            reference_response=f"#### {a + b}",
            split=split,
            index=index,
            identity=f"{DATA_SOURCE}/{split}/{index}",
            question=f"{a}+{b}=",
            difficulty=digits,
        )
        yield f"arithmetic {split} row {index}", row


def _plan(options: argparse.Namespace) -> list[Part]:
    for name, size in (("--train-size", options.train_size), ("--val-size", options.val_size)):
        if not 1 <= size <= MAX_ROWS:
            raise DataError(f"{name} must lie between 1 and {MAX_ROWS}, got {size}")
    shares: list[float] = options.shares
    if len(shares) > MAX_DIGITS or not all(0 <= share < float("inf") for share in shares) or sum(shares) <= 0:
        raise DataError(f"--shares must be 1 to {MAX_DIGITS} numbers of 0 or more with a positive sum, got {shares}")

    return [
        Part(split, split, partial(rows, split, size, options.shares, options.seed), None, LICENCE)
        for split, size in (("train", options.train_size), ("val", options.val_size))
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Writes train.parquet and val.parquet; the exit code is 1 after a sentence about what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m data_prep.arithmetic", description="The demo's additions.")
    # There is no input that could be at fault; problems of one digit are repeated on purpose.
    parser.set_defaults(input=[], exclude=[], dedupe=False, skip_bad=False, imports=[], licence=None)
    parser.add_argument("--output", type=Path, required=True, help="folder for train.parquet and val.parquet")
    parser.add_argument("--train-size", type=int, default=2048, help="rows of train.parquet (default %(default)s)")
    parser.add_argument("--val-size", type=int, default=256, help="rows of val.parquet (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal files (default %(default)s)")
    parser.add_argument(
        "--shares",
        type=float,
        nargs="+",
        default=[0.25, 0.5, 0.25],
        metavar="SHARE",
        help="share of the problems of 1, 2, ... digits; as many numbers as digits (default 0.25 0.5 0.25)",
    )
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
