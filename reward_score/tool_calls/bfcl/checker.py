"""BFCL's verdict on the calls of a response, and a graded score of them.

The verdict follows BFCL's AST checker (see `tool_calls.bfcl.value` for its source), its weak points included: calls
are matched to the wanted ones by first fit, and a wrong order of right calls can fail (parallel_96, parallel_178).
"""

from collections.abc import Sequence

from reward_score.tool_calls.bfcl.gold import BfclGold, GoldCall
from reward_score.tool_calls.bfcl.value import UNJUDGED, accepts, show, value_fault
from reward_score.tool_calls.json import Call
from reward_score.tool_calls.score import Pair, correctness, overlap


def find_fault(gold: BfclGold, calls: Sequence[Call]) -> str | None:
    """Says why calls are wrong, in a few words that may be the model's own; None if BFCL's checker passes them."""
    if len(calls) != len(gold.calls):
        return f"wrong number of calls: {len(calls)} for {len(gold.calls)}"
    unused = list(calls)
    try:
        for wanted in gold.calls:
            faults: list[tuple[Call, str]] = []
            for index, call in enumerate(unused):
                fault = _call_fault(wanted, call)
                if fault is None:
                    del unused[index]
                    break
                faults.append((call, fault))
            else:
                return _explain(gold, wanted, faults)
    except UNJUDGED as error:
        return f"a value that cannot be compared: {type(error).__name__}"
    return None


def grade(gold: BfclGold, calls: Sequence[Call]) -> float:
    """Scores calls that are not all right in [-3, 3], by ToolRL's formula with BFCL's rules.

    The value rule is BFCL's, and an optional argument that is left out costs nothing: for a wanted call g and a call p
    of the same name, K(g, p) are the arguments that g needs and those of p that g accepts at all; the weight of the
    pair is the overlap of K with p's arguments and the number of right values in K, its size 1 + |K|.
    """
    pairs = [
        {index: _pair(wanted, call) for index, call in enumerate(calls) if call.name == wanted.name}
        for wanted in gold.calls
    ]
    sizes = [1 + len(wanted.needed) for wanted in gold.calls]
    return correctness([wanted.name for wanted in gold.calls], [call.name for call in calls], pairs, sizes)[0]


def _call_fault(wanted: GoldCall, call: Call) -> str | None:
    if call.name != wanted.name:
        return f"function {show(call.name)} for {show(wanted.name)}"
    for name in wanted.required:
        if name not in call.arguments:
            return f"missing argument {show(name)}"
    for name, value in call.arguments.items():
        parameter = wanted.parameters.get(name)
        if parameter is None or parameter.kind is None:
            return f"unexpected argument {show(name)}"
        fault = value_fault(parameter, value)
        if fault is not None:
            return f"argument {show(name)}: {fault}"
    for name, parameter in wanted.parameters.items():
        if not parameter.optional and name not in call.arguments:
            return f"missing argument {show(name)}"
    return None


def _explain(gold: BfclGold, wanted: GoldCall, faults: list[tuple[Call, str]]) -> str:
    for call, fault in faults:
        if call.name == wanted.name:
            return fault
    for call, _ in faults:
        if call.name not in gold.offered:
            return f"unknown function {show(call.name)}"
    return faults[0][1]


def _pair(wanted: GoldCall, call: Call) -> Pair:
    keys = wanted.needed | (wanted.parameters.keys() & call.arguments.keys())
    right = sum(1.0 for key in keys if key in call.arguments and accepts(wanted.parameters[key], call.arguments[key]))
    return Pair(overlap(sorted(keys), sorted(call.arguments)) + right, 1 + len(keys))
