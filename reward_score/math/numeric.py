"""Compares two expressions by value: exactly where they are rational, else to 60 digits, at fixed points.

Two expressions that differ at a point are different, and that settles most wrong answers without a computer algebra
system. Two that agree at every point, exactly or to 45 digits, are the same for all that an answer can hold; what lies
between, or has no value here, is left undecided.
"""

import threading
import zlib
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import Any

from reward_score.math.evaluation import TINY, evaluate, inexact
from reward_score.math.expression import tree_of
from reward_score.math.tree import Node, nodes, symbols

EQUAL_WITHIN = 1e-45
DIFFERENT_FROM = 1e-10
"""Relative differences. A sum may lose digits by cancellation: what lies between the two is not decided."""

_POINTS = 3
_BELOW = 3
"""The number of the point at which every variable is negative that may be."""


class Comparison(Enum):
    """Whether two expressions have the same value."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNDECIDED = "undecided"


def compare(first: Node, second: Node) -> Comparison:
    """Compares two trees; DIFFERENT also where their variables differ."""
    names = symbols(first)
    if names != symbols(second):
        return Comparison.DIFFERENT
    result = _compare(first, second, names, log_base=None)
    if result is Comparison.DIFFERENT and (_has_bare_log(first) or _has_bare_log(second)):
        # \log without a base is the natural one in some books and the decadic one in others.
        result = _compare(first, second, names, log_base=10)
    return result


def same_value(first: str, second: str) -> bool:
    """Tells whether two canonical texts are expressions of one value; False where that cannot be decided."""
    one, other = tree_of(first), tree_of(second)
    return one is not None and other is not None and compare(one, other) is Comparison.EQUAL


def proportional(first: Node, second: Node) -> bool:
    """Tells whether one expression in variables is a constant multiple of another, as the forms of one equation are."""
    names = symbols(first)
    if not names or names != symbols(second):
        return False
    ratios: list[Any] = []
    for number in range(_POINTS):
        point = _point(names, number)
        try:
            a, b = (inexact(evaluate(tree, point)) for tree in (first, second))
        except (ArithmeticError, ValueError):
            return False
        if abs(a) <= TINY or abs(b) <= TINY:
            return False
        ratios.append(a / b)
    return all(_difference(ratio, ratios[0]) <= EQUAL_WITHIN for ratio in ratios)


def _difference(a: Any, b: Any) -> Any:
    return abs(a - b) / max(abs(a), abs(b))


def _compare(first: Node, second: Node, names: frozenset[str], log_base: int | None) -> Comparison:
    if not names:
        return _compare_at(first, second, 0, log_base)
    agreed = 0
    for number in range(_POINTS):
        result = _compare_at(first, second, number, log_base)
        if result is Comparison.DIFFERENT:
            return result
        agreed += result is Comparison.EQUAL
    below = _compare_at(first, second, _BELOW, log_base, _positive(first))
    # sqrt(x^2) and x agree wherever x is positive; whether that is meant is not for here to say.
    return Comparison.EQUAL if agreed >= 2 and below is not Comparison.DIFFERENT else Comparison.UNDECIDED


@lru_cache(maxsize=1024)
def _positive(tree: Node) -> frozenset[str]:
    r"""Gives the names that a root or logarithm takes to be positive: x and y of `\sqrt{xy}`, x of `\ln x^3y^2`."""
    found: set[str] = set()
    for node in nodes(tree):
        match node:
            case Node("root", (inner, Node("number", value=degree))) | Node(
                "^", (inner, Node("/", (_, Node("number", value=degree))))
            ) if degree % 2 == 0:
                pass
            case Node("ln" | "log" | "lg", (inner, *_)):
                pass
            case _:
                continue
        found |= {name for name, power in (_powers(inner) or {}).items() if power % 2}
    return frozenset(found)


def _powers(tree: Node) -> dict[str, Fraction] | None:
    """Gives the powers of the names in a product or quotient of names and numbers; None for what is none."""
    if tree.kind in ("number", "symbol"):
        return {tree.name: Fraction(1)} if tree.name else {}
    if tree.kind == "^" and tree.parts[1].kind == "number" and tree.parts[0].kind == "symbol":
        return {tree.parts[0].name: tree.parts[1].value}
    if tree.kind not in ("*", "/"):
        return None
    powers: dict[str, Fraction] = {}
    for part in map(_powers, tree.parts):
        if part is None:
            return None
        powers |= {name: powers.get(name, Fraction(0)) + power for name, power in part.items()}
    return powers


def _point(names: frozenset[str], number: int, positive: frozenset[str] = frozenset()) -> dict[str, Fraction]:
    # From the name, so that both expressions are taken at the same point in every process.
    sizes = {name: 211 + zlib.crc32(f"{name}/{number}".encode()) % 1009 for name in names}
    return {
        name: Fraction(-size if number == _BELOW and name not in positive else size, 509 + 4 * number)
        for name, size in sizes.items()
    }


@lru_cache(maxsize=1024)
def _value_at(tree: Node, number: int, log_base: int | None, positive: frozenset[str], thread: int) -> Any:
    """Gives the value at one of the points, None if there is none, once for all that it is compared with.

    A number of mpmath's belongs to the context of its thread: none is handed to another.
    """
    try:
        return evaluate(tree, _point(symbols(tree), number, positive), log_base)
    except (ArithmeticError, ValueError):
        return None


def _compare_at(
    first: Node, second: Node, number: int, log_base: int | None, positive: frozenset[str] = frozenset()
) -> Comparison:
    a, b = (_value_at(tree, number, log_base, positive, threading.get_ident()) for tree in (first, second))
    if a is None or b is None:
        return Comparison.UNDECIDED
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        if symbols(first) and not a and not b:
            # f(0) is read as f times 0: what vanishes wherever it is taken says nothing.
            return Comparison.UNDECIDED
        return Comparison.EQUAL if a == b else Comparison.DIFFERENT
    a, b = inexact(a), inexact(b)
    size = max(abs(a), abs(b))
    if size < TINY:
        return Comparison.UNDECIDED
    difference = _difference(a, b)
    if difference <= EQUAL_WITHIN:
        return Comparison.EQUAL
    return Comparison.DIFFERENT if difference >= DIFFERENT_FROM else Comparison.UNDECIDED


def _has_bare_log(tree: Node) -> bool:
    return (tree.kind == "log" and len(tree.parts) == 1) or any(_has_bare_log(part) for part in tree.parts)
