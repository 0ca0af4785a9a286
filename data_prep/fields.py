"""The fields of a raw record, checked as they are taken."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, cast

from data_prep.errors import DataError, UnsolvableError, short
from data_prep.records import Record
from reward_score.math.latex import matching_brace
from reward_score.math.location import TruncatedError, find_boxed
from reward_score.math.verify import verify_boxed
from reward_score.verdict import GroundTruthError, alternatives


def text_field(record: Record, *names: str) -> str:
    """Returns the first field of these names that a record has; see `name_of` and `checked_text`."""
    name = names[0] if record.fields.get(names[0]) is not None else name_of(record, *names)
    if name is None:
        raise DataError(f"{record.where}: must have the field {' or '.join(map(repr, names))}, has {record.names()}")
    return checked_text(record.fields[name], repr(name), record.where)


def name_of(record: Record, *names: str) -> str | None:
    """Returns the first of some names whose value in a record is not null, else the first that is there at all."""
    there = [name for name in names if name in record.fields]
    return next((name for name in there if record.fields[name] is not None), there[0] if there else None)


def check_needed(record: Record, asked: Collection[str]) -> None:
    """Refuses a record that has more that its question can hardly be answered without, not among `asked`."""
    for name, value in record.fields.items():
        # image_1, option_a; and A, B, C, D, as tables have choices
        stem = _NUMBERED.sub("", name.lower())
        needed = stem in OFTEN_NEEDED or (name in "ABCDE" and {"A", "B"} <= record.fields.keys())
        inner = cast("dict[str, object]", value).values() if isinstance(value, dict) else [value]
        if needed and name not in asked and any(one not in (None, "", [], {}) for one in inner):
            raise DataError(
                f"{record.where}: the field {name!r} must be part of the question or be left out on purpose:"
                " data_prep.qa takes it behind --question-key, or leaves it out with --ignore"
            )


OFTEN_NEEDED: Final = frozenset(
    (
        *("option", "options", "choice", "choices", "ending", "endings", "context", "passage", "body", "premise"),
        *("table", "image", "images", "picture", "figure", "diagram", "video", "audio"),
    )
)
_NUMBERED: Final = re.compile(r"[_ ]?(?<![0-9])[0-9]+$|[_ ][a-e]$")


def checked_text(value: object, what: str, where: str) -> str:
    """Returns a value that is text; DataError if it is not, or is blank, or holds half of a surrogate pair."""
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {what} must be a text that is not empty, got {short(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: {what} must be text that UTF-8 can hold, but {error.reason}") from error
    return value


def answer_texts(value: object, what: str, where: str) -> list[str]:
    """Reads an answer, or several any of which is right (`reward_score.verdict.alternatives`); each stands once.

    Each is text or a number; 27.0, as AMC's answers are published, becomes "27".
    """
    try:
        several = alternatives(value)
    except GroundTruthError as error:
        raise DataError(f"{where}: {what}: {error}") from error
    return list(dict.fromkeys(_one_answer(one, what, where) for one in several))


def _one_answer(value: object, what: str, where: str) -> str:
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise DataError(f"{where}: {what} must be a finite number or text, got {value}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float | Decimal):
        return f"{Decimal(repr(value) if isinstance(value, float) else value):f}"  # 1e-07 as people write it
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return checked_text(value, what, where)


def bare_answer(text: str, what: str, where: str) -> str:
    r"""Returns an answer without what may stand around it: a worked solution is never taken for one.

    That is what stands in a text's only box or behind its only "####"; where it has neither, the text without words
    that only lead to the answer ("The answer is"). Raises DataError if it has several, or none though it is a solution
    in words, and UnsolvableError if it says that there is no answer, as "proof" and "notfound" do.
    """
    if text.strip(" \t\n.").lower() in _PLACEHOLDERS:
        raise UnsolvableError(f"{where}: {what} must be an answer, got {short(text)}")
    found = list(dict.fromkeys(content.strip() for content in boxes(text) if content.strip()))
    is_boxed = bool(found) or _BOX_MARK.search(text) is not None
    if not is_boxed:
        lines = [part.strip().partition("\n")[0].strip() for part in text.split("####")[1:]]
        found = list(dict.fromkeys(filter(None, lines)))
    if not (found or is_boxed or "####" in text):
        led = _LED.match(text)
        answer = _without_end(text[led.end() :]) if led else text
        if not _is_worked(answer):
            return answer
    if len(found) != 1:
        has = ", ".join(map(short, found[:3])) or short(text)
        raise DataError(
            f"{where}: {what} must be an answer, or a solution with exactly one \\boxed{{}}, got {has}: give the bare"
            " answer in a field of its own"
        )
    return found[0]


def _without_end(text: str) -> str:
    """Leaves out a closing tag and full stops; read backwards, as a search for an end begins at each place."""
    bare = text.rstrip()
    bare = bare[: -len("</answer>")] if bare.lower().endswith("</answer>") else text
    ending = _STOPS.match(bare[::-1])
    return bare[: len(bare) - (ending.end() if ending else 0)]


def boxes(text: str) -> Iterator[str]:
    r"""Yields what stands in the boxes of a text, but not in boxes within boxes; "" for one that is not closed."""
    end = 0
    for box in _BOX.finditer(text):
        if box.start() >= end:
            closing = matching_brace(text, box.end() - 1)
            end = len(text) if closing is None else closing
            yield "" if closing is None else text[box.end() : closing]


def _is_worked(text: str) -> bool:
    words = _WORD.findall(_COMMAND.sub(" ", text))
    reasons = not _REASONING.isdisjoint(map(str.lower, words))
    return len(words) > _MAX_WORDS or (reasons and (len(words) >= 3 or any(map(str.isdigit, text))))


_PLACEHOLDERS: Final = frozenset(
    (
        *("proof", r"\text{proof}", "q.e.d", "qed", "notfound", "not found", "no answer", "n/a", "nan", "null", "tbd"),
        *("see solution", "see above", "?", "-"),
    )
)
_BOX: Final = re.compile(r"\\f?boxed\s*\{|\\fbox\s*\{")
_BOX_MARK: Final = re.compile(r"\\f?boxed|boxed\s*\{")
_LED: Final = re.compile(
    r"\s*(?:(?:the )?(?:(?:final|correct) )?answer(?: is|[:=])[:\s]*|<answer>|答案(?:是|为)?[:\uff1a\s]*)",
    re.IGNORECASE,
)
_STOPS: Final = re.compile(r"[.。\s]*")
_COMMAND: Final = re.compile(r"\\[A-Za-z]+")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_REASONING: Final = frozenset(
    ("we", "let", "thus", "hence", "therefore", "because", "since", "answer", "solving", "substituting")
)
_MAX_WORDS: Final = 20
"""An answer in words has fewer; an explanation has more."""


def boxed_answer(solution: str, where: str) -> str:
    r"""Returns what stands in a solution's last `\boxed{}`.

    Boxes with nothing but "and" or a comma between are one answer with several members, "(-2,18) ; (8,38)", where
    verl's example takes the last member alone; where they are one value in two forms, as in a row of MATH-500, it is
    the last form. Raises UnsolvableError if there is no box, it is not closed, or nothing is in it.
    """
    try:
        answer = find_boxed(solution) or ""
    except TruncatedError:
        answer = ""
    if not answer.strip():
        raise UnsolvableError(f"{where}: 'solution' must have its answer in a last \\boxed{{}}, got none")
    *others, last = answer.split(" ; ")
    same = others and all(verify_boxed(rf"\boxed{{{other}}}", last).acc for other in others)
    return last if same else answer


def optional_text(record: Record, *names: str) -> str:
    """Returns a field that is text or a whole number as text, "" where it is missing or null; else DataError.

    5.0 is whole: pandas makes floats of a column that lacks a value somewhere.
    """
    name = name_of(record, *names)
    value = None if name is None else record.fields[name]
    if isinstance(value, float) and (math.isnan(value) or value.is_integer()):
        value = None if math.isnan(value) else int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or value == "":
        return ""
    return checked_text(value, repr(name), record.where)


def mapping(value: Any, what: str, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: {what} must be an object, got {short(value)}")
    return cast("Mapping[str, object]", value)
