"""What scoring needs of one row: of verl's dumps, of a table with a column of responses, of a prepared dataset."""

from collections.abc import Mapping
from typing import NamedTuple, cast

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
from reward_score.verdict import short


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
    extra_info: Mapping[str, object] | None
    is_reference: bool
    recorded_acc: float | None
    recorded_score: float | None


def samples_of(row: Row, place: str, columns: Columns) -> list[Sample]:
    """Finds what scoring needs in one row: one sample, or one for each of a list of responses.

    Raises:
        InputError: If response or ground truth is missing, or a field is not of the type that scoring needs.
    """
    extra_info = _mapping(row, "extra_info")
    responses, several, is_reference = _responses(row, extra_info, columns)
    data_source = row.get("data_source")
    if data_source is not None and not isinstance(data_source, str):
        raise InputError(f"data_source must be a text, got {short(data_source)}")
    # A recorded reward is that of the one response; for a list of them there would have to be a list.
    acc, score = (None, None) if several or is_reference else (_number(row.get("acc")), _number(row.get("score")))
    first = Sample(
        place=place,
        data_source=data_source or "",
        prompt=prompt_of(row),
        response=responses[0] if responses else "",
        ground_truth=_ground_truth(row, columns),
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


def _ground_truth(row: Row, columns: Columns) -> object:
    there, gold = ground_truth_of(row, columns.ground_truth)
    if not there:
        names = (columns.ground_truth,) if columns.ground_truth else (*VERLS_GROUND_TRUTHS, *GROUND_TRUTH_COLUMNS)
        raise missing("ground truth", names, row)
    return gold


def _mapping(row: Row, name: str) -> Row | None:
    value = row.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f"{name} must be an object, got {short(value)}")
    return cast("Row | None", value)


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, bool | int | float) else None
    except OverflowError:  # an integer beyond all floats is no reward
        return None
