"""Rows of BFCL's entries: the prompt, the ground truth, and accepted calls as the response that proves the row."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, cast

from data_prep.bfcl_evaluated import calls_in, first_messages, gold_session, session_entry, shown_documents
from data_prep.bfcl_files import Entry
from data_prep.errors import DataError, UnsolvableError, short
from data_prep.fields import checked_text, mapping
from data_prep.records import Record
from data_prep.schema import Message, Row, make_row
from data_prep.tool_prompts import TOOL_STYLES, SessionMessage
from reward_score import GroundTruthError
from reward_score.tool_calls.bfcl import library
from reward_score.tool_calls.bfcl.checker import find_fault
from reward_score.tool_calls.bfcl.gold import IRRELEVANCE, RELEVANCE, BfclGold, GoldCall, read_bfcl_gold
from reward_score.tool_calls.bfcl.value import accepts
from reward_score.tool_calls.json import Call

_ROLES: Final = ("system", "user", "assistant")


def make_bfcl_row(split: str, style: str, think: str, entry: Entry, identity: str) -> Row:
    """Makes the row of an entry in one of TOOL_STYLES and THINKING; its reference response makes right calls."""
    record, category = entry.record, entry.source.category
    asked = TOOL_STYLES[style]
    if category in library.MULTI_TURN:
        session = session_entry(record, category, entry.answer)
        functions, first = session["functions"], first_messages(session)
        make_prompt, question = partial(asked.session, first), question_text(first)
        ground_truth = json.dumps(session, ensure_ascii=False)
        reference = gold_session(session, asked, think, record.where)
    else:
        messages, ground_truth = read_messages(record), _ground_truth(entry)
        make_prompt, question = partial(asked.prompt, messages), question_text(messages)
        functions = cast("list[Mapping[str, object]]", record.fields["function"])
        right = _calls_in_other_language if category in library.LANGUAGES else _calls_in_python
        reference = asked.response(right(entry, ground_truth), think)
    if asked.as_handler or category in library.LANGUAGES:
        functions = shown_documents(functions, category)
    return make_row(
        data_source=f"bfcl_{entry.source.version}/{category}",
        prompt=make_prompt(functions),
        ability="tool",
        ground_truth=ground_truth,
        reference_response=reference,
        split=split,
        identity=identity,
        question=question,
        category=category,
        prompt_style=style,
        think=think,
    )


def read_messages(record: Record) -> list[Message]:
    """Reads an entry's conversation, one turn, which ends with the user."""
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


def question_text(messages: Sequence[Message] | Sequence[SessionMessage]) -> str:
    """Returns what is asked in a conversation, without the system's message."""
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


def _calls_in_other_language(entry: Entry, ground_truth: str) -> list[Call]:
    fields = json.loads(ground_truth)
    function, (wanted,) = fields["functions"][0], fields["possible_answer"]
    (accepted,) = wanted.values()
    fault = None
    for calls in calls_in(entry.source.category, function, accepted):
        made = [{call.name: call.arguments} for call in calls]
        fault = library.find_fault_in(entry.source.category, fields["functions"], made, fields["possible_answer"])
        if fault is None:
            return calls
    raise UnsolvableError(f"{entry.where}: no calls are right, not even those made of the accepted values: {fault}")


def _calls_in_python(entry: Entry, ground_truth: str) -> list[Call]:
    where = entry.where
    try:
        gold = read_bfcl_gold(ground_truth)
    except GroundTruthError as error:
        raise DataError(f"{where}: {error}") from error
    if gold.category in IRRELEVANCE:
        return []
    if gold.category in RELEVANCE:  # BFCL asks for any call there
        if gold.offered:
            return [Call(min(gold.offered), {})]
        raise UnsolvableError(f"{where}: a relevance row must offer a function, got none")
    fault = None
    for with_optional in (True, False):
        calls = accepted_calls(gold, with_optional=with_optional)
        fault = find_fault(gold, calls)
        if fault is None:
            return calls
    raise UnsolvableError(f"{where}: no calls are right, not even those made of the accepted values: {fault}")


def accepted_calls(gold: BfclGold, *, with_optional: bool) -> list[Call]:
    """Makes the calls that a row wants, with or without the arguments that may be left out.

    They are wrong only where no calls with this choice are right.
    """
    return [Call(wanted.name, _arguments(wanted, with_optional)) for wanted in gold.calls]


def _arguments(wanted: GoldCall, with_optional: bool) -> dict[str, object]:
    arguments: dict[str, object] = {}
    for name, parameter in wanted.parameters.items():
        if name in wanted.needed or (with_optional and parameter.kind is not None):
            # "" stands for leaving the argument out, and is a value only where nothing else is accepted.
            values: list[object] = [_plain(value) for value in parameter.accepted if value != ""]
            if parameter.accepted and not values:
                values = [[]] if parameter.python_type is list else [""]
            if values:
                arguments[name] = next((value for value in values if accepts(parameter, value)), values[0])
    return arguments


def _plain(accepted: object) -> object:
    """One value of an accepted one: a dict's fields hold lists of accepted values, "" for one that may be missing."""
    if isinstance(accepted, dict):
        plain: dict[str, object] = {}
        for name, values in cast("Mapping[str, object]", accepted).items():
            several = cast("list[object]", values) if isinstance(values, list) else [values]
            given = [value for value in several if value != "" or several is not values]
            if given or not several:
                plain[name] = given[0] if given else values
        return plain
    if isinstance(accepted, list):
        items = cast("Sequence[object]", accepted)
        return [_plain(cast("object", item)) if isinstance(item, dict) else item for item in items]
    return accepted
