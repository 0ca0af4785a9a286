r"""Reads one scalar expression in canonical LaTeX into a tree; what is unknown or ambiguous is refused, not guessed.

Refused are for instance `1/2x` and `\sin x/2`, which people write for two different things, and every command that is
not listed here.
"""

import re
from fractions import Fraction
from functools import lru_cache

from reward_score.math.exact_number import read_decimal
from reward_score.math.spelling import ELEMENTARY_FUNCTIONS, GREEK_NAMES, word_set
from reward_score.math.tree import Node

MAX_CHARS = 300
MAX_DEPTH = 40

_TOKEN = re.compile(
    r"(?P<number>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?![0-9])|[0-9]+\.?[0-9]*|\.[0-9]+)|(?P<command>\\(?:[A-Za-z]+|[{}|]))"
    r"|(?P<letter>[A-Za-z])|(?P<sign>[-+*/^_()\[\]{}|!'])|(?P<space>\s+)"
)
_INVERTIBLE = word_set("sin cos tan cot")
_CLOSERS = {"(": ")", "[": "]", "{": "}", "|": "|", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil"}
_BRACKETS = frozenset(_CLOSERS)


class UnreadableError(ValueError):
    """An expression is none that this module reads without guessing."""


@lru_cache(maxsize=256)
def read_expression(text: str) -> Node:
    """Reads canonical text (`math.latex.canonical`) into a tree of at most MAX_CHARS nodes and MAX_DEPTH levels.

    Raises UnreadableError if it is longer or deeper than that, not one expression, or can be read in two ways.
    """
    if len(text) > MAX_CHARS:
        raise UnreadableError(f"longer than {MAX_CHARS} characters")
    reader = _Reader(_tokens(text))
    tree = reader.sum()
    if reader.peek():
        raise UnreadableError(f"{reader.peek()!r} does not fit")
    return tree


def tree_of(text: str) -> Node | None:
    """Reads a scalar expression; None where `read_expression` refuses it."""
    try:
        return read_expression(text)
    except UnreadableError:
        return None


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadableError(f"{text[place]!r} is not known")
        if match.lastgroup != "space":
            tokens.append(match[0])
        elif tokens and tokens[-1][-1].isdigit() and text[match.end() : match.end() + 1].isdigit():
            raise UnreadableError("two numbers beside each other")
        place = match.end()
    return tokens


def _is_number(token: str) -> bool:
    return token[:1].isdigit() or (token[:1] == "." and len(token) > 1)


class _Reader:
    """Recursive descent over the tokens; a method for each level of precedence."""

    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        self.bars = 0

    def peek(self, ahead: int = 0) -> str:
        place = self.place + ahead
        return self.tokens[place] if place < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise UnreadableError(f"{wanted or 'more'} is missing")
        self.place += 1
        return token

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels")
        terms = [self.term()]
        while self.peek() in ("+", "-"):
            terms.append(self.term())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Node("+", tuple(terms))

    def term(self) -> Node:
        sign = self.sign()
        result = self.factor()
        after_division = False
        while True:
            token = self.peek()
            if token in ("\\cdot", "*", "/"):
                self.take()
                after_division = token == "/"
                negative = self.sign()
                right = self.factor()
                right = Node("negate", (right,)) if negative else right
                result = Node("/" if after_division else "*", (result, right))
            elif self.starts_factor(token):
                if after_division:
                    raise UnreadableError("a/b c can be read in two ways")
                result = Node("*", (result, self.factor()))
            else:
                return Node("negate", (result,)) if sign else result

    def sign(self) -> bool:
        negative = False
        for _ in range(2):
            if self.peek() not in ("+", "-"):
                break
            negative ^= self.take() == "-"
        return negative

    def starts_factor(self, token: str) -> bool:
        if token == "|":
            return self.bars == 0
        if _is_number(token):
            previous = self.tokens[self.place - 1]
            # x2 and 3(4)5 are typing errors more often than products.
            if previous[-1] not in ")}]":
                raise UnreadableError("a number behind a symbol")
            return True
        return (
            token[:1].isalpha()
            or (token[:1] == "\\" and token not in ("\\rfloor", "\\rceil", "\\}", "\\{"))
            or (token in ("(", "[", "{"))
        )

    def factor(self) -> Node:
        result = self.base()
        while self.peek() in ("^", "!", "'"):
            token = self.take()
            if token == "!":
                result = self.factorial(result)
            elif token == "'":
                result = self.primed(result)
            elif self.peek() == "{" and self.peek(1) == "\\circ" and self.peek(2) == "}":
                self.place += 3
                result = Node("degree", (result,))
            else:
                result = Node("^", (result, self.exponent()))
                if self.peek() == "^":
                    raise UnreadableError("a^b^c can be read in two ways")
        return result

    def factorial(self, result: Node) -> Node:
        double = self.peek() == "!"
        if double and self.take() and self.peek() == "!":
            raise UnreadableError("more than two factorial signs")
        return Node("double factorial" if double else "factorial", (result,))

    def primed(self, result: Node) -> Node:
        if result.kind != "symbol":
            raise UnreadableError("a prime behind what is no symbol")
        return Node("symbol", name=result.name + "'")

    def exponent(self) -> Node:
        if self.peek() in ("(", "{"):
            return self.bracketed(self.take())
        return self.base()

    def bracketed(self, opener: str) -> Node:
        bars, self.bars = self.bars, int(opener == "|")
        inner = self.sum()
        self.take(_CLOSERS[opener])
        self.bars = bars
        return inner

    def base(self) -> Node:
        token = self.take()
        if _is_number(token):
            return self.number(token)
        if token in _BRACKETS:
            kind = {"|": "abs", "\\lfloor": "floor", "\\lceil": "ceiling"}.get(token)
            inner = self.bracketed(token)
            return Node(kind, (inner,)) if kind else inner
        if token.isalpha() or token[1:] in GREEK_NAMES:
            return self.symbol(token)
        return self.command(token)

    def number(self, token: str) -> Node:
        value = read_decimal(token)
        match self.tokens[self.place : self.place + 7]:
            case ["\\frac", "{", top, "}", "{", bottom, "}"] if (
                token.isdigit() and top.isdigit() and bottom.isdigit() and int(bottom)
            ):
                self.place += 7
                value += Fraction(int(top), int(bottom))
            case _:
                pass
        return Node("number", value=value)

    def symbol(self, token: str) -> Node:
        if self.peek() != "_":
            return Node("constant", name=token) if token in ("e", "i") else Node("symbol", name=token)
        self.take()
        if self.peek() != "{":
            return Node("symbol", name=f"{token}_{self.take()}")
        self.take()
        name: list[str] = []
        while self.peek() != "}":
            name.append(self.take())
        self.take()
        return Node("symbol", name=f"{token}_{''.join(name)}")

    def command(self, token: str) -> Node:
        name = token[1:]
        if name == "pi":
            return Node("constant", name="pi")
        if name in ("frac", "binom"):
            first, second = self.group(), self.group()
            return Node("/" if name == "frac" else "binomial", (first, second))
        if name == "sqrt":
            return self.root()
        if name in ELEMENTARY_FUNCTIONS:
            return self.function(name)
        raise UnreadableError(f"{token} is not known")

    def group(self) -> Node:
        return self.bracketed(self.take("{"))

    def root(self) -> Node:
        degree = self.bracketed(self.take()) if self.peek() == "[" else Node("number", value=Fraction(2))
        opener = self.take()
        if opener not in ("{", "("):
            raise UnreadableError("a root of nothing")
        return Node("root", (self.bracketed(opener), degree))

    def function(self, name: str) -> Node:
        power = self.function_power()
        if power is not None and power.kind == "negate" and power.parts[0] == Node("number", value=Fraction(1)):
            if name not in _INVERTIBLE:
                raise UnreadableError("an inverse function that is not known")
            name, power = f"arc{name}", None
        base = None
        if self.peek() == "_":
            self.take()
            base = self.group() if self.peek() == "{" else self.base()
            power = power or self.function_power()
        result = Node(name, (self.function_argument(), *([base] if base else [])))
        return Node("^", (result, power)) if power is not None else result

    def function_power(self) -> Node | None:
        if self.peek() != "^":
            return None
        self.take()
        return self.exponent()

    def function_argument(self) -> Node:
        if self.peek() in _BRACKETS:
            return self.base()
        factors: list[Node] = []
        while self.starts_argument(self.peek(), first=not factors):
            factors.append(self.factor())
        if not factors or self.peek() in ("/", "(", "["):
            raise UnreadableError("where a function's argument ends can be read in two ways")
        return factors[0] if len(factors) == 1 else Node("*", tuple(factors))

    def starts_argument(self, token: str, *, first: bool) -> bool:
        if _is_number(token):
            return first
        return token[:1].isalpha() or token in ("\\frac", "\\sqrt", "\\pi") or token[1:] in GREEK_NAMES
