"""What an answer is after it was taken apart."""

import re
from dataclasses import dataclass
from fractions import Fraction

from reward_score.math.latex import plain
from reward_score.math.units import NONE, Unit


@dataclass(frozen=True)
class Answer:
    """A part of an answer, or the whole.

    Attributes:
        kind: "scalar", "word", "choice", "list" (in any order), "set", "sequence" (a tuple or interval, in order),
            "union", "difference", "matrix" (`items` are its rows), "relation", "ratio", "labelled" (what stands before
            a colon, and behind it), "approximation" (`items` are the exact value, if there is one, and decimals) or
            "quantified" (`items` are the answer and the names that it says something of, `name` is what).
        text: Its canonical text, units taken off.
        items: Its members; the sides of a relation.
        name: The brackets of a sequence, the operators of a relation, the kind of a matrix, a choice's own text.
        value: The value of a scalar that is a number; of a full hour the hour; a per cent sign is not counted in.
        percent: Whether a per cent sign was behind it.
        degrees: Whether a degree sign was, of an angle.
        unit: What was stated with it, these signs included.
    """

    kind: str
    text: str
    items: tuple["Answer", ...] = ()
    name: str = ""
    value: Fraction | None = None
    percent: bool = False
    degrees: bool = False
    unit: Unit = NONE


def shown(answer: Answer) -> str:
    """Writes an answer so that equal ones mostly print alike: numbers by value, members of lists and sets in order."""
    if answer.kind == "scalar" and answer.value is not None:
        return str(answer.value) + ("%" if answer.percent else "")
    if answer.kind in ("approximation", "quantified"):
        return shown(answer.items[0])
    if answer.kind in ("list", "set", "union"):
        members = sorted(shown(item) for item in answer.items)
        joined = (" \\cup " if answer.kind == "union" else ", ").join(members)
        return f"\\{{{joined}\\}}" if answer.kind == "set" else joined
    if answer.kind == "sequence":
        opener, closer = re.findall(r"\\(?:[a-z]+|.)|.", answer.name)
        return f"{opener}{', '.join(shown(item) for item in answer.items)}{closer}"
    return plain(answer.text)
