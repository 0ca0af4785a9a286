"""What an expression is after it was read."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True)
class Node:
    """One operation of an expression.

    `kind` is "number", "symbol", "constant" (pi, e, i), "+", "*", "/", "^", "negate", "root", "factorial",
    "double factorial", "binomial", "abs", "floor", "ceiling", "degree", or the name of a function; `name` that of a
    symbol or constant.
    """

    kind: str
    parts: tuple["Node", ...] = ()
    value: Fraction = Fraction(0)
    name: str = ""

    def __eq__(self, other: object) -> bool:
        """Compares without recursion: a product of 300 factors is 300 levels deep."""
        stack: list[tuple[Node, object]] = [(self, other)]
        while stack:
            one, another = stack.pop()
            if one is another:
                continue
            if not isinstance(another, Node) or hash(one) != hash(another) or len(one.parts) != len(another.parts):
                return False
            if (one.kind, one.value, one.name) != (another.kind, another.value, another.name):
                return False
            stack.extend(zip(one.parts, another.parts, strict=True))
        return True

    def __hash__(self) -> int:
        """Hashes each node once: what is known of a tree is looked up by it."""
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = hash((self.kind, self.parts, self.value, self.name))
            object.__setattr__(self, "_hash", known)
        return known


def nodes(tree: Node) -> Iterator[Node]:
    """Gives a tree's operations, itself included."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.parts)


@lru_cache(maxsize=1024)
def symbols(tree: Node) -> frozenset[str]:
    """Gives the names of the variables in a tree."""
    return frozenset(node.name for node in nodes(tree) if node.kind == "symbol")
