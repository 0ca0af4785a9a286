"""Rows of problems whose answer is a value: what the math sets have in common."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

from data_prep.command import Part
from data_prep.conversion import Rows, make_rows
from data_prep.fields import answer_text, checked_text, mapping, text_field
from data_prep.inputs import Split
from data_prep.prompts import MATH_STYLES, bare_question, math_prompt, reference_answer
from data_prep.records import Record, Records
from data_prep.row import Row, make_row


class Problem(NamedTuple):
    """A problem as it stands in a set.

    Attributes:
        question: The bare question.
        answer: The right answer, LaTeX or plain text.
        solution: A solution in words, "" without one.
        solution_format: Where the solution itself gives the answer ("boxed", "hash"), "" if it does not; where another
            place is asked for, the answer is put behind it.
        category: The set's own, "" without one.
        difficulty: The set's own, 0 without one.
        shown_answer: The answer as a response gives it, "" where that is `answer` itself.
    """

    question: str
    answer: str
    solution: str = ""
    solution_format: str = ""
    category: str = ""
    difficulty: int = 0
    shown_answer: str = ""


class MathSet(NamedTuple):
    """What all rows of a file share.

    Attributes:
        data_source: Selects the verifier.
        name: What ids begin with.
        split: "train", "val" or "test".
        style: A key of MATH_STYLES.
    """

    data_source: str
    name: str
    split: str
    style: str


def published_question(record: Record) -> str:
    """Gives the bare problem of a record in verl's layout, or of one with a field for it.

    Args:
        record: The problem stands in the last message of `prompt`, or as text in `problem`, `question` or `prompt`.

    Returns:
        The problem.

    Raises:
        DataError: If there is none.
    """
    prompt = record.fields.get("prompt")
    if not isinstance(prompt, list) or not prompt:
        return bare_question(text_field(record, "problem", "question", "prompt"))
    message = mapping(cast("list[Any]", prompt)[-1], "the last message of 'prompt'", record.where)
    return bare_question(checked_text(message.get("content"), "the content of 'prompt'", record.where))


def verls_answer(record: Record) -> str:
    """Gives the answer of a record in verl's layout.

    Args:
        record: The answer stands in `reward_model.ground_truth`.

    Returns:
        The answer.

    Raises:
        DataError: If it is not there, or of another type.
    """
    reward_model = mapping(record.fields["reward_model"], "'reward_model'", record.where)
    return answer_text(reward_model.get("ground_truth"), "reward_model.ground_truth", record.where)


def math_rows(
    records: Records,
    of: MathSet,
    read: Callable[[Record], Problem],
    identify: Callable[[Record], str] | None = None,
) -> Rows:
    """Turns records into rows.

    Args:
        records: The records.
        of: What all rows share.
        read: Reads a record; raises DataError where it is at fault, UnsolvableError where it has no answer.
        identify: Gives the last part of a record's id, by default its number in the split.

    Returns:
        The rows.
    """

    def identity(record: Record) -> str:
        return f"{of.name}/{of.split}/{identify(record) if identify else record.number}"

    return make_rows(records, identity, partial(_make, of, read))


def math_parts(
    splits: Mapping[str, Split],
    data_source: str,
    name: str,
    style: str,
    read: Callable[[Record], Problem],
    licence: str,
) -> list[Part]:
    """Makes a file of each split of a set, named after it.

    Args:
        splits: The splits.
        data_source: Selects the verifier.
        name: What ids begin with.
        style: A key of MATH_STYLES.
        read: See `math_rows`.
        licence: The licence of the data, in a few words.

    Returns:
        The files to write.
    """
    return [
        Part(
            split,
            split,
            math_rows(found.records, MathSet(data_source, name, split, style), read),
            found.origin,
            licence,
        )
        for split, found in splits.items()
    ]


def _make(of: MathSet, read: Callable[[Record], Problem], record: Record, identity: str) -> Row:
    problem = read(record)
    return make_row(
        data_source=of.data_source,
        prompt=math_prompt(problem.question, of.style),
        ability="math",
        ground_truth=problem.answer,
        reference_response=_response(problem, of.style),
        split=of.split,
        identity=identity,
        question=problem.question,
        category=problem.category,
        difficulty=problem.difficulty,
        prompt_style=of.style,
        answer_format=MATH_STYLES[of.style].answer_format,
    )


def _response(problem: Problem, style: str) -> str:
    answer = reference_answer(problem.shown_answer or problem.answer, style)
    if not problem.solution:
        return answer
    if problem.solution_format == MATH_STYLES[style].answer_format:
        return problem.solution
    return f"{problem.solution}\n\n{answer}"
