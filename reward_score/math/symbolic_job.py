r"""The job of the killable worker: do two LaTeX scalars mean the same, by latex2sympy2-extended and math-verify.

Only ever imported in a worker process (`sandbox.server`): it loads sympy, and what it is asked may run for
ever or take all memory. Text goes through latex2sympy's grammar alone, never through sympy's `parse_expr`, which
evaluates it as Python; math-verify compares the sympy expressions.
"""

# pyright: basic
# sympy and the two libraries on top of it are untyped.

from __future__ import annotations

import logging
import re
import time
from functools import lru_cache
from typing import Any

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig
from math_verify import verify

# It would warn at every call that its own time-outs, which need the main thread, are off.
logging.getLogger("math_verify").setLevel(logging.ERROR)

_NORMALIZATION = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=False, nits=False, boxed="none", equations=False
)
# R and r are two quantities: latex2sympy makes one of them unless told.
_CONVERSION = ConversionConfig(lowercase_symbols=False)
_DECIMAL = re.compile(r"(?<![0-9])([0-9]*)\.([0-9]+)")
_DIGITS = 30
_CLOSE = sympy.Float("1e-20", _DIGITS)


def answer(request: dict[str, str]) -> dict[str, Any]:
    """Compares `gold` and `answer`, LaTeX that `math.symbolic.too_large` lets pass; gives its processor time too."""
    began = time.process_time()
    gold, found = _read_gold(request["gold"]), _read(request["answer"])
    equal = gold is not None and found is not None and _equal(gold, found)
    return {"equal": equal, "seconds": time.process_time() - began}


def _equal(gold: Any, found: Any) -> bool:
    try:
        return bool(verify(gold, found, timeout_seconds=None, raise_on_error=True)) and _same_value(gold, found)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 -- sympy cannot compare everything that it can read
        return False


def _read(text: str) -> Any:
    """Reads LaTeX; decimals as exact fractions, because math-verify compares floats to six places only."""
    try:
        return latex2sympy(
            _DECIMAL.sub(_exact, text), normalization_config=_NORMALIZATION, conversion_config=_CONVERSION
        )
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 -- the grammar raises whatever it meets; what it cannot read is not equal
        return None


_read_gold = lru_cache(maxsize=4096)(_read)


def _exact(match: re.Match[str]) -> str:
    whole = (match[1] + match[2]).lstrip("0") or "0"
    return rf"\frac{{{whole}}}{{1{'0' * len(match[2])}}}"


def _same_value(gold: Any, found: Any) -> bool:
    """Confirms an equality to 30 digits: math-verify takes 1/2^98 and 1/2^99, both near 0, for equal."""
    if not isinstance(gold, sympy.Expr) or not isinstance(found, sympy.Expr):
        return True
    symbols = sorted(gold.free_symbols | found.free_symbols, key=str)
    point = [(symbol, sympy.Rational(7 + 5 * place, 11)) for place, symbol in enumerate(symbols)]
    a, b = (sympy.N(side.subs(point), _DIGITS) for side in (gold, found))
    if not (a.is_number and b.is_number) or a.is_finite is False or b.is_finite is False:
        return True
    close = abs(a - b) <= _CLOSE * (abs(a) + abs(b))
    return close is not sympy.false  # nor undecided, as for a gcd of no integers


# The grammar's tables and sympy's own modules are made at a first use: here, in the server, and not in every child.
for _text in (r"\frac{x}{2}+0.5\sqrt{3}\sin x", r"\binom{n}{k}x_{1}+\lfloor\log_{2}n\rfloor!-|y|", "f(t)/2t"):
    answer({"gold": _text, "answer": _text + "+0"})
