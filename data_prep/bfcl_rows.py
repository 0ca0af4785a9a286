"""Rows of BFCL's entries: the prompt, the ground truth, and calls that prove that it can be met."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from data_prep.bfcl_calls import accepted_calls, relevant_call
from data_prep.bfcl_files import Entry
from data_prep.errors import DataError, UnsolvableError, short
from data_prep.fields import checked_text, mapping
from data_prep.records import Record
from data_prep.row import Message, Row, make_row
from data_prep.tool_prompts import TOOL_STYLES
from reward_score import GroundTruthError
from reward_score.tool_calls.bfcl.checker import find_fault
from reward_score.tool_calls.bfcl.gold import IRRELEVANCE, RELEVANCE, BfclGold, read_bfcl_gold
from reward_score.tool_calls.json import Call

_ROLES: Final = ("system", "user", "assistant")


def make_bfcl_row(split: str, style: str, think: str, entry: Entry, identity: str) -> Row:
    """Makes the row of an entry.

    Args:
        split: "train", "val" or "test".
        style: A key of TOOL_STYLES.
        think: One of THINKING.
        entry: The entry.
        identity: The row's id.

    Returns:
        The row; its reference response holds calls that are right.

    Raises:
        DataError: If a field is missing or of another type.
        UnsolvableError: If no calls can be right.
    """
    record, category = entry.record, entry.source.category
    messages = read_messages(record)
    ground_truth = _ground_truth(entry)
    gold = _read_gold(ground_truth, record.where)
    functions = cast("list[Mapping[str, object]]", record.fields["function"])
    return make_row(
        data_source=f"bfcl_{entry.source.version}/{category}",
        prompt=TOOL_STYLES[style].prompt(messages, functions),
        ability="tool",
        ground_truth=ground_truth,
        reference_response=TOOL_STYLES[style].response(_right_calls(gold, record.where), think),
        split=split,
        identity=identity,
        question=question_text(messages),
        category=category,
        prompt_style=style,
        think=think,
    )


def read_messages(record: Record) -> list[Message]:
    """Reads the conversation of an entry.

    Args:
        record: The entry's record.

    Returns:
        Its messages, the last one the user's.

    Raises:
        DataError: If there is not one turn of messages, or a message is not as it must be.
    """
    question = record.fields.get("question")
    turns = cast("list[object]", question) if isinstance(question, list) else []
    if len(turns) != 1 or not isinstance(turns[0], list):
        found = short(cast("object", question))
        raise DataError(f"{record.where}: 'question' must be a list of one turn, a list of messages, got {found}")
    messages: list[Message] = []
    for item in cast("list[object]", turns[0]):
        fields = mapping(item, "a message of 'question'", record.where)
        role = fields.get("role")
        if role not in _ROLES:
            raise DataError(f"{record.where}: a message's role must be one of {', '.join(_ROLES)}, got {short(role)}")
        content = checked_text(fields.get("content"), "a message's content", record.where)
        messages.append({"role": str(role), "content": content})
    if not messages or messages[-1]["role"] != "user":
        raise DataError(f"{record.where}: 'question' must end in a message of the user's, got {short(messages[-1:])}")
    return messages


def question_text(messages: Sequence[Message]) -> str:
    """Gives what is asked in a conversation, without the system's message."""
    return "\n".join(message["content"] for message in messages if message["role"] != "system")


def _ground_truth(entry: Entry) -> str:
    record = entry.record
    functions = record.fields.get("function")
    if not isinstance(functions, list):
        raise DataError(f"{record.where}: 'function' must be a list of function documents, got {short(functions)}")
    for function in cast("list[object]", functions):
        document = mapping(function, "a function document", record.where)
        for name in ("name", "description"):
            checked_text(document.get(name), f"a function's {name}", record.where)
        mapping(document.get("parameters"), f"the parameters of {document['name']}", record.where)
    fields: dict[str, object] = {
        "v": 1,
        "category": entry.source.category,
        "functions": functions,
        "possible_answer": entry.answer,
    }
    return checked_text(json.dumps(fields, ensure_ascii=False), "a function or an answer", record.where)


def _read_gold(ground_truth: str, where: str) -> BfclGold:
    try:
        return read_bfcl_gold(ground_truth)
    except GroundTruthError as error:
        raise DataError(f"{where}: {error}") from error


def _right_calls(gold: BfclGold, where: str) -> list[Call]:
    if gold.category in IRRELEVANCE:
        return []
    if gold.category in RELEVANCE:
        if calls := relevant_call(gold):
            return calls
        raise UnsolvableError(f"{where}: a relevance row must offer a function, got none")
    fault: str | None = None
    for with_optional in (True, False):
        calls = accepted_calls(gold, with_optional=with_optional)
        fault = find_fault(gold, calls)
        if fault is None:
            return calls
    raise UnsolvableError(f"{where}: no calls are right, not even those made of the accepted values: {fault}")
