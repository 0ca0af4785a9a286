"""Rows of problems whose answer is a value: what the math sets have in common."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from data_prep.command import Part, split_parts
from data_prep.conversion import Rows, make_rows, numbered
from data_prep.fields import answer_texts, bare_answer, check_needed, mapping, name_of, optional_text, text_field
from data_prep.inputs import Split
from data_prep.prompts import MathStyle, math_prompt, reference_answer
from data_prep.records import Record, Records
from data_prep.schema import Row, make_row


class Problem(NamedTuple):
    """A problem as it stands in a set; `category` and `difficulty` are the set's own."""

    question: str
    """The bare question."""
    answers: str | Sequence[str]
    """The answer, LaTeX or plain text, or several any of which is right."""
    solution: str = ""
    """In words."""
    solution_format: str = ""
    """Where the solution itself gives the answer ("boxed", "hash"), "" if it does not; where another place is asked
    for, the answer is put behind it."""
    category: str = ""
    difficulty: int = 0


class MathSet(NamedTuple):
    """What all rows of a set share; ids begin with `name`."""

    data_source: str
    name: str
    style: MathStyle
    asked: frozenset[str] = frozenset()
    """Fields that are part of the question, or that it can do without."""


def published_answers(record: Record, *names: str) -> list[str]:
    """Returns the answers of a record, any of which is right, as `bare_answer` takes them.

    They stand in `reward_model.ground_truth`, as verl has them, or in the first of some fields. Raises UnsolvableError
    if the record says that there is none.
    """
    what, where = "reward_model.ground_truth", record.where
    if record.fields.get("reward_model") is not None:
        value = mapping(record.fields["reward_model"], "'reward_model'", where).get("ground_truth")
    else:
        name = name_of(record, *names) or names[0]
        if name not in record.fields:
            text_field(record, *names)  # says which fields there must be
        what, value = repr(name), record.fields[name]
    return [bare_answer(text, what, where).strip() for text in answer_texts(value, what, where)]


def difficulty(record: Record) -> int:
    """Returns the number of `level`, "Level 5" or 5, and 0 where there is none."""
    level = _LEVEL.fullmatch(optional_text(record, "level"))
    return int(level[1]) if level else 0


_LEVEL: Final = re.compile(r"(?:Level )?([0-9])")


def math_rows(records: Records, of: MathSet, split: str, read: Callable[[Record], Problem]) -> Rows:
    """Turns records into rows; `read` raises DataError for one at fault, UnsolvableError for one without an answer."""
    return make_rows(records, numbered(of.name, split), partial(_make, of, split, read))


def math_parts(
    found: Mapping[str, Split], of: MathSet, read: Callable[[Record], Problem], licence: str, *, dedupe: bool = False
) -> list[Part]:
    """Makes a file of each split of a set, named after it."""

    def rows(split: Split, name: str) -> Rows:
        return math_rows(split.records, of, name, read)

    return split_parts(found, rows, licence, dedupe=dedupe)


def _make(of: MathSet, split: str, read: Callable[[Record], Problem], record: Record, identity: str) -> Row:
    problem = read(record)
    check_needed(record, of.asked)
    return make_row(
        data_source=of.data_source,
        prompt=math_prompt(problem.question, of.style),
        ground_truth=problem.answers,
        reference_response=_response(problem, of.style.answer_format),
        split=split,
        identity=identity,
        question=problem.question,
        category=problem.category,
        difficulty=problem.difficulty,
        prompt_style=of.style.name,
        answer_format=of.style.answer_format,
    )


def _response(problem: Problem, answer_format: str) -> str:
    first = problem.answers if isinstance(problem.answers, str) else problem.answers[0]
    answer = reference_answer(first, answer_format)
    if not problem.solution:
        return answer
    if problem.solution_format == answer_format:
        return problem.solution
    return f"{problem.solution}\n\n{answer}"
