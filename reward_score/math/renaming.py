r"""Compares answers up to what a name is called that may be called anything.

Such are the arguments of a function that is defined (`g(x)=x+4`, `g(t)=t+4`), a name that is said to stand for any
value (`k \in \mathbb{Z}`), the index of a general solution (`\frac{\pi}{6}+\pi k`), and C or c for a constant of
integration. A name that the question gave may not be called anything, nor may two names become one.
"""

import re
from collections.abc import Callable

from reward_score.math.answer import Answer
from reward_score.math.expression import tree_of
from reward_score.math.names import free_names, renamed
from reward_score.math.spelling import word_set
from reward_score.math.structure import read_answer
from reward_score.math.tree import Node, symbols

Equal = Callable[[Answer, Answer], bool]

_INDICES = word_set("j k l m n K N ell")
_INTEGRATION = {"C", "c"}
_DEFINED = re.compile(r"(\\?[A-Za-z]+ ?(?:_\{[^{}]*\}|')*)\(((?:\\?[A-Za-z]+ ?,)*\\?[A-Za-z]+ ?)\)")
_DEFINITIONS = re.compile(r"\(([A-Za-z\\, ]*)\)=")
_RESTRICTIONS = word_set("positive negative nonnegative")


def with_arguments_of(gold: Answer, answer: Answer) -> Answer:
    """Gives the definition of a function with the ground truth's names for its arguments.

    It stays as it is where the two do not define one function of as many arguments, or two names would become one.
    """
    one, other = (_DEFINED.fullmatch(relation.items[0].text) for relation in (gold, answer))
    if one is None or other is None or one[1] != other[1] or one[2] == other[2]:
        return answer
    wanted, found = ([name.strip(" \\") for name in match[2].split(",")] for match in (one, other))
    if len(wanted) != len(found) or len(set(wanted)) < len(wanted) or len(set(found)) < len(found):
        return answer
    if not free_names(answer.text[other.end() :]).isdisjoint(set(wanted) - set(found)):
        return answer
    readings = read_answer(renamed(answer.text, dict(zip(found, wanted, strict=True))))
    return readings[0] if readings[0].kind == "relation" else answer


def equal_quantified(gold: Answer, answer: Answer, equal: Equal) -> bool:
    """Compares two answers, at least one of which says what some of its names stand for.

    They may say nothing different: `k \\in \\mathbb{N}` is not `k \\in \\mathbb{Z}`.
    """
    (one, wanted, of_gold), (other, found, of_answer) = _parts(gold), _parts(answer)
    # The names that a function is defined by, x in `f(x)=3`, also in one of several definitions.
    left = "".join(side.text for side in other.items[:-1]) if other.kind == "relation" else ""
    arguments = free_names(left + "".join(_DEFINITIONS.findall(other.text)))
    occurring = (found & free_names(other.items[-1].text if other.kind == "relation" else other.text)) - arguments
    if "some" in of_answer and not occurring:
        return False  # f(x) = 3 for some x
    both = of_gold - {"some"}, of_answer - {"some"}
    if (all(both) and both[0] != both[1]) or (not both[0] and occurring and not both[1].isdisjoint(_RESTRICTIONS)):
        return False
    if equal(one, other) or equal_with_other_index(one, other, equal):
        return True
    return _equal_but_for_one_name(
        one, other, equal, lambda old, new: new in wanted or (old in found and one.kind == "relation")
    )


def equal_with_other_index(gold: Answer, answer: Answer, equal: Equal) -> bool:
    """Compares general solutions with another index, and solutions with another constant of integration."""
    return _equal_but_for_one_name(
        gold,
        answer,
        equal,
        lambda old, new: (
            ({old, new} == _INTEGRATION and gold.kind == "relation")
            or (old in _INDICES and new in _INDICES and _is_family(gold, new) and _is_family(answer, old))
        ),
    )


def _parts(answer: Answer) -> tuple[Answer, frozenset[str], frozenset[str]]:
    if answer.kind != "quantified":
        return answer, frozenset(), frozenset()
    inner, *names = answer.items
    return inner, frozenset(name.text.lstrip("\\") for name in names), frozenset(answer.name.split())


def _equal_but_for_one_name(gold: Answer, answer: Answer, equal: Equal, may: Callable[[str, str], bool]) -> bool:
    wanted, found = free_names(gold.text), free_names(answer.text)
    new, old = wanted - found, found - wanted
    # The value alone may be given, without the name that the ground truth has for it.
    new, old = new - _left_names(gold), old - _left_names(answer)
    if len(new) != 1 or len(old) != 1:
        return False
    (one,), (other,) = old, new
    return may(one, other) and any(
        equal(gold, other_answer) for other_answer in read_answer(renamed(answer.text, {one: other}))
    )


def _left_names(answer: Answer) -> frozenset[str]:
    """The names that only stand left of an equation: x in `x=k+1` and in `x=k, 2k`."""
    relations = [one for one in (answer, *answer.items) if one.kind == "relation"]
    left = frozenset[str]().union(*(free_names(one.items[0].text) for one in relations))
    right = frozenset[str]().union(*(free_names(one.items[-1].text) for one in relations))
    return left - right


def _is_family(answer: Answer, index: str) -> bool:
    """Tells whether an answer is a general solution: angles with a multiple of pi, or of degrees, for each integer."""
    if answer.kind == "relation":
        return index not in free_names(answer.items[0].text) and _is_family(answer.items[-1], index)
    if answer.kind in ("list", "set", "sequence", "union", "matrix", "row"):
        return bool(answer.items) and all(_is_family(item, index) for item in answer.items)
    if answer.kind != "scalar":
        return False
    tree = tree_of(answer.text)
    if tree is None:
        return False
    terms = tree.parts if tree.kind == "+" else (tree,)
    moving = [term for term in terms if index in {name.lstrip("\\") for name in symbols(term)}]
    return len(moving) == 1 and _is_multiple(moving[0]) and _has_angle(moving[0])


def _is_multiple(term: Node) -> bool:
    """Tells whether a term is a product of numbers, pi, degrees and one name."""
    if term.kind in ("number", "symbol") or (term.kind == "constant" and term.name == "pi"):
        return True
    return term.kind in ("*", "/", "negate", "degree") and all(map(_is_multiple, term.parts))


def _has_angle(term: Node) -> bool:
    return term.kind == "degree" or term.name == "pi" or any(map(_has_angle, term.parts))
