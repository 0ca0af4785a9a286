"""What scoring needs of one row: of verl's dumps, of a table with a column of responses, of a prepared dataset."""

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from reward_score.offline_files import InputError, Row
from reward_score.verdict import one_line, short

RESPONSE_COLUMNS: Final = ("response", "output", "solution_str", "responses")
"""`output` is verl's word in its dumps."""

GROUND_TRUTH_COLUMNS: Final = ("gts", "ground_truth")
"""`gts` is verl's word in its dumps; without either, `reward_model.ground_truth` is read."""


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


class Columns(NamedTuple):
    """The columns that the user names; "" leaves it to the usual names."""

    response: str = ""
    ground_truth: str = ""


def samples_of(row: Row, place: str, columns: Columns) -> list[Sample]:
    """Finds in a row what scoring needs.

    Args:
        row: One object of a JSON Lines file or one row of a parquet file.
        place: Where it is from.
        columns: Where to find response and ground truth.

    Returns:
        One sample, or one for each of a list of responses.

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
        prompt=_prompt(row),
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
    names = (columns.response,) if columns.response else RESPONSE_COLUMNS
    name = next((name for name in names if name in row), None)
    if name is None:
        reference = None if columns.response else (extra_info or {}).get("reference_response")
        if isinstance(reference, str) and reference:
            return [reference], False, True
        raise InputError(
            f"must have a response in the column {' or '.join(names)} (or, to prove the ground truths of a prepared"
            f" dataset, extra_info.reference_response), has {_names(row)}: name the column with --response-column"
        )
    value = row[name]
    if isinstance(value, str):
        return [value], False, False
    texts = cast("list[object]", value) if isinstance(value, list) and value else [None]
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"{name} must be a text or a list of texts, got {short(cast('object', value))}")
    return cast("list[str]", texts), True, False


def _ground_truth(row: Row, columns: Columns) -> object:
    names = (columns.ground_truth,) if columns.ground_truth else GROUND_TRUTH_COLUMNS
    for name in names:
        if name in row:
            return row[name]
    reward_model = _mapping(row, "reward_model") or {}
    if "ground_truth" not in reward_model or columns.ground_truth:
        also = "" if columns.ground_truth else " or reward_model.ground_truth"
        raise InputError(
            f"must have a ground truth in the column {' or '.join(names)}{also}, has {_names(row)}:"
            " name the column with --ground-truth-column"
        )
    return reward_model["ground_truth"]


def _prompt(row: Row) -> str:
    """Gives the prompt as far as there is one: a dump's decoded text, else the messages' text."""
    prompt = row.get("input", row.get("prompt"))
    if isinstance(prompt, str):
        return prompt
    messages = cast("list[object]", prompt) if isinstance(prompt, list) else []
    contents = [cast("Row", message).get("content") for message in messages if isinstance(message, Mapping)]
    return "\n".join(content for content in contents if isinstance(content, str))


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


def _names(row: Row) -> str:
    return one_line(", ".join(row) or "none", 160)
