r"""Tells what an answer leaves to be computed: `17\cdot 23` has the value of 391 and answers nothing.

A ground truth says by its own form how far an answer has to go: nothing may be left in the answer that is not left in
the ground truth too. What is in lowest form stays as it is: fractions, roots, powers and multiples of constants.
"""

from collections import Counter
from fractions import Fraction
from functools import lru_cache
from itertools import chain

from reward_score.math.spelling import word_set
from reward_score.math.tree import Node, nodes, symbols

EXPAND = "expand"
"""The kind of work that multiplying out sums is."""

POWER_FORM, POWER_BELOW = "fractional power", "power below a root"
r"""What `x^{3/2}` is, and `\sqrt{x^3}`: the first is no work, and with it in the ground truth neither is the second."""

DIVIDE = "divide"
"""The kind of work that dividing by what has a variable is."""

_KINDS = (
    dict.fromkeys(word_set("ln log lg"), "logarithm")
    | dict.fromkeys(word_set("sin cos tan cot sec csc"), "trigonometric function")
    | dict.fromkeys(word_set("arcsin arccos arctan arccot"), "inverse trigonometric function")
    | dict.fromkeys(("factorial", "double factorial", "binomial"), "factorial")
    | {"abs": "absolute value", "floor": "rounding", "ceiling": "rounding"}
)
FUNCTIONS = frozenset(_KINDS.values())
"""The kinds of work that taking the value of a function is."""

_MAX_ROOT_FACTOR = 1_000
_ZERO = Node("number", value=Fraction(0))
_ONE = Node("number", value=Fraction(1))


def is_written_out(tree: Node, value: Fraction) -> bool:
    r"""Tells whether a tree of this rational value is a number: `5`, `-\frac{2}{4}`, `2^{10}`, `\frac{3^4}{2^{10}}`.

    Sums, products, roots and functions are not, nor a fraction that is a whole number or has decimals in it.
    """
    if tree.kind == "negate":
        return is_written_out(tree.parts[0], value)
    if tree.kind == "/":
        over = tree.parts[1]
        if value.denominator == 1 and not (_is_literal(over) and abs(_literal(over)) == 1):
            return False
        return all(_is_power(part) or (_is_literal(part) and _literal(part).denominator == 1) for part in tree.parts)
    return tree.kind == "number" or _is_power(tree)


@lru_cache(maxsize=1024)
def work_left(tree: Node) -> frozenset[str]:
    """Names the kinds of work that an expression leaves; none for what is in lowest form."""
    return frozenset(chain.from_iterable(_work_at(node) for node in nodes(tree)))


def is_expanded_polynomial(tree: Node) -> bool:
    """Tells whether an expression is a sum of monomials with numbers before them, or one of these."""
    terms = tree.parts if tree.kind == "+" else (tree,)
    return bool(symbols(tree)) and all(_is_monomial(term) for term in terms)


def _is_monomial(term: Node) -> bool:
    if term.kind in ("number", "symbol"):
        return True
    if term.kind == "^":
        return term.parts[0].kind == "symbol" and _is_natural(term.parts[1])
    if term.kind == "/":
        return _is_monomial(term.parts[0]) and term.parts[1].kind == "number"
    return term.kind in ("*", "negate") and all(_is_monomial(part) for part in term.parts)


def _work_at(node: Node) -> set[str]:
    if node.kind == "+":
        alike = Counter(_without_numbers(term) for term in node.parts)
        return {"sum"} if max(alike.values()) > 1 or _ZERO in node.parts else set()
    if node.kind in ("*", "/"):
        return _work_of_product(node)
    if node.kind == "^":
        return _work_of_power(*node.parts)
    if node.kind == "root":
        return _power_below(*node.parts) if _is_lowest_root(*node.parts) else {"root"}
    kind = _KINDS.get(node.kind)
    return {kind} if kind and not symbols(node) else set()


def _work_of_product(node: Node) -> set[str]:
    top, bottom = _factors(node)
    work: set[str] = {"product"} if node.kind == "*" and _ONE in node.parts else set()
    if node.kind == "/" and symbols(node.parts[1]):
        work.add(DIVIDE)
    numbers = [[factor for factor in side if _is_number(factor) and factor != _ONE] for side in (top, bottom)]
    for side in numbers:
        is_scientific = len(side) == 2 and any(_is_power(one) and one.parts[0].value == 10 for one in side)
        if len(side) > 1 and not is_scientific:
            work.add("product")
    names = [Counter(name for factor in side if (name := _base_name(factor))) for side in (top, bottom)]
    if any(count > 1 for side in names for count in side.values()):
        work.add("product")
    if names[0].keys() & names[1].keys() or _cancels(*numbers):
        work.add("fraction")
    if sum(factor.kind == "+" for factor in top) > 1:
        work.add(EXPAND)
    # Of \sqrt{x}\sqrt{2x} one root is made.
    roots = [symbols(factor.parts[0]) for factor in top if factor.kind == "root" and factor.parts[0].kind != "+"]
    if len(roots) > 1 and frozenset[str]().union(*roots) and sum(map(len, roots)) > len(frozenset[str]().union(*roots)):
        work.add(POWER_BELOW)
    return work


def _cancels(top: list[Node], bottom: list[Node]) -> bool:
    """Tells whether a number below the line goes into one above it, or is itself no whole number."""
    if any(factor.kind == "number" and factor.value.denominator != 1 for factor in bottom):
        return True
    if not len(top) == len(bottom) == 1 or not (_is_literal(top[0]) and _is_literal(bottom[0])):
        return False
    over, under = _literal(top[0]), _literal(bottom[0])
    # 1.5/3 and 10/2 are divisions that nobody made.
    has_decimals = over.denominator != 1 or under.denominator != 1
    return under not in (0, 1) and (has_decimals or (over / under).denominator == 1)


def _work_of_power(base: Node, exponent: Node) -> set[str]:
    if base.kind == "+" and _is_natural(exponent) and exponent.value > 1:
        return {EXPAND}
    if base.kind in ("^", "root") or (base.kind == "constant" and base.name == "i"):
        return {"power"} if exponent.kind == "number" else set()
    if exponent.kind == "/" and base.kind == "symbol":
        return {POWER_FORM}
    if exponent.kind == "/" and _is_literal(base) and all(part.kind == "number" for part in exponent.parts):
        return set() if _is_lowest_root(base, exponent.parts[1]) else {"root"}
    return set()


def _power_below(radicand: Node, degree: Node) -> set[str]:
    powers = Counter(name for factor in _factors(radicand)[0] for name in [_base_name(factor)] * _times(factor) if name)
    return {POWER_BELOW} if _is_natural(degree) and any(count >= degree.value for count in powers.values()) else set()


def _times(factor: Node) -> int:
    return int(min(factor.parts[1].value, 64)) if factor.kind == "^" and _is_natural(factor.parts[1]) else 1


def _is_lowest_root(radicand: Node, degree: Node) -> bool:
    if not _is_natural(degree) or not 2 <= degree.value <= 64:
        return True
    if radicand.kind == "/" and all(_is_literal(part) for part in radicand.parts) and _literal(radicand.parts[1]):
        value = _literal(radicand.parts[0]) / _literal(radicand.parts[1])
    elif _is_literal(radicand):
        value = _literal(radicand)
    else:
        # In \sqrt{8x} the 8 counts, \sqrt{2^4} is not computed.
        return not _is_power(radicand) and all(
            _is_lowest_root(factor, degree) for factor in _factors(radicand)[0] if factor.kind == "number"
        )
    if value < 0:
        return degree.value % 2 == 1 and _is_lowest_root(Node("number", value=-value), degree)
    return not any(_has_power_in(side, int(degree.value)) for side in (value.numerator, value.denominator))


def _has_power_in(number: int, degree: int) -> bool:
    if 1 < number < 2**53 and round(number ** (1 / degree)) ** degree == number:
        return True
    for factor in range(2, _MAX_ROOT_FACTOR):
        power = factor**degree
        if power > number:
            return False
        if number % power == 0:
            return True
    return False


def _without_numbers(term: Node) -> tuple[frozenset[tuple[Node, int]], ...]:
    """What terms that can be added have in common: `x` of `2x`, nothing of a number."""
    sides = _factors(term)
    return tuple(frozenset(Counter(factor for factor in side if not _is_number(factor)).items()) for side in sides)


def _factors(node: Node) -> tuple[list[Node], list[Node]]:
    """The factors above and below the line, signs left out."""
    top: list[Node] = []
    bottom: list[Node] = []
    stack = [(node, False)]
    while stack:
        factor, below = stack.pop()
        if factor.kind in ("*", "negate"):
            stack.extend((part, below) for part in factor.parts)
        elif factor.kind == "/":
            stack += [(factor.parts[0], below), (factor.parts[1], not below)]
        elif factor.kind == "^" and factor.parts[0].kind == "+" and _is_natural(factor.parts[1]):
            (bottom if below else top).extend([factor.parts[0]] * (1 if factor.parts[1].value < 2 else 2))
        else:
            (bottom if below else top).append(factor)
    return top, bottom


def _is_number(node: Node) -> bool:
    return node.kind == "number" or _is_power(node)


def _base_name(factor: Node) -> str:
    base = factor.parts[0] if factor.kind == "^" and factor.parts[1].kind == "number" else factor
    return base.name if base.kind == "symbol" or (base.kind == "constant" and base.name == "i") else ""


def _is_power(node: Node) -> bool:
    """A number to a whole power, as 2^{10}."""
    if node.kind != "^" or not _is_literal(node.parts[1]) or _literal(node.parts[1]).denominator != 1:
        return False
    base = node.parts[0]
    return _is_literal(base) or (base.kind == "/" and all(_is_literal(part) for part in base.parts))


def _is_literal(node: Node) -> bool:
    return node.kind == "number" or (node.kind == "negate" and node.parts[0].kind == "number")


def _literal(node: Node) -> Fraction:
    return node.value if node.kind == "number" else -node.parts[0].value


def _is_natural(node: Node) -> bool:
    return node.kind == "number" and node.value.denominator == 1
