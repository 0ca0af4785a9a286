"""What scoring needs of one row: of verl's dumps, of a table with a column of responses, of a prepared dataset.

Where a row names no data source, as in verl's dumps, it is inferred from what the row says: the form of its ground
truth, then the form of answer that its prompt asks for. Where that fits none, or fits two that exclude each other,
nothing is guessed.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from reward_score.rescore.columns import (
    CHAT_COLUMNS,
    GROUND_TRUTH_COLUMNS,
    RESPONSE_COLUMNS,
    VERLS_GROUND_TRUTHS,
    Columns,
    ground_truth_of,
    missing,
    prompt_of,
    responses_of,
)
from reward_score.rescore.files import InputError, Row
from reward_score.verdict import ExtraInfo, short

MAX_GROUND_TRUTH_CHARS: Final = 4_000_000
"""A longer ground truth is not looked into; the largest of BFCL v3 has about 50,000 characters."""

_SUM: Final = re.compile(r"\s*\d{1,30}\+\d{1,30}=\s*", re.ASCII)
# A heading of Markdown has the same marker: at the start of a line, and followed by neither a number nor a placeholder.
_HASHES: Final = re.compile(
    r"\S[ \t]*(?<!#)####(?!#)|^[ \t]*####[ \t]*(?:[<\[{($]|-?\d[\d,]*[ \t]*$)", re.ASCII | re.MULTILINE
)
_ANSWER_LINE: Final = re.compile(r"of the form:? ?[\"'`*]*Answer: ?[\"'`*]*(?:\$|\\boxed)|after [\"'`]Answer:[\"'`]")
_BOXED: Final = re.compile(r"\\boxed\b")


class Sample(NamedTuple):
    """One response to score.

    `place` is "FILE line N" (from 1) or "FILE row N" (from 0, as in data_prep). `data_source` is "" where the row names
    none. `is_reference` tells that the row held no response and its own reference response stands in for one. The last
    two are what the file says the reward was, None where it does not.
    """

    place: str
    data_source: str
    prompt: str
    response: str
    ground_truth: object
    extra_info: ExtraInfo
    is_reference: bool
    recorded_acc: float | None
    recorded_score: float | None


def samples_of(row: Row, place: str, columns: Columns) -> list[Sample]:
    """Finds what scoring needs in one row: one sample, or one for each of a list of responses."""
    extra_info = row.get("extra_info")
    if extra_info is not None and not isinstance(extra_info, Mapping):
        raise InputError(f"extra_info must be an object, got {short(extra_info)}")
    extra_info = cast("Row | None", extra_info)
    responses, several, is_reference = _responses(row, extra_info, columns)
    data_source = row.get("data_source")
    if data_source is not None and not isinstance(data_source, str):
        raise InputError(f"data_source must be a text, got {short(data_source)}")
    # A recorded reward is that of the one response; for a list of them there would have to be a list.
    acc, score = (None, None) if several or is_reference else (_number(row.get("acc")), _number(row.get("score")))
    there, gold = ground_truth_of(row, columns.ground_truth)
    if not there:
        names = (columns.ground_truth,) if columns.ground_truth else (*VERLS_GROUND_TRUTHS, *GROUND_TRUTH_COLUMNS)
        raise missing("ground truth", names, row)
    first = Sample(
        place=place,
        data_source=data_source or "",
        prompt=prompt_of(row),
        response=responses[0] if responses else "",
        ground_truth=gold,
        extra_info=extra_info,
        is_reference=is_reference,
        recorded_acc=acc,
        recorded_score=score,
    )
    if not several:
        return [first]
    return [first._replace(place=f"{place} response {i}", response=text) for i, text in enumerate(responses)]


def _responses(row: Row, extra_info: Row | None, columns: Columns) -> tuple[list[str], bool, bool]:
    found = responses_of(row, columns.response)
    if found is not None:
        return found.texts, found.several, False
    reference = None if columns.response else (extra_info or {}).get("reference_response")
    if isinstance(reference, str) and reference:
        return [reference], False, True
    if columns.response:
        raise missing("response", (columns.response,), row)
    also = " (or, to prove the ground truths of a prepared dataset, extra_info.reference_response)"
    raise missing("response", (*RESPONSE_COLUMNS, *CHAT_COLUMNS), row, also=also)


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, bool | int | float) else None
    except OverflowError:  # an integer beyond all floats is no reward
        return None


class Inferred(NamedTuple):
    """A data source, and why it is thought to be that one."""

    data_source: str
    why: str


def infer_data_source(prompt: str, ground_truth: object) -> Inferred | None:
    """Infers the data source of a row from its ground truth, else from its prompt ("" where that is not known)."""
    return _from_ground_truth(ground_truth) or _from_prompt(prompt)


def _from_ground_truth(ground_truth: object) -> Inferred | None:
    fields = ground_truth
    if isinstance(ground_truth, str) and len(ground_truth) <= MAX_GROUND_TRUTH_CHARS:
        if "<tool_call>" in ground_truth or "<response>" in ground_truth:
            return Inferred("rlla", "the ground truth has ToolRL's tags")
        if '"possible_answer"' in ground_truth:
            with contextlib.suppress(ValueError, RecursionError):
                fields = json.loads(ground_truth)
    if isinstance(fields, Mapping):
        known = cast("Mapping[str, object]", fields)
        category = known.get("category")
        if "possible_answer" in known and isinstance(category, str) and category:
            return Inferred(f"bfcl_v3/{category}", "the ground truth is one of BFCL, with its category")
    return None


def _from_prompt(prompt: str) -> Inferred | None:
    if _SUM.fullmatch(prompt):
        return Inferred("dipo/arithmetic", "the prompt is a sum")
    asks_for_hashes = _HASHES.search(prompt) is not None
    asks_for_line = _ANSWER_LINE.search(prompt) is not None
    asks_for_box = _BOXED.search(prompt) is not None
    if asks_for_hashes and (asks_for_line or asks_for_box):
        return None
    if asks_for_hashes:
        return Inferred("openai/gsm8k", 'the prompt asks for the answer after "####"')
    if asks_for_line:
        return Inferred("math_dapo", 'the prompt asks for a line "Answer:"')
    if asks_for_box:
        return Inferred("lighteval/MATH", "the prompt asks for \\boxed{}")
    return None
