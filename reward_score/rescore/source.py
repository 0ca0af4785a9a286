"""Finds out which data source a row is from where the row does not name one, as in verl's dumps.

Only what the row says is used: the form of its ground truth, then the form of answer that its prompt asks for. Where
that fits none, or fits two that exclude each other, nothing is guessed.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

MAX_GROUND_TRUTH_CHARS: Final = 4_000_000
"""A longer ground truth is not looked into; the largest of BFCL v3 has about 50,000 characters."""

_SUM: Final = re.compile(r"\s*\d{1,30}\+\d{1,30}=\s*", re.ASCII)
# A heading of Markdown has the same marker: at the start of a line, and followed by neither a number nor a placeholder.
_HASHES: Final = re.compile(
    r"\S[ \t]*(?<!#)####(?!#)|^[ \t]*####[ \t]*(?:[<\[{($]|-?\d[\d,]*[ \t]*$)", re.ASCII | re.MULTILINE
)
_ANSWER_LINE: Final = re.compile(r"of the form:? ?[\"'`*]*Answer: ?[\"'`*]*(?:\$|\\boxed)|after [\"'`]Answer:[\"'`]")
_BOXED: Final = re.compile(r"\\boxed\b")


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
            fields = _json_or_none(ground_truth)
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


def _json_or_none(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
