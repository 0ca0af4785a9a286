r"""Reads what each part of an answer is called: `a=-3, b=4`, `(x,y)=(2,9)`, `\text{Minimum: } 2, ...`."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from reward_score.math.answer import Answer
from reward_score.math.latex import plain
from reward_score.math.names import labels_one_thing, names_one_thing

Equal = Callable[[Answer, Answer], bool]

_LEAST = re.compile(r"min|least|smallest|lowest|shortest", re.IGNORECASE)
_NUMBER = re.compile(r"_\{[0-9]\}$")
_MOST = re.compile(r"max|greatest|largest|highest|longest|most", re.IGNORECASE)


def labelled_parts(answer: Answer) -> list[tuple[str, Answer]] | None:
    """Gives the parts of an answer by their labels; None unless there are several, with different labels."""
    if answer.kind == "list":
        labelled = [read_label(item) for item in answer.items]
        parts = [part for part in labelled if part is not None]
        if len(parts) < len(labelled):
            return None
    else:
        parts = _tuple_parts(answer)
    return parts if len(parts) > 1 and len({label for label, _ in parts}) == len(parts) else None


def equal_under_label(gold: Answer, answer: Answer, equal: Equal) -> bool:
    """Compares two values of which one stands behind a label and a colon, at least."""
    labels = [one.items[0].text for one in (gold, answer) if one.kind == "labelled"]
    if len(set(labels)) > 1 or not labels_one_thing(labels[0]):
        return False
    one, other = (side.items[1] if side.kind == "labelled" else side for side in (gold, answer))
    return equal(one, other)


def by_solution(answer: Answer) -> Answer:
    """Reads `x=1, y=2, x=3, y=4` as two solutions, each of two parts: the labels repeat."""
    if answer.kind != "list":
        return answer
    labels = [label[0] if (label := read_label(item)) else None for item in answer.items]
    size = next((place for place, label in enumerate(labels) if place and label == labels[0]), len(labels))
    if None in labels or size in (1, len(labels)) or labels != labels[:size] * (len(labels) // size):
        return answer
    starts = range(0, len(labels), size)
    solutions = [Answer("list", f"{answer.text} {start}", answer.items[start : start + size]) for start in starts]
    return Answer("list", answer.text, tuple(solutions), answer.name)


def read_label(item: Answer) -> tuple[str, Answer] | None:
    """Takes a value and what it is called apart: `x = 72`, `Total: 72`; None where that is no name of it alone."""
    if item.kind not in ("relation", "labelled", "ratio") or len(item.items) != 2:
        return None
    name, value = item.items
    if item.kind == "ratio":
        # A: 5, as one label of several
        return (name.text, value) if len(name.text) == 1 and name.text.isalpha() else None
    if item.kind == "labelled" and not labels_one_thing(name.text):
        return None
    if item.kind == "relation" and (item.name != "=" or not (names_one_thing(name) or name.kind == "word")):
        return None
    return plain(name.text).casefold().strip() if name.kind == "word" else name.text, value


def _tuple_parts(answer: Answer) -> list[tuple[str, Answer]]:
    if answer.kind != "relation" or set(answer.name.split()) != {"="}:
        return []
    *names, values = answer.items
    if len(names) == 1 and names[0].kind == values.kind == "sequence" and len(names[0].items) == len(values.items):
        pairs = list(zip(names[0].items, values.items, strict=True))
    else:
        pairs = [(name, values) for name in names]  # x = y = 4
    return [(name.text, value) for name, value in pairs] if all(names_one_thing(name) for name, _ in pairs) else []


def equal_by_label(gold: Answer, answer: Answer, equal: Equal) -> bool:
    """Compares two answers, at least one of which has labels.

    Parts with the same labels may come in any order; where one side has none, the labels tell the order its parts are
    meant in.
    """
    wanted, found = labelled_parts(gold), labelled_parts(answer)
    if wanted and found:
        named = dict(found)
        return len(wanted) == len(found) and all(label in named and equal(part, named[label]) for label, part in wanted)
    # Labels such as x_1 and x_2 only count solutions.
    if wanted and answer.kind == "list" and len({_NUMBER.sub("", label) for label, _ in wanted}) == 1:
        return equal_in_any_order([part for _, part in wanted], _unlabelled(answer), equal)
    if wanted:
        return _equal_in_order(_in_meant_order(wanted, few=0), _unlabelled(answer), equal)
    if not found or gold.kind not in ("list", "sequence"):
        return False
    if gold.kind == "list" and all(not _is_letter(label) for label, _ in found):
        return _keeps_size(found) and equal_in_any_order(_unlabelled(gold), [part for _, part in found], equal)
    return _equal_in_order(_unlabelled(gold), _in_meant_order(found), equal)


def _in_meant_order(parts: list[tuple[str, Answer]], few: int = 2) -> list[Answer]:
    """Gives the parts in the order of the alphabet, where their labels are letters and make a row of it, or are few."""
    letters = sorted(label for label, _ in parts if _is_letter(label))
    follow = all(ord(after) - ord(before) == 1 for before, after in pairwise(letters))
    if len(letters) == len(parts) and (len(letters) <= few or follow):
        parts = sorted(parts, key=lambda pair: pair[0])
    return [part for _, part in parts]


def _unlabelled(answer: Answer) -> list[Answer]:
    is_point = answer.kind == "sequence" and answer.name in ("()", "\\langle\\rangle")
    return list(answer.items) if is_point or answer.kind == "list" else []


def _equal_in_order(gold: list[Answer], answer: list[Answer], equal: Equal) -> bool:
    return len(gold) == len(answer) and all(map(equal, gold, answer))


def equal_in_any_order(gold: Sequence[Answer], answer: Sequence[Answer], equal: Equal) -> bool:
    """Tells whether each of the parts equals another one of the answer's, none of which is left."""
    left = list(answer)
    for part in gold:
        place = next((place for place, other in enumerate(left) if equal(part, other)), None)
        if place is None:
            return False
        del left[place]
    return not left


def _is_letter(label: str) -> bool:
    return re.fullmatch(r"[A-Za-z]", label) is not None


def _keeps_size(parts: list[tuple[str, Answer]]) -> bool:
    """Tells whether what is called the least is no more than what is called the greatest."""
    least = [part.value for label, part in parts if _LEAST.search(label) and part.value is not None]
    most = [part.value for label, part in parts if _MOST.search(label) and part.value is not None]
    return all(low <= high for low in least for high in most)
