"""Calls that a BFCL row accepts, made from its answer: the reference response, and the proof that there is one."""

from collections.abc import Mapping, Sequence
from typing import cast

from reward_score.tool_calls.bfcl.gold import BfclGold, GoldCall
from reward_score.tool_calls.bfcl.value import Parameter, accepts
from reward_score.tool_calls.json import Call


def relevant_call(gold: BfclGold) -> list[Call]:
    """Gives a call of the first function offered, which is what BFCL asks of a relevance row."""
    return [Call(name, {}) for name in sorted(gold.offered)[:1]]


def accepted_calls(gold: BfclGold, *, with_optional: bool) -> list[Call]:
    """Makes the calls that are wanted.

    Args:
        gold: What a row wants.
        with_optional: Whether arguments that may be left out are given.

    Returns:
        The calls; they are wrong only where no calls with this choice are right.
    """
    return [Call(wanted.name, _arguments(wanted, with_optional)) for wanted in gold.calls]


def _arguments(wanted: GoldCall, with_optional: bool) -> dict[str, object]:
    arguments: dict[str, object] = {}
    for name, parameter in wanted.parameters.items():
        if name in wanted.needed or (with_optional and parameter.kind is not None):
            values = _candidates(parameter)
            if values:
                arguments[name] = next((value for value in values if accepts(parameter, value)), values[0])
    return arguments


def _candidates(parameter: Parameter) -> list[object]:
    # "" stands for leaving the argument out, and is a value only where nothing else is accepted.
    values = [_plain(value) for value in parameter.accepted if value != ""]
    if values or not parameter.accepted:
        return values
    return [[]] if parameter.python_type is list else [""]


def _plain(accepted: object) -> object:
    """One value of an accepted one: a dict's fields hold lists of accepted values, "" for one that may miss."""
    if isinstance(accepted, dict):
        fields = cast("Mapping[str, object]", accepted)
        return {name: _first(values) for name, values in fields.items() if not _only_left_out(values)}
    if isinstance(accepted, list):
        items = cast("Sequence[object]", accepted)
        return [_plain(cast("object", item)) if isinstance(item, dict) else item for item in items]
    return accepted


def _only_left_out(values: object) -> bool:
    return isinstance(values, list) and values != [] and all(value == "" for value in cast("list[object]", values))


def _first(values: object) -> object:
    if not isinstance(values, list):
        return values
    several = cast("list[object]", values)
    return next((value for value in several if value != ""), several)
