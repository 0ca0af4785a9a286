"""When two questions are the same, whatever their spelling, and sets of questions."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

from data_prep.errors import DataError
from data_prep.fields import checked_text, mapping, text_field
from data_prep.files import kind_of
from data_prep.inputs import check_file
from data_prep.prompts import bare_question
from data_prep.reading import Reading, check_row, said
from data_prep.records import Fault, Record, read_files

# NFKC would make 23 of 2 with a raised 3, and 31/2 of three and a half.
_MARKED = {"<super>": "^({})", "<sub>": "_({})", "<fraction>": "({})"}
_SCRIPTS = {
    code: _MARKED[decomposition[0]].format("".join(chr(int(part, 16)) for part in decomposition[1:]))
    for code in range(0xA0, 0x2190)
    if (decomposition := unicodedata.decomposition(chr(code)).split()) and decomposition[0] in _MARKED
}
_SAME = re.compile(r"\\[dtc]frac(?![a-z])")
_NOTHING = re.compile(r"\\(?:left|right)(?![a-z])|\\[\[\](),;!: ]|[\s$~]")


def normalised(question: str) -> str:
    r"""Spells a question so that equal ones are equal texts, which are not for reading.

    White space, upper and lower case, Unicode's compatibility forms, the delimiters of formulas (`$`, `\(`, `\[`) and
    what only spaces or sizes them do not count; every other sign does, for `x-1` is not `x+1`.
    """
    if not question.isascii():
        question = unicodedata.normalize("NFKC", question.translate(_SCRIPTS))
    question = question.casefold()
    if "\\" in question:
        question = _SAME.sub(r"\\frac", question)
    return _NOTHING.sub("", question)


def digest(text: str) -> int:
    """Returns a number of 128 bits for a text: a set of these is small where one of texts is not."""
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")


def question_of(row: Mapping[str, object], prompt_key: str = "prompt") -> str:
    """Returns what a row, of data_prep's own making or not, asks.

    That is `extra_info.question`; where there is none, what the user says without what the known prompt styles put
    around a question, and of a longer conversation all but what the system says.
    """
    extra_info = cast("Mapping[str, object]", row.get("extra_info") or {})
    question = extra_info.get("question")
    if isinstance(question, str) and question.strip():
        return question
    messages = cast("list[Mapping[str, Any]]", row[prompt_key])
    texts = [said(message) for message in messages if message["role"] != "system"] or [said(messages[-1])]
    return bare_question(texts[0]) if len(texts) == 1 else "\n".join(texts)


def question_digest(question: str) -> int:
    """The same number for questions that differ in spelling only."""
    return digest(normalised(question))


def prompt_digest(row: Mapping[str, Any], prompt_key: str = "prompt") -> int:
    """The same number for rows whose whole prompts differ in spelling only."""
    return digest("\n".join(normalised(said(message)) for message in row[prompt_key]))


def published_question(record: Record) -> str:
    """Returns the bare problem of a record in verl's layout, or of one with a field for it.

    It stands in the last message of `prompt`, or as text in `problem`, `question` or `prompt`, in capitals or not.
    """
    prompt = record.fields.get("prompt")
    if not isinstance(prompt, list) or not prompt:
        return bare_question(text_field(record, "problem", "Problem", "question", "Question", "prompt"))
    message = mapping(cast("list[Any]", prompt)[-1], "the last message of 'prompt'", record.where)
    return bare_question(checked_text(message.get("content"), "the content of 'prompt'", record.where))


def questions_in(paths: Iterable[Path]) -> set[int]:
    """Gives the digests of what files ask, or all data files in folders: rows as verl has them, or raw records."""
    digests: set[int] = set()
    for path in paths:
        files = sorted(filter(kind_of, path.rglob("*"))) if path.is_dir() else [path]
        if not files:
            raise DataError(f"{path}: must hold data files, has none")
        for file in files:
            check_file(file, "--exclude must name files or folders")
        for record in read_files(files):
            if isinstance(record, Fault):
                raise DataError(record.message)
            is_row = isinstance(record.fields.get("prompt"), list)
            if is_row:
                check_row(record.fields, record.where, Reading("model"))
            digests.add(question_digest(question_of(record.fields) if is_row else published_question(record)))
    return digests
