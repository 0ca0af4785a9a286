"""BFCL's rows that are evaluated and never trained on: Java, JavaScript and multi-turn, judged by bfcl-eval itself.

A multi-turn row is answered by a session, and its response is the session's text: JSON with the steps of each turn,
what the model wrote and what its calls returned, and why the session ended early, "" if it did not. BFCL's verdict is
its checker's; ours also refuses a call, or the attempt at one, in a turn that wants none, as BFCL's own
`multi_turn_irrelevance_checker` would, which its leaderboard does not use.

What a model wrote reaches bfcl-eval's `eval` only as a call of a function that the row documents, with names for its
arguments and JSON's values for them; in the place of any other call stands one of a function that does not exist.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from reward_score.tool_calls.bfcl import library
from reward_score.tool_calls.bfcl.gold import parse_gold
from reward_score.tool_calls.format import read_thinking
from reward_score.tool_calls.json import MAX_CALLS, Call, print_calls
from reward_score.tool_calls.parser import HANDLER_STYLE, read_last_block
from reward_score.tool_calls.verify import (
    CALL_NOT_WANTED,
    OURS,
    calls_for_bfcl,
    check_rules,
    find_unfit,
    judgement,
    read_response,
    verdict_of,
)
from reward_score.verdict import ExtraInfo, GroundTruthError, Verdict

NO_SESSION: Final = "no session"
REFUSED: Final = "refused_call()"
"""Raises NameError where it is run, as BFCL has it for a function that is not there."""

MAX_RESULT_CHARS: Final = 100_000
"""What a call of the gold answers returns has at most 31,706."""

_ENTRY_FIELDS: Final = {
    **{"id": str, "category": str, "functions": list, "missed_functions": dict, "question": list},
    **{"initial_config": dict, "involved_classes": list, "possible_answer": list},
}


class Step(NamedTuple):
    """What a response of a session says: its calls, and whether it tries to call and cannot be read."""

    calls: Sequence[Call]
    unreadable: bool


def verify_other_language(
    solution_str: str,
    ground_truth: object,
    extra_info: ExtraInfo = None,
    /,
    *,
    scale: str = "toolrl",
    formats: Iterable[str] = ("hermes", "toolrl"),
    rules: str = OURS,
) -> Verdict:
    """Judges a response to a row with functions in Java or JavaScript, whose arguments are texts in that language.

    The options are those of `verify_bfcl`; the calls are judged by bfcl-eval under both rules, which differ in what is
    read.
    """
    library.require()
    fields = _read(ground_truth)
    functions, accepted = fields.get("functions"), fields.get("possible_answer")
    if fields.get("category") not in library.LANGUAGES or not functions or not accepted:
        raise GroundTruthError("the ground truth must be of Java or JavaScript, with functions and what is accepted")
    _, reading = read_response(solution_str, read_thinking(extra_info, "none"), formats)
    calls: Sequence[Call] = () if reading is None else reading.calls
    if check_rules(rules) != OURS:
        calls = calls_for_bfcl(solution_str, extra_info, reading)
    fault = find_unfit(reading) if not calls else None
    if fault is None:
        made = [{call.name: call.arguments} for call in calls]
        fault = library.find_fault_in(fields["category"], functions, made, accepted)
    readable = reading is not None and not reading.fault
    return verdict_of(judgement(fault), float(readable), print_calls(calls), scale)


def verify_session(
    solution_str: str,
    ground_truth: object,
    extra_info: ExtraInfo = None,
    /,
    *,
    scale: str = "toolrl",
    formats: Iterable[str] = ("hermes", "toolrl"),
    rules: str = OURS,
) -> Verdict:
    """Judges the text of a whole session on a multi-turn row; the options are those of `verify_bfcl`."""
    library.require()
    entry = read_entry(ground_truth)
    turns, ended = _read_session(solution_str)
    steps = [[read_step(response, extra_info, formats) for response in turn] for turn in turns]
    called = [call for turn in steps for step in turn for call in step.calls]
    fault = ended or _find_fault(entry, steps)
    if not fault and check_rules(rules) == OURS:
        for number, (turn, wanted) in enumerate(zip(steps, entry["possible_answer"], strict=True)):
            if not wanted and any(step.calls or step.unreadable for step in turn):
                fault = f"{CALL_NOT_WANTED} in turn {number}"
    readable = not any(step.unreadable for turn in steps for step in turn)
    return verdict_of(judgement(fault or None), float(readable), print_calls(called), scale)


def _find_fault(entry: Mapping[str, Any], steps: Sequence[Sequence[Step]]) -> str | None:
    wanted = len(entry["possible_answer"])
    if len(steps) != wanted:
        return f"{len(steps)} turns for {wanted}"
    turns = [[call_texts(entry, step.calls) for step in turn if step.calls] for turn in steps]
    return library.find_fault_of_session(entry, turns)


def read_step(response: str, extra_info: ExtraInfo, formats: Iterable[str]) -> Step:
    """Reads what a response of a session calls, in the way of the row's prompt style."""
    if extra_info is not None and extra_info.get("prompt_style") == HANDLER_STYLE:
        calls = read_last_block(response, in_session=True)
        return Step((), True) if calls is None or len(calls) > MAX_CALLS else Step(calls, False)
    _, reading = read_response(response, read_thinking(extra_info, "none"), formats)
    return Step((), True) if reading is None or reading.fault else Step(reading.calls, False)


def call_texts(entry: Mapping[str, Any], calls: Iterable[Call]) -> list[str]:
    """Writes calls as bfcl-eval runs them, REFUSED for those that the row does not document."""
    missed = [function for functions in entry["missed_functions"].values() for function in functions]
    offered = {function["name"] for function in [*entry["functions"], *missed]}
    return [
        call_text(call) if call.name in offered and all(map(str.isidentifier, call.arguments)) else REFUSED
        for call in calls
    ]


def call_text(call: Call) -> str:
    """Writes a call in Python, as bfcl-eval's handlers do; not to be run unless the row documents it."""
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"


def run(request: tuple[str, list[list[str]]]) -> list[str]:
    """Gives the results of a session's last step: the executor's job, in a process that can be killed.

    The steps before it are run again on fresh instances, so that a process holds no session's state.
    """
    ground_truth, steps = request
    return [result[:MAX_RESULT_CHARS] for result in library.execute(read_entry(ground_truth), steps)[-1]]


def read_entry(ground_truth: object) -> Mapping[str, Any]:
    """Reads the ground truth of a multi-turn row; GroundTruthError if it is not whole."""
    fields = _read(ground_truth)
    for name, kind in _ENTRY_FIELDS.items():
        if not isinstance(fields.get(name), kind):
            raise GroundTruthError(
                f"the ground truth must have {name}, a {kind.__name__}, got {fields.get(name)!r:.60}"
            )
    if fields["category"] not in library.MULTI_TURN:
        raise GroundTruthError(f"the category must be one of {', '.join(library.MULTI_TURN)}, got {fields['category']}")
    return fields


def _read(ground_truth: object) -> Mapping[str, Any]:
    if not isinstance(ground_truth, str):
        raise GroundTruthError(f"the ground truth must be a JSON text, got {type(ground_truth).__name__}")
    return _parse(ground_truth)


_parse = lru_cache(maxsize=256)(parse_gold)


def _read_session(text: str) -> tuple[list[list[str]], str]:
    try:
        session = json.loads(text)
        turns = [[str(step["response"]) for step in turn] for turn in session["turns"]]
        return turns, str(session["ended"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return [], NO_SESSION
