r"""Hands two scalars that nothing cheaper could compare to math-verify, in a process that can be killed.

Its limits are the verdict's (`sandbox.guard`). They are a net: what is known to explode is refused beforehand by
its form, so that a verdict does not depend on how busy a machine is.
"""

import logging
import math
import re
import time
from itertools import accumulate

from reward_score.math.brackets import closings
from reward_score.math.spelling import FUNCTIONS, word_set
from reward_score.sandbox import guard
from reward_score.sandbox.protocol import WorkerCrashError, WorkerMemoryError, WorkerTimeoutError

SECONDS_BEFORE_LAST = 0.4
"""Processor time of one answer's comparisons after which no further one is begun; the deadline of the whole verdict
ends the one under way. Neither the start of a process nor a wait for a busy machine counts."""

WALL_SECONDS_BEFORE_LAST = 1.2
"""The same from the end of the first comparison on, for a verdict that no deadline ends."""

MAX_CHARS = 300
MAX_NESTING = 12
MAX_EXPONENT = 200
MAX_POWER_OF_POWERS = 10_000
MAX_FACTORIAL = 20
MAX_BINOMIAL = 1_000
MAX_DIGITS = 50

logger = logging.getLogger(__name__)

_READABLE = re.compile(r"[0-9A-Za-z\\{}()\[\]+\-*/^_|!.,' ]+")
_FORBIDDEN = re.compile(
    r"\\(?:i*int|oint|sum|prod|co?prod|lim(?:sup|inf)?|begin|end|matrix|operatorname|frac\{d|mathop)(?![A-Za-z])|__|[0-9]_"
    r"|[0-9] [0-9]|! ?!"
)
_SIGNS = re.compile(r"[-+](?:\s*[-+]){2}")
_EXPONENT = re.compile(r"\^\s*(-?[0-9.]+|\\?.|$)")
_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_EXPLOSIVE = re.compile(r"[\^!]|\\binom")
_FACTORIAL = re.compile(r"((?<![0-9])[0-9]+|[)}\]])\s*!")
_BINOMIAL = re.compile(r"\\binom\{([0-9]+)\}")
_NUMBER = re.compile(r"[0-9]+")
_NAME = re.compile(r"\\([A-Za-z]+)|([A-Za-z])")
# \det counts as a name, which both sides must hold: latex2sympy takes it of a matrix only.
_STRUCTURAL = (FUNCTIONS - {"det"}) | word_set(
    "frac cdot left right pi circ pm mp binom lfloor rfloor lceil rceil le ge text mathrm"
)


class SymbolicComparisons:
    """The symbolic comparisons of one answer.

    `timed_out` says that one was ended by a limit of time or memory, so that nothing is known about the answer;
    `refused` that one was not begun because of its size.
    """

    def __init__(self) -> None:
        self.timed_out = False
        self.refused = False
        self._seconds = 0.0
        self._until = math.inf

    def settle(self, gold: str, answer: str) -> bool:
        """Tells whether math-verify finds two canonical texts equal; False if it may not or could not be asked."""
        if self.timed_out or not comparable(gold, answer):
            return False
        if too_large(gold) or too_large(answer):
            self.refused = True
            return False
        if self._seconds > SECONDS_BEFORE_LAST or time.monotonic() > self._until:
            self.timed_out = True
            return False
        try:
            found = guard.compare({"gold": gold, "answer": answer})
        except (WorkerTimeoutError, WorkerMemoryError, WorkerCrashError) as error:
            # A crash, as a lack of memory, is the comparison's doing or the machine's: it is no verdict on the answer.
            logger.warning("a symbolic comparison was ended (%s): %.80r and %.80r", type(error).__name__, gold, answer)
            self.timed_out = True
            return False
        self._seconds += found["seconds"]
        self._until = min(self._until, time.monotonic() + WALL_SECONDS_BEFORE_LAST)
        return found["equal"]


def comparable(gold: str, answer: str) -> bool:
    """Tells whether two canonical texts are LaTeX scalars with the same variables."""
    if not (_READABLE.fullmatch(gold) and _READABLE.fullmatch(answer)):
        return False
    return not _FORBIDDEN.search(gold) and not _FORBIDDEN.search(answer) and _names(gold) == _names(answer)


def too_large(text: str) -> bool:
    """Tells by its form whether an expression could take a computer algebra system long.

    That is a long or deeply nested one, a tower of powers, a large exponent, factorial, binomial coefficient or number.
    """
    deepest = max(accumulate((char in "({[") - (char in ")}]") for char in text), default=0)
    if len(text) > MAX_CHARS or deepest > MAX_NESTING or _has_large_power(text) or _SIGNS.search(text):
        return True
    exceeding = (
        any(not n.isdigit() or len(n) > 9 or int(n) > MAX_FACTORIAL for n in _FACTORIAL.findall(text)),
        any(len(number) > 9 or int(number) > MAX_BINOMIAL for number in _BINOMIAL.findall(text)),
        any(len(number) > MAX_DIGITS for number in _NUMBER.findall(text)),
    )
    return any(exceeding)


def _has_large_power(text: str) -> bool:
    """Tells whether an exponent is large or holds a power or factorial, or powers of powers are large together."""
    closed = closings(text)
    opened = {end: start for start, end in closed.items()}
    sizes: dict[int, float] = {}
    for match in _EXPONENT.finditer(text):
        start = match.start(1)
        exponent = text[start : closed[start]] if start in closed else match[1]
        size = math.prod(max(1.0, float(number)) for number in _DECIMAL.findall(exponent))
        base = opened.get(len(text[: match.start()].rstrip()) - 1, match.start())
        sizes[match.start()] = math.prod((size, *(inner for place, inner in sizes.items() if place > base)))
        if _EXPLOSIVE.search(exponent) or size > MAX_EXPONENT or sizes[match.start()] > MAX_POWER_OF_POWERS:
            return True
    return False


def _names(text: str) -> set[str]:
    return {command or letter for command, letter in _NAME.findall(text)} - _STRUCTURAL - {"e", "i"}
