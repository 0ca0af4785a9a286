"""Reads a condition on one unknown as the interval that it is."""

import re

from reward_score.math.answer import Answer


def read_interval(relation: Answer) -> Answer | None:
    """Reads a <= x < b as [a,b) and x > a as (a,infinity), because problems ask for either."""
    operators, sides = relation.name.split(), list(relation.items)
    if not set(operators) <= {"<", "<=", ">", ">="} or len(sides) > 3:
        return None
    if operators[0].startswith(">"):
        operators = [operator.replace(">", "<") for operator in reversed(operators)]
        sides = sides[::-1]
    if not all(operator.startswith("<") for operator in operators):
        return None
    if len(sides) == 3:
        # a < b < c is an order of three names, and a < x < c an interval.
        is_order = all(map(_is_variable, sides)) and sides[1].text not in "xyzt"
        ends = (sides[0], sides[2]) if _is_variable(sides[1]) and not is_order else None
    else:
        unknown = _unknown(relation.items[0], relation.items[1])
        if unknown is sides[0]:
            ends, operators = (Answer("scalar", "-\\infty"), sides[1]), ["<", *operators]
        else:
            ends, operators = (sides[0], Answer("scalar", "\\infty")) if unknown else None, [*operators, "<"]
    if ends is None:
        return None
    brackets = ("[" if operators[0] == "<=" else "(") + ("]" if operators[1] == "<=" else ")")
    return Answer("sequence", relation.text, ends, brackets)


def _unknown(left: Answer, right: Answer) -> Answer | None:
    """The side that a condition is about: in x > a, which is also a < x, the last letters are the unknown ones."""
    variables = [side for side in (left, right) if _is_variable(side)]
    return next((side for side in variables if side.text in "xyzt"), variables[0] if variables else None)


def _is_variable(side: Answer) -> bool:
    return re.fullmatch(r"(?:[A-Za-z]|\\[a-z]+)(?:_\{\w+\}|\([a-z]\))?", side.text) is not None and side.text not in (
        "\\infty",
        "\\pi",
        "e",
    )
