"""GSM8K (Cobbe et al., arXiv 2110.14168), from its authors' JSON lines or from the hub.

    python -m data_prep.gsm8k --input DIR|FILE...|openai/gsm8k --output DIR

Prompt and row follow verl's examples/data_preprocess/gsm8k.py: the question, then the request to end with "####" and
the answer. The ground truth is the number after the reference solution's last "####", without commas.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Final

from data_prep.command import Part, asked_splits, make_parser, run
from data_prep.errors import DataError
from data_prep.fields import text_field
from data_prep.inputs import TEST, TRAIN, find_splits
from data_prep.math_rows import Problem, math_parts
from data_prep.prompts import MATH_STYLES
from data_prep.records import Record

DATA_SOURCE: Final = "openai/gsm8k"
LICENCE: Final = "MIT (OpenAI)"

_GOLD = re.compile(r"####[ ]*(-?[0-9][0-9,]*(?:\.[0-9]+)?)\s*\Z")


def read_problem(record: Record) -> Problem:
    """Reads a record of GSM8K.

    Args:
        record: Fields `question` and `answer`, the latter ending in a line "#### NUMBER".

    Returns:
        The problem.

    Raises:
        DataError: If a field is missing, not text, or the answer ends otherwise.
    """
    question = text_field(record, "question")
    answer = text_field(record, "answer")
    gold = _GOLD.search(answer)
    if gold is None:
        raise DataError(f"{record.where}: 'answer' must end in a line '#### NUMBER', got ...{answer[-40:]!r}")
    return Problem(question, gold[1].replace(",", ""), solution=answer, solution_format="hash")


def _plan(options: argparse.Namespace) -> list[Part]:
    found = find_splits(
        options.input,
        asked_splits(options, TRAIN, TEST),
        config=options.hub_config or "main",
        revision=options.hub_revision,
    )
    return math_parts(found, DATA_SOURCE, DATA_SOURCE, options.prompt_style, read_problem, LICENCE)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes train.parquet and test.parquet, as far as the input has the splits.

    Args:
        argv: The command line's arguments, sys.argv's by default.

    Returns:
        The exit code: 1 after a sentence about what is wrong.
    """
    parser = make_parser("gsm8k", "GSM8K for verl.", hub_name="openai/gsm8k", styles=tuple(MATH_STYLES), style="gsm8k")
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
