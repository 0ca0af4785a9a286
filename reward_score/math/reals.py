r"""Compares sets of real numbers however they are written: intervals and unions, conditions, points, what is left out.

`(-\infty,-1]\cup\{6\}`, `x \le -1 \text{ or } x=6` and `\{x \mid -x \ge 1\}\cup\{6\}` are one set. Ends have to be
numbers: intervals with parameters are compared as they are written.
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from reward_score.math.answer import Answer
from reward_score.math.evaluation import constant, evaluate, inexact
from reward_score.math.expression import tree_of
from reward_score.math.names import free_names, names_one_thing
from reward_score.math.numeric import EQUAL_WITHIN
from reward_score.math.tree import Node, symbols

_INFINITY = inexact(Fraction(1)) * float("inf")
_SUBSCRIPT = re.compile(r"_\{[^{}]*\}")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_SETS = ("sequence", "set", "union", "difference", "list")
_EVERYTHING = ("R", "all real numbers", "all reals", "all real values")
_NAMED = (_EVERYTHING, ("Z", "all integers"), ("N", "all natural numbers"), ("Q", "all rational numbers"))


@dataclass(frozen=True)
class _Piece:
    """An interval, or a point where both ends are one."""

    low: Any
    has_low: bool
    high: Any
    has_high: bool


_LINE = _Piece(-_INFINITY, False, _INFINITY, False)

Pieces = list[_Piece]


def same_reals(gold: Answer, answer: Answer) -> bool:
    """Tells whether two answers, not both scalars, can be read as sets of real numbers and are the same one."""
    kinds = {gold.kind, answer.kind}
    if kinds <= {"scalar", "word"}:
        return any(gold.text in names and answer.text in names for names in _NAMED)
    if kinds & {"matrix", "ratio", "approximation", "labelled"}:
        return False
    one, other = _read(gold), _read(answer)
    if one is None or other is None:
        return False
    one, other = _joined(one), _joined(other)
    return len(one) == len(other) and all(
        a.has_low is b.has_low and a.has_high is b.has_high and _equal(a.low, b.low) and _equal(a.high, b.high)
        for a, b in zip(one, other, strict=True)
    )


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b or (abs(a - b) <= EQUAL_WITHIN * min(abs(a), abs(b)) < _INFINITY))


def _read(answer: Answer) -> Pieces | None:
    """Reads a set, where it is one; a list of two tuples, say, is none."""
    if answer.kind in ("scalar", "word"):
        return [_LINE] if answer.text in _EVERYTHING else None
    if answer.kind == "sequence":
        return _interval(answer)
    if answer.kind == "set":
        return _together([_point(item) for item in answer.items])
    if answer.kind == "union":
        return _together([_read(item) for item in answer.items])
    if answer.kind == "difference":
        whole, *left_out = [_read(item) for item in answer.items]
        rest = _together(left_out)
        return None if whole is None or rest is None else _meet(whole, _complement(rest))
    if answer.kind == "list":
        return _conditions(answer)
    if answer.kind == "relation" and answer.name == "=" and answer.items[-1].kind in _SETS:
        return _read(answer.items[-1]) if names_one_thing(answer.items[0]) else None
    return _condition(answer) if answer.kind == "relation" else None


def _interval(answer: Answer) -> Pieces | None:
    if len(answer.items) != 2 or answer.name not in ("()", "(]", "[)", "[]"):
        return None
    low, high = (_end(item) for item in answer.items)
    if low is None or high is None or not low < high:
        return None
    return [_Piece(low, answer.name[0] == "[", high, answer.name[1] == "]")]


def _end(item: Answer) -> Any:
    if item.text in ("\\infty", "+\\infty"):
        return _INFINITY
    if item.text == "-\\infty":
        return -_INFINITY
    if item.kind != "scalar" or item.percent or item.degrees:
        return None
    if item.value is not None:
        return inexact(item.value)
    tree = tree_of(item.text)
    value = constant(tree) if tree else None
    return None if value is None else inexact(value)


def _point(item: Answer) -> Pieces | None:
    value = _end(item)
    return None if value is None or abs(value) == _INFINITY else [_Piece(value, True, value, True)]


def _conditions(answer: Answer) -> Pieces | None:
    """Reads conditions on one unknown: any of them where "or" is between, else all of them where that can be."""
    if any(item.kind == "sequence" and item.text.startswith(("(", "[")) for item in answer.items):
        # Perhaps points: of intervals at least one has an end that no point has.
        if not all(item.kind == "sequence" for item in answer.items) or not any(
            item.name in ("(]", "[)") or "\\infty" in item.text for item in answer.items
        ):
            return None
        return _together([_read(item) for item in answer.items])
    # That x is real says nothing beside a condition.
    items = [item for item in answer.items if item.text != "R"] or answer.items
    if len({(free_names(item.text), *_SUBSCRIPT.findall(item.text)) for item in items}) > 1:
        return None
    read = [_read(item) for item in items]
    every = _together(read)
    if every is None or answer.name == "or":
        return every
    met = [_LINE]
    for pieces in read:
        met = _meet(met, pieces or [])
    return met or every


def _condition(relation: Answer) -> Pieces | None:
    operators = relation.name.split()
    sides = [tree for item in relation.items if (tree := tree_of(item.text))]
    names = frozenset[str]().union(*map(symbols, sides))
    if len(names) != 1 or not len(sides) == len(relation.items) == len(operators) + 1:
        return None
    (name,) = names
    met = [_LINE]
    for operator, (left, right) in zip(operators, pairwise(sides), strict=True):
        pieces = _absolute(left, operator, right, name) or _linear(left, operator, right, name)
        if pieces is None:
            return None
        met = _meet(met, pieces)
    return met


def _linear(left: Node, operator: str, right: Node, name: str) -> Pieces | None:
    """Solves a x + b < 0, and so on."""
    difference = Node("+", (left, Node("negate", (right,))))
    try:
        values: list[Any] = [inexact(evaluate(difference, {name: Fraction(place)})) for place in (0, 1, 2, 5)]
    except (ArithmeticError, ValueError, KeyError):
        return None
    slope = values[1] - values[0]
    size: Any = max(abs(value) for value in values) * EQUAL_WITHIN
    is_linear = all(abs(value - values[0] - place * slope) <= size for place, value in ((2, values[2]), (5, values[3])))
    if not is_linear or abs(slope) <= size or any(value.imag for value in values):
        return None
    root = -values[0] / slope
    below, above = _Piece(-_INFINITY, False, root, False), _Piece(root, False, _INFINITY, False)
    beside = {
        "=": [_Piece(root, True, root, True)],
        "!=": [below, above],
        "<": [below],
        "<=": [replace(below, has_high=True)],
        ">": [above],
        ">=": [replace(above, has_low=True)],
    }
    return beside.get(operator if slope > 0 else _FLIPPED.get(operator, operator))


def _absolute(left: Node, operator: str, right: Node, name: str) -> Pieces | None:
    """Solves |a x + b| < c as two conditions."""
    if right.kind == "abs":
        left, operator, right = right, _FLIPPED.get(operator, operator), left
    if left.kind != "abs" or symbols(right) or operator not in _FLIPPED:
        return None
    inner = left.parts[0]
    above = _linear(inner, operator, right, name)
    below = _linear(Node("negate", (inner,)), operator, right, name)
    if above is None or below is None:
        return None
    return _meet(above, below) if operator in ("<", "<=") else above + below


def _together(parts: list[Pieces | None]) -> Pieces | None:
    if not parts or any(part is None for part in parts):
        return None
    return [piece for part in parts for piece in part or []]


def _joined(pieces: Pieces) -> Pieces:
    """Puts pieces in order, and those into one that overlap or touch."""
    joined: Pieces = []
    for piece in sorted(pieces, key=lambda piece: (piece.low, not piece.has_low)):
        last = joined[-1] if joined else None
        touch = last is not None and (
            piece.low < last.high or (_equal(piece.low, last.high) and (piece.has_low or last.has_high))
        )
        if last is None or not touch:
            joined.append(piece)
        elif _equal(piece.high, last.high):
            joined[-1] = _Piece(last.low, last.has_low, last.high, last.has_high or piece.has_high)
        elif piece.high > last.high:
            joined[-1] = _Piece(last.low, last.has_low, piece.high, piece.has_high)
    return joined


def _complement(pieces: Pieces) -> Pieces:
    left: Pieces = []
    low, has_low = -_INFINITY, False
    for piece in _joined(pieces):
        if low < piece.low or (_equal(low, piece.low) and has_low and not piece.has_low):
            left.append(_Piece(low, has_low, piece.low, not piece.has_low and piece.low != -_INFINITY))
        low, has_low = piece.high, not piece.has_high
    if low < _INFINITY:
        left.append(_Piece(low, has_low, _INFINITY, False))
    return left


def _meet(one: Pieces, other: Pieces) -> Pieces:
    return _complement(_complement(one) + _complement(other))


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
        # In x > a, which is also a < x, the last letters are the unknown ones.
        variables = [side for side in relation.items if _is_variable(side)]
        unknown = next((side for side in variables if side.text in "xyzt"), next(iter(variables), None))
        if unknown is sides[0]:
            ends, operators = (Answer("scalar", "-\\infty"), sides[1]), ["<", *operators]
        else:
            ends, operators = (sides[0], Answer("scalar", "\\infty")) if unknown else None, [*operators, "<"]
    if ends is None:
        return None
    brackets = ("[" if operators[0] == "<=" else "(") + ("]" if operators[1] == "<=" else ")")
    return Answer("sequence", relation.text, ends, brackets)


def _is_variable(side: Answer) -> bool:
    return re.fullmatch(r"(?:[A-Za-z]|\\[a-z]+)(?:_\{\w+\}|\([a-z]\))?", side.text) is not None and side.text not in (
        "\\infty",
        "\\pi",
        "e",
    )
