"""Gives the value of an expression at a point: exactly where it is rational, else to 60 digits."""

import math
import operator
import threading
from fractions import Fraction
from functools import partial
from typing import Any

import mpmath  # pyright: ignore[reportMissingTypeStubs]

from reward_score.math.tree import Node

DIGITS = 60
TINY = 1e-40
MAX_BITS = 40_000
MAX_ROOT_BITS = 4_000
"""Of larger numbers a root is taken to 60 digits, whether it is exact or not."""

MAX_MAGNITUDE = 1e5
"""Bound of the natural logarithm of a value that is no exact fraction."""

MAX_FACTORIAL = 1_000


class UndefinedError(ArithmeticError):
    """An expression has no value at a point, or none within the bounds of this module."""


class _Context(threading.local):
    def __init__(self) -> None:
        # A context of each thread's own: mpmath changes its precision in the middle of a computation.
        self.mp: Any = mpmath.MPContext()
        self.mp.dps = DIGITS


_context = _Context()


def evaluate(tree: Node, point: dict[str, Fraction], log_base: int | None = None) -> Any:
    """Gives the value of an expression at a point: a Fraction as long as it can be one, else an mpmath number.

    A logarithm without a base is taken to `log_base`, where None is e.

    Raises:
        ArithmeticError: If it has no value there, or none within the bounds of this module.
        ValueError: If a function has none.
    """
    if tree.kind == "number":
        return tree.value
    if tree.kind == "symbol":
        return point[tree.name]
    if tree.kind == "constant":
        mp = _context.mp
        return {"pi": +mp.pi, "e": +mp.e, "i": mp.mpc(0, 1)}[tree.name]
    parts = [evaluate(part, point, log_base) for part in tree.parts]
    operation = _OPERATIONS.get(tree.kind)
    if operation is not None:
        return _bounded(operation(*parts))
    if tree.kind in ("log", "lg", "ln"):
        bare = {"lg": 10, "log": log_base, "ln": None}[tree.kind]
        return _logarithm(parts[0], parts[1] if len(parts) > 1 else bare)
    return _bounded(_function(tree.kind, parts))


def constant(tree: Node) -> Any:
    """Gives the value of an expression without variables, or None if it has none that is real."""
    try:
        value = evaluate(tree, {})
    except (ArithmeticError, ValueError, KeyError):
        return None
    return value if isinstance(value, Fraction) else None if _context.mp.im(value) else _context.mp.re(value)


def inexact(value: Any) -> Any:
    """Gives a value as an mpmath number."""
    mp = _context.mp
    return mp.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def _bounded(value: Any) -> Any:
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise UndefinedError("too large")
        return value
    mp = _context.mp
    size = abs(value)
    if not mp.isfinite(size) or (size and abs(mp.mag(size)) > MAX_MAGNITUDE):
        raise UndefinedError("too large")
    return value


def _add(*terms: Any) -> Any:
    if all(isinstance(term, Fraction) for term in terms):
        total = Fraction(0)
        for term in terms:
            total = _bounded(total + term)
        return total
    total = _context.mp.mpf(0)
    for term in terms:
        total += inexact(term)
    return total


def _multiply(*factors: Any) -> Any:
    result = factors[0]
    for factor in factors[1:]:
        both = isinstance(result, Fraction) and isinstance(factor, Fraction)
        result = _bounded(result * factor if both else inexact(result) * inexact(factor))
    return result


def _divide(top: Any, bottom: Any) -> Any:
    if not bottom:
        raise UndefinedError("division by zero")
    return _multiply(top, 1 / bottom)


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        return _integer_power(base, exponent.numerator)
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        root = _exact_root(base, exponent.denominator)
        if root is not None:
            return _integer_power(root, exponent.numerator)
    mp = _context.mp
    base, exponent = inexact(base), inexact(exponent)
    if not base:
        raise UndefinedError("a power of zero")
    if abs(exponent) * (abs(mp.log(abs(base))) + 4) > MAX_MAGNITUDE:
        raise UndefinedError("too large")
    return mp.power(base, exponent)


def _integer_power(base: Any, exponent: int) -> Any:
    if isinstance(base, Fraction):
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(base) != 1 and bits * abs(exponent) > MAX_BITS:
            raise UndefinedError("too large")
        if not base and exponent < 0:
            raise UndefinedError("division by zero")
        return Fraction(1 if base == 1 or exponent % 2 == 0 else -1) if abs(base) == 1 else base**exponent
    if abs(exponent) > MAX_BITS or (not base and exponent < 0):
        raise UndefinedError("too large")
    return _bounded(base) ** exponent


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    if value < 0 or not 2 <= degree <= 64 or max(value.numerator, value.denominator).bit_length() > MAX_ROOT_BITS:
        return None
    top, bottom = _integer_root(value.numerator, degree), _integer_root(value.denominator, degree)
    return None if top is None or bottom is None else Fraction(top, bottom)


def _integer_root(value: int, degree: int) -> int | None:
    # Newton's method from above; the bound on the size of a value bounds the time.
    if value < 2:
        return value
    root = 1 << -(-value.bit_length() // degree)
    while True:
        following = ((degree - 1) * root + value // root ** (degree - 1)) // degree
        if following >= root:
            return root if root**degree == value else None
        root = following


def _root(value: Any, degree: Any) -> Any:
    if not isinstance(degree, Fraction) or degree.denominator != 1 or not 2 <= degree <= 64:
        raise UndefinedError("a root of such a degree")
    odd = degree.numerator % 2 == 1
    if isinstance(value, Fraction):
        exact = _exact_root(abs(value), degree.numerator)
        if exact is not None and (value >= 0 or odd):
            return -exact if value < 0 else exact
    mp = _context.mp
    value = inexact(value)
    if odd and not mp.im(value) and mp.re(value) < 0:
        # The real root, as books take it.
        return -mp.root(-value, int(degree))
    return mp.root(value, int(degree)) if value else mp.mpf(0)


def _is_natural(value: Any) -> bool:
    return isinstance(value, Fraction) and value.denominator == 1 and value >= 0


def _factorial(value: Any) -> Any:
    if abs(value) > MAX_FACTORIAL:
        raise UndefinedError("too large")
    if not _is_natural(value):
        # An identity of factorials of n and k is one of the gamma function, which has values at any point.
        return _context.mp.gamma(inexact(value) + 1)
    return Fraction(math.factorial(value.numerator))


def _double_factorial(value: Any) -> Any:
    if abs(value) > MAX_FACTORIAL:
        raise UndefinedError("too large")
    if not _is_natural(value):
        return _context.mp.fac2(inexact(value))
    return Fraction(math.prod(range(value.numerator, 0, -2)))


def _binomial(top: Any, bottom: Any) -> Any:
    if not (_is_natural(top) and _is_natural(bottom)):
        return _divide(_factorial(top), _multiply(_factorial(bottom), _factorial(_add(top, -bottom))))
    if top > MAX_FACTORIAL:
        raise UndefinedError("too large")
    return Fraction(math.comb(top.numerator, bottom.numerator))


def _whole(value: Any, *, up: bool) -> Any:
    if not isinstance(value, Fraction):
        mp = _context.mp
        if mp.im(value):
            raise UndefinedError("the floor of a complex number")
        nearest = mp.nint(mp.re(value))
        if abs(value - nearest) < TINY:
            raise UndefinedError("too near to an integer")
        value = Fraction(int(mp.floor(mp.re(value)))) + Fraction(1, 2)
    return Fraction(-((-value.numerator) // value.denominator) if up else value.numerator // value.denominator)


def _degree(value: Any) -> Any:
    return inexact(value) * _context.mp.pi / 180


def _logarithm(value: Any, base: Any) -> Any:
    mp = _context.mp
    if not value:
        raise UndefinedError("the logarithm of zero")
    if base is None:
        return mp.log(inexact(value))
    bottom = mp.log(inexact(base)) if base else mp.mpf(0)
    if not bottom:
        raise UndefinedError("a logarithm to such a base")
    return mp.log(inexact(value)) / bottom


def _function(name: str, parts: list[Any]) -> Any:
    mp = _context.mp
    argument = inexact(parts[0])
    if abs(argument) > 1e6:
        raise UndefinedError("too large")
    known = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot"}
    return getattr(mp, known.get(name, name))(argument)


_OPERATIONS: dict[str, Any] = {
    "+": _add,
    "*": _multiply,
    "/": _divide,
    "^": _power,
    "negate": operator.neg,
    "abs": abs,
    "root": _root,
    "factorial": _factorial,
    "double factorial": _double_factorial,
    "binomial": _binomial,
    "floor": partial(_whole, up=False),
    "ceiling": partial(_whole, up=True),
    "degree": _degree,
}
