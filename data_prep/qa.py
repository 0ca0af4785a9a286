r"""Your own questions and answers, from any file with a field for each.

    python -m data_prep.qa --input FILE... --question-key KEY --answer-key KEY --data-source NAME \
        --style boxed|answer|gsm8k --split train|val|test --output DIR

NAME is yours to choose: what judges a row follows from the style, which the row carries (`extra_info.answer_format`).
An answer is a text, a number, or a list of answers any of which is right; of a worked solution its only `\boxed{}`, or
what stands behind its only "####", is taken. `--val-share` holds out questions of a file that is to be trained on.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final, cast

from data_prep.command import Part, add_own_options, converter_parser, own_parts, run
from data_prep.conversion import Rows
from data_prep.errors import DataError, short
from data_prep.fields import answer_texts, bare_answer, checked_text, mapping
from data_prep.inputs import Split
from data_prep.math_rows import MathSet, Problem, math_rows
from data_prep.prompts import asked_style, bare_question
from data_prep.records import Record
from reward_score import GroundTruthError
from reward_score.math.verify import read_gold

STYLES: Final = {"boxed": "boxed", "answer": "dapo", "gsm8k": "gsm8k", "qwen_boxed": "qwen_boxed"}
"""The words of `--style`, and the keys of MATH_STYLES that they stand for."""


def read_problem(question_keys: Sequence[str], answer_key: str, record: Record) -> Problem:
    """Reads a record's question from some fields, in their order, and its answer or answers from one.

    Several answers, any of which is right, become the JSON text that the verifiers read.
    """
    parts = [field_at(record, key) for key in question_keys]
    question = "\n\n".join(
        _question_part(part, key, record.where) for part, key in zip(parts, question_keys, strict=True)
    )
    where, what, value = record.where, repr(answer_key), field_at(record, answer_key)
    answers = [bare_answer(text, what, where).strip() for text in answer_texts(value, what, where)]
    try:
        for answer in answers:
            read_gold(answer)
    except GroundTruthError as error:
        raise DataError(f"{where}: {what}: {error}") from error
    for part in parts:
        _check_choice(part, value, what, where)
    return Problem(bare_question(question), answers)


def field_at(record: Record, key: str) -> object:
    """Returns a field of a record by its name, `a.b` for one within an object."""
    fields, name, rest = record.fields, key, ""
    while name not in fields:
        name, dot, last = name.rpartition(".")
        rest = f"{last}.{rest}" if rest else last
        if not dot:
            raise DataError(
                f"{record.where}: must have the field {key!r}, has {record.names()}: name it with --question-key and"
                " --answer-key"
            )
    if not rest:
        return fields[name]
    inner = mapping(fields[name], repr(name), record.where)
    return field_at(Record(f"{record.where}: {name}", record.number, dict(inner)), rest)


def _question_part(value: object, key: str, where: str) -> str:
    """A text; the content of the only message of a chat; or choices, each on a line behind its letter."""
    choices = _choices(value)
    if choices is None:
        return checked_text(str(value) if isinstance(value, int) else value, repr(key), where)
    labels, texts = choices
    messages = [cast("dict[str, object]", text) for text in texts if isinstance(text, dict)]
    if messages and len(messages) == len(texts):
        said = messages[0]
        if len(messages) > 1 or said.get("role", said.get("from")) not in ("user", "human"):
            raise DataError(f"{where}: {key!r} must be a text or one message of a user, got {short(texts)}")
        return checked_text(said.get("content", said.get("value")), f"the content of {key!r}", where)
    if not texts or len(labels) != len(texts):
        raise DataError(f"{where}: {key!r} must be a text or a list of choices, got {short(texts)}")
    lines = zip(labels, (answer_texts(text, f"a choice of {key!r}", where)[0] for text in texts), strict=True)
    return "\n".join(f"({label}) {text}" for label, text in lines)


def _check_choice(part: object, answer: object, what: str, where: str) -> None:
    labels, texts = _choices(part) or ((), ())
    is_known = not texts or isinstance(texts[0], dict) or str(answer) in map(str, (*labels, *texts))
    if isinstance(answer, int) and not is_known:
        raise DataError(
            f"{where}: {what} must be the letter or the text of a choice, got the number {answer}, which may count from"
            " 0 or from 1: write the letter in its place"
        )


def _choices(value: object) -> tuple[Sequence[object], Sequence[object]] | None:
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [chr(ord("A") + number) for number in range(min(len(items), 26))], items
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, object]", value)
    labels, texts = fields.get("label"), fields.get("text")
    if isinstance(labels, list) and isinstance(texts, list):  # as ARC has them
        return cast("list[object]", labels), cast("list[object]", texts)
    return list(fields), list(fields.values())


def _plan(options: argparse.Namespace) -> list[Part]:
    read = partial(read_problem, options.question_key, options.answer_key)
    keys = {*options.question_key, options.answer_key}
    asked = frozenset({*keys, *(key.split(".")[0] for key in keys), *options.ignore})
    of = MathSet(options.data_source, options.data_source, asked_style(options, STYLES[options.style]), asked)

    def rows(found: Split, split: str) -> Rows:
        return math_rows(found.records, of, split, read)

    return own_parts(options, rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = converter_parser("qa", "Your own questions and answers for verl.", templates=True)
    add = parser.add_argument
    several = "field of the question; several are put below one another, a list in one as choices (A), (B), ..."
    add("--question-key", nargs="+", required=True, metavar="KEY", help=several)
    add("--answer-key", required=True, metavar="KEY", help="field of the answer, or of a list of them")
    asked = "how it is asked and where the answer is looked for: in \\boxed{}, behind 'Answer:', or behind '####'"
    add("--style", choices=tuple(STYLES), required=True, help=asked)
    add("--ignore", nargs="+", default=[], metavar="KEY", help="fields that no question needs")
    add_own_options(parser)
    return run(parser, _plan, argv)


if __name__ == "__main__":
    sys.exit(main())
