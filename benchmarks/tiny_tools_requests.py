"""The requests of the tool-calling task: kinds of them, the call that each wants, and the call that stands in it."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

VALIDATION_PART = 5
"""One call in five belongs to validation."""

Functions = Mapping[str, Mapping[str, str]]

FUNCTIONS: Functions = {
    "move": {"x": "integer", "y": "integer"},
    "wait": {"ms": "integer"},
    "pay": {"to": "string", "cents": "integer"},
    "book": {"day": "string", "hour": "integer"},
    "turn": {"side": "string", "deg": "integer"},
}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMES = ("ann", "bob", "eve", "ian", "joe", "kim", "leo", "mia", "ned", "zoe")
SIDES = ("left", "right")

Value = int | str


class Kind(NamedTuple):
    """A kind of request.

    Attributes:
        function: What it wants to be called.
        difficulty: 1: what stands in it are the arguments, in their order; 2: they stand in another order or unit, or
            one is denied; 3: they have to be computed, and that is hardly demonstrated.
        wordings: Texts, with places for what stands in it.
        pools: What may stand in each place.
        solve: From what stands in it to the arguments, in the function's order.
    """

    function: str
    difficulty: int
    wordings: tuple[str, ...]
    pools: tuple[Sequence[Value], ...]
    solve: Callable[..., tuple[Value, ...]] = lambda *values: values


def _other(side: str) -> str:
    return SIDES[1 - SIDES.index(side)]


def _next(day: str) -> str:
    return DAYS[(DAYS.index(day) + 1) % len(DAYS)]


KINDS = (
    Kind("move", 1, ("go to {} {}", "move x {} y {}"), (range(100), range(100))),
    Kind("move", 2, ("move y {} x {}", "at y {} go to x {}"), (range(100), range(100)), lambda y, x: (x, y)),
    Kind("move", 3, ("go to x {}, y {} more",), (range(100), range(1, 100)), lambda x, more: (x, x + more)),
    Kind("wait", 1, ("wait {} ms", "pause {} ms"), (range(1, 1000),)),
    Kind("wait", 2, ("wait {} s", "pause {} s"), (range(1, 100),), lambda s: (1000 * s,)),
    Kind("wait", 3, ("wait {} min", "pause {} min"), (range(1, 100),), lambda minutes: (60_000 * minutes,)),
    Kind("pay", 1, ("pay {} {} cents", "give {1} cents to {0}"), (NAMES, range(1, 1000))),
    Kind("pay", 2, ("pay {} {} dollars", "give {1} dollars to {0}"), (NAMES, range(1, 100)), lambda n, d: (n, 100 * d)),
    Kind("pay", 3, ("pay {} twice {} cents",), (NAMES, range(1, 500)), lambda name, cents: (name, 2 * cents)),
    Kind("book", 1, ("book {} at {} h", "at {1} h on {0}, book"), (DAYS, range(24))),
    Kind("book", 2, ("book {} at {} pm", "at {1} pm on {0}, book"), (DAYS, range(1, 12)), lambda day, h: (day, 12 + h)),
    Kind("book", 3, ("book day after {} at {} h",), (DAYS, range(24)), lambda day, h: (_next(day), h)),
    Kind("turn", 1, ("turn {} {}", "turn {1} to the {0}"), (SIDES, range(1, 360))),
    Kind(
        "turn", 2, ("turn {1}, not {0}", "not {0}, turn {1}"), (SIDES, range(1, 360)), lambda s, deg: (_other(s), deg)
    ),
    Kind("turn", 3, ("turn {} half of {}",), (SIDES, range(2, 720, 2)), lambda side, twice: (side, twice // 2)),
)


class Request(NamedTuple):
    """A request.

    Attributes:
        kind: Of which kind.
        text: What it says.
        wanted: The arguments that it wants, in the function's order.
        literal: Those that stand in it.
    """

    kind: Kind
    text: str
    wanted: tuple[Value, ...]
    literal: tuple[Value, ...]


def write_call(function: str, arguments: Sequence[Value], functions: Functions = FUNCTIONS) -> str:
    """Writes a call as a response has it.

    Args:
        function: One of the functions.
        arguments: Its arguments, in its order.
        functions: The types of each function's parameters.

    Returns:
        The response.
    """
    named = dict(zip(functions[function], arguments, strict=True))
    return f"<tool_call>{json.dumps({'name': function, 'arguments': named}, separators=(',', ':'))}</tool_call>"


def in_validation(call: str) -> bool:
    """Says whether what wants this call, as it is written, belongs to validation; else it is for training."""
    return int.from_bytes(blake2b(call.encode(), digest_size=8).digest(), "big") % VALIDATION_PART == 0


def draw(
    shares: Mapping[int, float],
    *,
    validation: bool,
    rng: random.Random,
    kinds: Sequence[Kind] = KINDS,
    functions: Functions = FUNCTIONS,
) -> Iterator[Request]:
    """Draws requests without end: a difficulty by its share, then one of its kinds, then what stands in it.

    Args:
        shares: Shares of the difficulties.
        validation: Of which split.
        rng: Source of chance.
        kinds: What may be asked.
        functions: Whose calls the kinds want.

    Yields:
        The requests. One of a higher difficulty that happens to want what stands in it ("move y 7 x 7") is left out.
    """
    while True:
        (difficulty,) = rng.choices(list(shares), list(shares.values()))
        kind = rng.choice([kind for kind in kinds if kind.difficulty == difficulty])
        while True:
            literal = tuple(rng.choice(pool) for pool in kind.pools)
            wanted = kind.solve(*literal)
            call = write_call(kind.function, wanted, functions)
            if in_validation(call) == validation and (wanted == literal) == (difficulty == 1):
                break
        yield Request(kind, rng.choice(kind.wordings).format(*literal), wanted, literal)
