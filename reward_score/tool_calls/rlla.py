"""ToolRL's data source `rlla`: calls against those of a reference answer.

Source: ToolRL (arXiv:2504.13958), as in verl/utils/reward_score/rlla.py. The graded number is the same wherever a
response has one block of calls after its thinking, one object a line. Deviations beside those of
`tool_calls.parser` and `tool_calls.score`: on a row that wants no call, ToolRL gives 0 whatever
is done; here it is 3 for an answer without a call and -3 for anything else, or a call would cost nothing.

Right are the calls for which ToolRL's number is largest: the same functions with the same arguments, each as often, in
any order. Values are compared by Python's ==, as ToolRL does, so that True and 1.0 are 1. A stricter `acc` would
contradict the score: DiPO sorts groups by the one and optimises the other.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from reward_score.response import after_thinking
from reward_score.tool_calls.bfcl.value import show
from reward_score.tool_calls.format import RESPONSE_OPEN, Wanted
from reward_score.tool_calls.json import Call
from reward_score.tool_calls.parser import parse_calls
from reward_score.tool_calls.score import Pair, correctness, overlap
from reward_score.verdict import GroundTruthError, sole_ground_truth


class RllaGold(NamedTuple):
    """What a reference answer holds: its calls, and its parts."""

    calls: tuple[Call, ...]
    wanted: Wanted


def read_rlla_gold(ground_truth: object) -> RllaGold:
    """Reads the ground truth of a row: `<think>...</think>`, then a block of calls, a `<response>`, both or neither.

    Raises GroundTruthError if it is neither such a text nor a list of one.
    """
    ground_truth = sole_ground_truth(ground_truth, "reference answer")
    if not isinstance(ground_truth, str) or not ground_truth.strip():
        raise GroundTruthError(
            f"the ground truth must be a reference answer, a text, got {repr(ground_truth)[:60]}: correct the data"
        )
    return _read_text(ground_truth)


@lru_cache(maxsize=8192)
def _read_text(reference: str) -> RllaGold:
    answer = after_thinking(reference)
    if answer is None:
        raise GroundTruthError("the reference answer must close its <think>, it does not: correct the data")
    reading = parse_calls(answer, ("toolrl",))
    if reading.fault or reading.outside is None:
        raise GroundTruthError(f"the reference answer's calls must be readable, got {reading.fault}: correct the data")
    responds = any(RESPONSE_OPEN in text for text in reading.outside)
    if reading.calls:
        return RllaGold(reading.calls, "calls and response" if responds else "calls")
    if not responds and answer.strip():
        raise GroundTruthError(
            "the reference answer must hold a <tool_call> or a <response>,"
            f" got {answer.strip()[:60]!r}: correct the data"
        )
    return RllaGold((), "response" if responds else "nothing")


def grade(gold: RllaGold, calls: Sequence[Call]) -> tuple[float, str | None]:
    """Gives ToolRL's number in [-3, 3] for calls, and why it is not 3, in a few words that may be the model's."""
    if calls == gold.calls:
        return 3.0, None
    pairs = [
        {index: _pair(wanted, call) for index, call in enumerate(calls) if call.name == wanted.name}
        for wanted in gold.calls
    ]
    sizes = [1 + len(wanted.arguments) for wanted in gold.calls]
    names = [wanted.name for wanted in gold.calls]
    score, assigned = correctness(names, [call.name for call in calls], pairs, sizes)
    return score, _find_fault(gold, calls, assigned)


def _pair(wanted: Call, call: Call) -> Pair:
    right = sum(
        1.0 for key, value in wanted.arguments.items() if key in call.arguments and call.arguments[key] == value
    )
    return Pair(overlap(list(wanted.arguments), list(call.arguments)) + right, 1 + len(wanted.arguments))


def _find_fault(gold: RllaGold, calls: Sequence[Call], assigned: Sequence[int | None]) -> str | None:
    if len(calls) != len(gold.calls):
        return f"wrong number of calls: {len(calls)} for {len(gold.calls)}"
    for wanted, index in zip(gold.calls, assigned, strict=True):
        if index is None:
            return f"missing call of {show(wanted.name)}"
        given = calls[index].arguments
        for name, value in wanted.arguments.items():
            if name not in given:
                return f"missing argument {show(name)}"
            if given[name] != value:
                return f"argument {show(name)}: {show(given[name])} is not {show(value)}"
        for name in given:
            if name not in wanted.arguments:
                return f"unexpected argument {show(name)}"
    return None
