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

from data_prep.command import Part, asked_input, converter_parser, run
from data_prep.errors import DataError
from data_prep.fields import text_field
from data_prep.inputs import TEST, TRAIN
from data_prep.math_rows import MathSet, Problem, math_parts
from data_prep.prompts import MATH_STYLES, asked_style
from data_prep.records import Record

DATA_SOURCE: Final = "openai/gsm8k"
LICENCE: Final = "MIT (OpenAI)"

_GOLD = re.compile(r"####[ ]*(-?[0-9][0-9,]*(?:\.[0-9]+)?)\s*\Z")


def read_problem(record: Record) -> Problem:
    """Reads the fields `question` and `answer`, the latter ending in a line "#### NUMBER"; else raises DataError."""
    question = text_field(record, "question")
    answer = text_field(record, "answer")
    gold = _GOLD.search(answer)
    if gold is None:
        raise DataError(f"{record.where}: 'answer' must end in a line '#### NUMBER', got ...{answer[-40:]!r}")
    return Problem(question, gold[1].replace(",", ""), solution=answer, solution_format="hash")


def _plan(options: argparse.Namespace) -> list[Part]:
    of = MathSet(DATA_SOURCE, DATA_SOURCE, asked_style(options, options.prompt_style))
    return math_parts(asked_input(options, TRAIN, TEST, config="main"), of, read_problem, LICENCE)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = converter_parser(
        "gsm8k", "GSM8K for verl.", hub_name="openai/gsm8k", styles=MATH_STYLES, style="gsm8k", templates=True
    )
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
