r"""MATH (Hendrycks et al., arXiv 2103.03874), from its authors' folders, JSON lines, parquet or the hub.

    python -m data_prep.hendrycks_math --input DIR|FILE...|DigitalLearningGmbH/MATH-lighteval --output DIR

Prompt and row follow verl's examples/data_preprocess/math_dataset.py. The ground truth is what stands in the solution's
last `\boxed{}`; two rows of the train split have an empty one and are dropped.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from data_prep.command import Part, asked_input, converter_parser, run
from data_prep.errors import DataError
from data_prep.fields import boxed_answer, optional_text, text_field
from data_prep.inputs import TEST, TRAIN, Split
from data_prep.math_rows import MathSet, Problem, difficulty, math_parts
from data_prep.prompts import MATH_STYLES, asked_style
from data_prep.records import Fault, Record, read_files

DATA_SOURCE: Final = "DigitalLearningGmbH/MATH-lighteval"
LICENCE: Final = "MIT (hendrycks/math); removed from the hub in 2025 on a claim of AoPS"


def read_problem(record: Record) -> Problem:
    """Reads `problem`, `solution`, and if there are any `type` or `subject`, and `level` ("Level 5" or 5)."""
    solution = text_field(record, "solution")
    return Problem(
        text_field(record, "problem"),
        boxed_answer(solution, record.where),
        solution=solution,
        solution_format="boxed",
        category=optional_text(record, "type", "subject"),
        difficulty=difficulty(record),
    )


def _author_splits(folder: Path, splits: Sequence[str]) -> dict[str, Split]:
    """Finds MATH/train/SUBJECT/NUMBER.json and the like, one problem a file, as the authors publish it."""
    found: dict[str, Split] = {}
    for name in splits:
        files = sorted((folder / name).glob("*/*.json"), key=_by_number)
        if files:
            found[name] = Split(partial(_read_problems, files), tuple(files))
    return found


def _read_problems(files: Sequence[Path]) -> Iterator[Record | Fault]:
    for number, path in enumerate(files):
        try:
            for item in read_files([path]):
                yield item if isinstance(item, Fault) else item._replace(number=number)
        except DataError as error:  # one problem is a file here, so one bad file is one bad record
            yield Fault(str(error))


def _by_number(path: Path) -> tuple[str, int, str]:
    return path.parent.name, int(path.stem) if re.fullmatch("[0-9]{1,9}", path.stem) else -1, path.name


def _plan(options: argparse.Namespace) -> list[Part]:
    splits = (options.split,) if options.split else (TRAIN, TEST)
    found = _author_splits(Path(options.input[0]), splits) if len(options.input) == 1 else {}
    of = MathSet(DATA_SOURCE, "math", asked_style(options, options.prompt_style))
    return math_parts(found or asked_input(options, TRAIN, TEST), of, read_problem, LICENCE)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = converter_parser(
        "hendrycks_math", "MATH for verl.", hub_name=DATA_SOURCE, styles=MATH_STYLES, style="boxed", templates=True
    )
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
