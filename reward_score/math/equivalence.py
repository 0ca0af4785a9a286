"""Decides whether an answer equals the ground truth: exact numbers, then structure, then the value of expressions."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

from reward_score.math.answer import Answer
from reward_score.math.approximation import contradicts, is_rounded, rounds_to
from reward_score.math.expression import tree_of
from reward_score.math.labels import by_solution, equal_by_label, equal_in_any_order, equal_under_label, labelled_parts
from reward_score.math.names import free_names, names_one_thing
from reward_score.math.numeric import proportional, same_value
from reward_score.math.question import equal_choices, holds_equation, is_asked_for
from reward_score.math.reals import same_reals
from reward_score.math.renaming import equal_quantified, equal_with_other_index, with_arguments_of
from reward_score.math.scalars import Rules, equal_ratios, equal_scalars, is_finished, units_fit
from reward_score.math.structure import names_something
from reward_score.math.units import NONE, RADIANS, agree

MAX_REPEATING = 16
"""Members of a list up to which those are looked for that repeat another in value: each is compared with each."""

_UNORDERED = ("list", "set")
_BY_VALUE = Rules(settle=lambda gold, answer: False, pure_equivalence=True)


def equivalent(gold: tuple[Answer, ...], answer: tuple[Answer, ...], rules: Rules) -> bool:
    """Tells whether one reading of the answer equals one of the ground truth."""

    def equal(one: Answer, other: Answer) -> bool:
        if "choice" in (one.kind, other.kind):
            return equal_choices(one, other, rules.question)
        return _equal(one, other, rules)

    pairs = [(one, other) for one in gold for other in answer]
    return any(equal(*pair) for pair in pairs) or any(
        one.value is None and (equal_with_other_index(one, other, equal) or _same_set(one, other, rules))
        for one, other in pairs
    )


def _equal(gold: Answer, answer: Answer, rules: Rules) -> bool:
    kinds = {gold.kind, answer.kind}
    if gold.text == answer.text and len(kinds) == 1 and gold.kind != "scalar":
        return True
    by_kind = next((compare for kind, compare in _BY_KIND.items() if kind in kinds), None)
    if by_kind is not None:
        return by_kind(gold, answer, rules)
    if "relation" in kinds or "list" in kinds:
        gold, answer = by_solution(gold), by_solution(answer)
        if kinds != {"relation", "scalar"} and (labelled_parts(gold) or labelled_parts(answer)):
            return equal_by_label(gold, answer, partial(_equal, rules=rules))
        if "relation" in kinds:
            return _equal_relations(gold, answer, rules)
    if (gold.kind in _UNORDERED) is not (answer.kind in _UNORDERED) and "union" not in kinds:
        return _equal_to_all(gold, answer, rules)
    if "ratio" in kinds:
        # A time of day, of which the half may be left out, is written as a ratio.
        return gold.text == answer.text or equal_ratios(gold, answer)
    if kinds <= {"scalar", "word"}:
        return _equal_values(gold, answer, rules)
    if kinds <= {"list", "set"} or kinds <= {"union", "list"}:
        return _equal_members(gold, answer, rules)
    return _equal_in_order(_as_vector(gold, answer), _as_vector(answer, gold), rules)


def _same_set(gold: Answer, answer: Answer, rules: Rules) -> bool:
    if {gold.kind, answer.kind} == {"sequence"} or {gold.name, answer.name} == {"="}:
        return False  # compared part by part
    return same_reals(gold, answer) and _ends_are_finished(answer, rules)


def _ends_are_finished(answer: Answer, rules: Rules) -> bool:
    if answer.kind == "scalar":
        return "\\infty" in answer.text or answer.text == "R" or is_finished(answer, rules)
    return answer.kind == "relation" or all(_ends_are_finished(item, rules) for item in answer.items)


def _equal_in_order(gold: Answer, answer: Answer, rules: Rules) -> bool:
    if gold.kind != answer.kind or len(gold.items) != len(answer.items):
        return False
    if gold.kind == "sequence":
        # Two numbers in brackets may be an interval, where the kind of bracket is half of the answer.
        plain = [name.replace("\\langle", "(").replace("\\rangle", ")") for name in (gold.name, answer.name)]
        if plain[0] != plain[1] and not (len(gold.items) > 2 and set("".join(plain)) <= set("()[]")):
            return False
    if gold.kind == "matrix" and gold.name != answer.name:
        return False
    return all(_equal(one, other, rules) for one, other in zip(gold.items, answer.items, strict=True))


def _as_vector(one: Answer, other: Answer) -> Answer:
    """Takes a matrix of one column for a tuple where the other side is one."""
    is_column = one.kind == "matrix" and one.name == "matrix" and all(len(row.items) == 1 for row in one.items)
    if not is_column or other.kind != "sequence":
        return one
    return Answer("sequence", one.text, tuple(row.items[0] for row in one.items), "()")


def _equal_approximations(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Goes by the exact value before the sign; without one, only a rounded ground truth can be what is meant."""
    if gold.kind == "approximation":
        return _equal(gold.items[0], answer, rules)
    exact, *decimals = answer.items
    if not decimals:
        return is_rounded(gold) and _equal(gold, exact, rules)
    return not any(contradicts(exact, decimal) for decimal in decimals) and _equal(gold, exact, rules)


def _equal_values(gold: Answer, answer: Answer, rules: Rules) -> bool:
    if gold.degrees is not answer.degrees:
        angle, other = (gold, answer) if gold.degrees else (answer, gold)
        if "\\pi" in other.text and other.unit in (NONE, RADIANS):
            # Radians, which pi is the sign of.
            return same_value(f"({angle.text})^{{\\circ}}", other.text)
    if not units_fit(gold, answer, rules):
        return False
    return equal_scalars(gold, answer, rules) or (rounds_to(gold, answer) and is_finished(answer, rules))


def _equal_to_all(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Compares a list with what is none: `5`, `\\{5\\}` and `5 or 5.0` are one answer, `5 or 6` is not."""
    members, one = (gold.items, answer) if gold.kind in _UNORDERED else (answer.items, gold)
    # Members of several things, `x=1, y=1` and `5 red, 5 blue`, are no one answer.
    names = {member.items[0].text for member in members if member.kind == "relation"}
    if not members or len(names) > 1 or any(not agree(first.unit, second.unit) for first, second in pairwise(members)):
        return False
    pairs = ((member, one) if one is answer else (one, member) for member in members)
    return all(_equal(*pair, rules) for pair in pairs)


def _equal_members(gold: Answer, answer: Answer, rules: Rules) -> bool:
    """Compares members in any order. Where one side repeats members and the other does not, once is as good."""
    if _match(gold.items, answer.items, rules):
        return True
    if max(len(gold.items), len(answer.items)) > MAX_REPEATING:
        return False
    wanted, found = _distinct(gold.items), _distinct(answer.items)
    repeats = len(wanted) < len(gold.items), len(found) < len(answer.items)
    return any(repeats) and not all(repeats) and _match(wanted, found, rules)


def _distinct(items: tuple[Answer, ...]) -> tuple[Answer, ...]:
    distinct: list[Answer] = []
    for item in items:
        if not any(_equal(item, other, _BY_VALUE) for other in distinct):
            distinct.append(item)
    return tuple(distinct)


def _match(gold: tuple[Answer, ...], answer: tuple[Answer, ...], rules: Rules) -> bool:
    about = {free_names(item.text) for item in gold if item.kind == "sequence" and item.text[:1] not in "(["}

    def equal(member: Answer, other: Answer) -> bool:
        # x > 2, y > 3 are two conditions on two unknowns.
        same_unknown = len(about) < 2 or free_names(member.text) == free_names(other.text)
        return _equal(member, other, rules) and same_unknown

    return len(gold) == len(answer) and equal_in_any_order(gold, answer, equal)


def _equal_relations(gold: Answer, answer: Answer, rules: Rules) -> bool:
    if gold.kind == "relation" and answer.kind == "relation":
        return _both_relations(gold, answer, rules)
    if gold.kind == "relation":
        # Nothing but the value is asked for where the ground truth says what it is the value of.
        *names, value = gold.items
        if set(gold.name.split()) != {"="} or not all(
            names_one_thing(name) or is_asked_for(rules.question, name.text) or same_value(name.text, value.text)
            for name in names
        ):
            return False
        return names_something(answer) == names_something(value) and _equal(value, answer, rules)
    sides = answer.items
    if set(answer.name.split()) != {"="}:
        return False
    # In x = y = 4 one of the names is enough.
    first = max(next((place for place, side in enumerate(sides) if not names_one_thing(side)), 1) - 1, 0)
    if names_one_thing(sides[first]) or is_asked_for(rules.question, sides[first].text):
        return _equal_to_sides(gold, sides[first + 1 :], rules)
    # Nothing but a name may be dropped: in `2 + 3 = 5` one side is no answer to what is 5, in `0.5 = 1/2` both are.
    return all(_equal(gold, side, rules) for side in sides)


def _equal_to_sides(gold: Answer, sides: tuple[Answer, ...], rules: Rules) -> bool:
    """In x = 2 + 3 = 5 every side but the name must be right (`6 = 5` is not 5), and one evaluated."""
    any_form = replace(rules, pure_equivalence=True)
    return any(_equal(gold, side, rules) for side in sides) and all(_equal(gold, side, any_form) for side in sides)


def _both_relations(gold: Answer, answer: Answer, rules: Rules) -> bool:
    answer = with_arguments_of(gold, answer)
    if gold.name != answer.name and ">" in answer.name + gold.name:
        gold, answer = _ascending(gold), _ascending(answer)
    if gold.name == answer.name and len(gold.items) == len(answer.items):
        pairs = zip(gold.items, answer.items, strict=True)
        if all(_equal(one, other, rules) for one, other in pairs):
            return True
    if gold.name != "=" or set(answer.name.split()) != {"="}:
        return False
    if len(answer.items) > 2 and names_one_thing(gold.items[0]) and answer.items[0].text == gold.items[0].text:
        # x = 2 + 3 = 5 for x = 5
        return _equal_to_sides(gold.items[1], answer.items[1:], rules)
    if names_one_thing(gold.items[0]) and gold.items[1].value is not None and not rules.pure_equivalence:
        # 2x = 10 is solved by x = 5: of its own forms only 5 = x is as good.
        return len(answer.items) == 2 and all(
            _equal(one, other, rules) for one, other in zip(gold.items, answer.items[::-1], strict=True)
        )
    if answer.text != gold.text and holds_equation(rules.question, answer.text) and not rules.pure_equivalence:
        return False
    return _same_equation(gold, answer)


def _ascending(relation: Answer) -> Answer:
    """Writes b > a as a < b."""
    operators = relation.name.split()
    if not set(operators) <= {">", ">="}:
        return relation
    name = " ".join(operator.replace(">", "<") for operator in reversed(operators))
    return Answer("relation", relation.text, relation.items[::-1], name)


def _same_equation(gold: Answer, answer: Answer) -> bool:
    """Takes 2x = 6 - 3y for 4x + 6y = 12: one is a multiple of the other."""
    if any(len(one.items) != 2 or {item.kind for item in one.items} != {"scalar"} for one in (gold, answer)):
        return False
    first, second = (tree_of(f"({one.items[0].text})-({one.items[1].text})") for one in (gold, answer))
    return first is not None and second is not None and proportional(first, second)


_BY_KIND: dict[str, Callable[[Answer, Answer, Rules], bool]] = {
    "quantified": lambda gold, answer, rules: equal_quantified(gold, answer, partial(_equal, rules=rules)),
    "labelled": lambda gold, answer, rules: equal_under_label(gold, answer, partial(_equal, rules=rules)),
    "approximation": _equal_approximations,
}
