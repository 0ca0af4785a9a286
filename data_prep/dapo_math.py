"""DAPO-Math-17k (Yu et al., arXiv 2503.14476): problems whose answers are integers.

    python -m data_prep.dapo_math --input FILE...|BytedTsinghua-SIA/DAPO-Math-17k --output DIR

It is published in several forms, and all are read: the authors' parquet (each problem about 100 times, in DAPO's
prompt), open-r1/DAPO-Math-17k-Processed, zhuzilin/dapo-math-17k, and copies in verl's layout with the bare problem. Of
a worked solution in an answer's place only its one box counts. Each problem is written once. Dropped are problems that
occur with several answers, and answers that went through a 64-bit float on their way and can no longer be exact.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Final

from data_prep.command import Part, asked_input, converter_parser, run
from data_prep.errors import UnsolvableError
from data_prep.inputs import TRAIN
from data_prep.math_rows import MathSet, Problem, math_parts, published_answers
from data_prep.prompts import MATH_STYLES, asked_style
from data_prep.question import published_question
from data_prep.records import Record

DATA_SOURCE: Final = "math_dapo"
LICENCE: Final = "Apache-2.0 (BytedTsinghua-SIA/DAPO-Math-17k)"

_INTEGER: Final = re.compile(r"-?[0-9]+")
_EXACT_IN_A_FLOAT: Final = 2**53
"""Up to here a 64-bit float holds every integer."""


def read_problem(record: Record) -> Problem:
    """Reads a record, without the prompt around its problem.

    The problem stands in `prompt` (chat messages or text), `problem` or `question`, the answer in
    `reward_model.ground_truth`, `label`, `answer` or `solution`. Raises UnsolvableError if there is no answer, or it is
    an integer that was damaged by a float.
    """
    answers = published_answers(record, "label", "answer", "solution")
    for answer in answers:
        if _INTEGER.fullmatch(answer) and _is_rounded(answer):
            raise UnsolvableError(
                f"{record.where}: the answer {answer[:40]} must be exact, but it is what a 64-bit float makes of a"
                " number of this size"
            )
    return Problem(published_question(record), answers)


def _is_rounded(answer: str) -> bool:
    # An integer that a float holds exactly may have been one, and nothing tells it from the exact answer. This loses
    # one in 16 exact answers of 18 digits, and fewer of longer ones; a wrong one would be trained on in every epoch.
    return len(answer) > 400 or (abs(int(answer)) >= _EXACT_IN_A_FLOAT and int(float(answer)) == int(answer))


def _plan(options: argparse.Namespace) -> list[Part]:
    of = MathSet(DATA_SOURCE, DATA_SOURCE, asked_style(options, options.prompt_style))
    return math_parts(asked_input(options, TRAIN), of, read_problem, LICENCE, dedupe=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = converter_parser(
        "dapo_math",
        "DAPO-Math-17k for verl.",
        hub_name="BytedTsinghua-SIA/DAPO-Math-17k",
        styles=MATH_STYLES,
        style="dapo",
        templates=True,
        input_help="files or a name on the hub",
    )
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
