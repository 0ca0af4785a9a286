"""The math sets that are evaluated: MATH-500, AIME 2024 and 2025, AMC 2023, Minerva and OlympiadBench.

    python -m data_prep.math_eval --output DIR                          # all, from the hub
    python -m data_prep.math_eval --input DIR --output DIR              # DIR/aime24/test.jsonl, DIR/amc23.parquet, ...
    python -m data_prep.math_eval --input aime24=FILE amc23=AI-MO/aimo-validation-amc --output DIR

Each is written to a file of its name. Publishers name fields differently (`problem`, `Problem`, `question`; `answer`,
`Answer`, `final_answer`, or nothing but the solution's last box), and all of them are read. DAPO's copy of AIME 2024
has each problem 32 times: each is written once, because verl repeats prompts itself (`val_kwargs.n`).
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from data_prep.command import Part, converter_parser, run
from data_prep.errors import DataError
from data_prep.fields import boxed_answer, name_of, optional_text, text_field
from data_prep.files import SUFFIXES
from data_prep.inputs import TEST, find_splits
from data_prep.math_rows import MathSet, Problem, difficulty, math_rows, published_answers
from data_prep.prompts import MATH_STYLES, asked_style
from data_prep.question import published_question
from data_prep.records import Record

_QUESTION: Final = ("problem", "Problem", "question", "Question")
_ANSWER: Final = ("answer", "Answer", "final_answer", "expected_answer")
_SOLUTION: Final = ("solution", "Solution")


class EvalSet(NamedTuple):
    """An evaluation set: where it is on the hub, how many problems it has, and how its answers are cleaned, if so."""

    hub_name: str
    rows: int
    licence: str
    clean: Callable[[str, str], str] | None = None
    hub_config: str | None = None


def _aime_answer(answer: str, where: str) -> str:
    """AIME's answers are integers from 0 to 999, printed with leading zeros ("025") or a degree sign by some."""
    bare = re.sub(r"\^\{?\\circ\}?|[$°\s]", "", answer)
    if not re.fullmatch("[0-9]{1,3}", bare):
        raise DataError(f"{where}: an answer of AIME must be an integer from 0 to 999, got {answer[:40]!r}")
    return str(int(bare))


_MAA: Final = "problems (c) Mathematical Association of America"

SETS: Final[Mapping[str, EvalSet]] = {
    "math500": EvalSet("HuggingFaceH4/MATH-500", 500, "MIT (hendrycks/math, PRM800K)"),
    "aime24": EvalSet("HuggingFaceH4/aime_2024", 30, _MAA, _aime_answer),
    "aime25": EvalSet("math-ai/aime25", 30, _MAA, _aime_answer),
    "amc23": EvalSet("math-ai/amc23", 40, _MAA),
    "minerva": EvalSet("math-ai/minervamath", 272, "MIT OpenCourseWare, normally CC BY-NC-SA"),
    "olympiadbench": EvalSet(
        "Hothan/OlympiadBench", 675, "Apache-2.0 (hub), MIT (OpenBMB)", hub_config="OE_TO_maths_en_COMP"
    ),
}


def read_problem(of: EvalSet, record: Record) -> Problem:
    """Reads a record of a set; what its problem needs to be read (`context` of OlympiadBench) is put before it."""
    question = published_question(record) if "prompt" in record.fields else text_field(record, *_QUESTION)
    context = optional_text(record, "context")
    name = name_of(record, *_SOLUTION)
    solution = text_field(record, name) if name and isinstance(record.fields[name], str) else ""
    answer = name_of(record, "reward_model", *_ANSWER)
    if solution and (answer is None or record.fields[answer] is None):
        answers = [boxed_answer(solution, record.where)]
    else:
        answers = published_answers(record, *_ANSWER)
    if of.clean:
        answers = [of.clean(one, record.where) for one in answers]
    return Problem(
        f"{context}\n{question}" if context else question,
        answers,
        category=optional_text(record, "subject", "type", "subfield"),
        difficulty=difficulty(record),
    )


def _inputs(options: argparse.Namespace) -> dict[str, str]:
    """Says for each set that is asked for where it is."""
    wanted: list[str] = options.sets or list(SETS)
    if options.input == [_HUB]:
        return {name: SETS[name].hub_name for name in wanted}
    folder = Path(options.input[0])
    if len(options.input) == 1 and folder.is_dir():
        return _in_folder(folder, wanted, must_have_all=bool(options.sets))
    given: dict[str, str] = {}
    for item in options.input:
        name, _, place = item.partition("=")
        if name not in SETS or not place:
            raise DataError(
                f"--input must be a folder, or SET=PATH_OR_HUB_NAME with SET one of {', '.join(SETS)}, got {item}"
            )
        if name in given:
            raise DataError(f"--input must give each set once, got {name} twice")
        given[name] = place
    missing = [name for name in options.sets or () if name not in given]
    if missing:
        raise DataError(f"--input must have every set of --sets, lacks {', '.join(missing)}")
    return {name: given[name] for name in wanted if name in given}


def _in_folder(folder: Path, wanted: Sequence[str], *, must_have_all: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in wanted:
        places = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
        places += [folder / name / f"test{suffix}" for suffix in SUFFIXES] + [folder / name]
        place = next((place for place in places if place.exists()), None)
        if place is not None:
            found[name] = str(place)
    missing = [name for name in wanted if name not in found]
    if missing and (must_have_all or not found):
        raise DataError(f"{folder}: must have SET/test.jsonl or SET.parquet for each set, lacks {', '.join(missing)}")
    if missing:
        sys.stderr.write(f"note: {folder} has no {', '.join(missing)}; left out\n")
    return found


def _plan(options: argparse.Namespace) -> list[Part]:
    asked = options.split or TEST
    style = asked_style(options, options.prompt_style)

    def part(name: str, place: str) -> Part:
        of = SETS[name]
        config = options.hub_config or (of.hub_config if place == of.hub_name else None)
        split = find_splits([place], (asked,), config=config, revision=options.hub_revision)[asked]
        shared = MathSet(name, name, style, frozenset({"context"}))
        rows = math_rows(split.records, shared, asked, partial(read_problem, of))
        return Part(name, asked, rows, split.origin, of.licence, dedupe=True, expected=of.rows)

    return [part(name, place) for name, place in _inputs(options).items()]


_HUB: Final = "the hub"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = converter_parser(
        "math_eval",
        "The math evaluation sets for verl.",
        hub_name=_HUB,
        styles=MATH_STYLES,
        style="dapo",
        templates=True,
        input_help="a folder with SET/test.jsonl or SET.parquet, or SET=PATH_OR_HUB_NAME for each set",
    )
    parser.add_argument("--sets", nargs="+", choices=list(SETS), help="which sets (default all that are there)")
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
