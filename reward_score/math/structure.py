r"""Takes an answer apart: lists, sets, tuples, intervals, unions, matrices, relations, and what is left, scalars.

One answer may have two readings (`1,234` is a number or a list of two); what equals the ground truth in one of them is
equal.
"""

import re
from fractions import Fraction

from reward_score.math.answer import Answer
from reward_score.math.brackets import (
    CLOSERS,
    OPENERS,
    SCAN,
    both_signs,
    closing,
    each_sign,
    split_outside,
    strip_braces,
)
from reward_score.math.exact_number import read_number
from reward_score.math.latex import plain
from reward_score.math.names import free_names, names_one_thing
from reward_score.math.quantity import TIME, read_quantity
from reward_score.math.question import read_choice
from reward_score.math.reals import read_interval
from reward_score.math.spelling import EITHER, ROW_END, SEPARATOR, TEXT_CLOSE, TEXT_OPEN, word_set
from reward_score.math.units import NONE

MAX_MEMBERS = 64
MAX_DEPTH = 6
MAX_SIDES = 8

_RELATIONS = {"=": "=", "<": "<", ">": ">", "\\le": "<=", "\\ge": ">=", "\\ne": "!=", "\\in": "in"}
_MATRIX = re.compile(
    r"\\begin\{(?P<name>[pbvVB]?matrix|smallmatrix|array)\}(?:\{[lcr|]*\})?(?P<rows>.*)\\end\{(?P=name)\}", re.DOTALL
)
_SYSTEM = re.compile(
    r"(?:\\begin\{(?:cases|aligned|align|gathered)\}|\\\{\\begin\{array\}\{[lcr|]*\})(?P<rows>.*)"
    r"\\end\{(?:cases|aligned|align|gathered|array)\}",
    re.DOTALL,
)
_WORD = re.compile(rf"(?:{TEXT_OPEN}[^{TEXT_CLOSE}]*{TEXT_CLOSE}|[A-Za-z]{{2,}}(?![A-Za-z])| |-|'|\.)+")
_EXCEPT = re.compile(
    rf"{TEXT_OPEN}? ?(?:R|\{{R\}}|[Aa]ll reals?(?: numbers| values)?)[ {TEXT_OPEN}{TEXT_CLOSE}]*"
    rf"(?:except|excluding)(?: for)?[ {TEXT_OPEN}{TEXT_CLOSE}]*"
)
_DESCRIBED = re.compile(r"([A-Za-z])(?:\\in ?(?:R|\{R\}))?[|:]")
_TRANSPOSED = word_set(r")^{T} ]^{T} )^{\top} ]^{\top} )^{t}")
_SHORT_WORDS = word_set("yes no odd red one two six ten all any tie win sun mon tue wed thu fri sat")
_INFINITE = ("infinity", "infinite", "infinitely many")
_VARIABLE = re.compile(r"[A-Za-z\\]")
_DIGIT = re.compile(r"[0-9]")
_INTEGER = re.compile(r"-?[0-9]{1,100}")
_CONSTANTS = re.compile(
    r"\\(?:pi|frac|sqrt|cdot|pm|mp|infty|circ|left|right|binom)(?![A-Za-z])|(?<![A-Za-z])[ei](?![A-Za-z])"
)


def read_answer(text: str) -> tuple[Answer, ...]:
    """Takes a canonical text (`math.latex.canonical`) apart; gives its readings, the likeliest first."""
    if _INTEGER.fullmatch(text):
        # Most answers are one: it needs none of what follows.
        return (Answer("scalar", text, value=Fraction(int(text))),)
    text = strip_braces(text)
    if but_some := _EXCEPT.match(text):
        text = f"R\\setminus\\{{{text[but_some.end() :].replace('x=', '')}\\}}"
    readings = [_read(text, 0)]
    if readings[0].kind == "list" and not any(mark in text for mark in (SEPARATOR, EITHER, "(", "[", "\\{")):
        quantity = read_quantity(text)
        if quantity.value is not None:
            readings.insert(0, quantity)
    choice = read_choice(text)
    return (choice, *readings) if choice else tuple(readings)


def read_each_sign(text: str) -> tuple[Answer, ...]:
    """Reads an answer with two or three signs `\\pm` as one where each may be either, if it is such a one."""
    variants = each_sign(text)
    return (_collection("list", variants, text, 0),) if variants else ()


def _read(text: str, depth: int) -> Answer:
    if depth > MAX_DEPTH:
        return Answer("word", text)
    text = strip_braces(text.strip(TEXT_CLOSE) if TEXT_OPEN not in text else text.lstrip(TEXT_CLOSE))
    members = split_outside(text, (SEPARATOR, EITHER, ","))
    if len(members) > 1:
        return _collection("list", members, text, depth, "or" if EITHER in text else "")
    signs = [] if text.startswith("\\{") else both_signs(text)
    if signs:
        return _collection("list", signs, text, depth)
    pieces = split_outside(text, ("\\cup",))
    if len(pieces) > 1:
        return _collection("union", pieces, text, depth)
    pieces = _difference(text) if "\\setminus" in text or "-\\{" in text else pieces
    if len(pieces) > 1:
        return _collection("difference", pieces, text, depth)
    text = text.replace(SEPARATOR, ",")  # those that are left stand in brackets, as in f(1, 2)
    return (
        _read_label(text, depth)
        or _read_approximation(text, depth)
        or _read_system(text, depth)
        or _read_relation(text, depth)
        or _read_bracketed(text, depth)
        or _read_matrix(text, depth)
        or _read_ratio(text, depth)
        or _read_scalar(text)
    )


def _difference(text: str) -> list[str]:
    pieces = split_outside(text, ("\\setminus",))
    if len(pieces) == 1:
        # A - {2} takes the place of A \\ {2} only between two sets.
        whole, sign, left_out = text.rpartition("-\\{")
        if sign and whole.endswith(("\\}", ")", "]", "R", "R}")) and left_out.endswith("\\}"):
            return [whole, "\\{" + left_out]
    return pieces


def _read_approximation(text: str, depth: int) -> Answer | None:
    if "\\approx" not in text:
        return None
    head, _, decimal = text.partition("(\\approx")
    # An approximation in parentheses is one behind them.
    sides = [head, decimal[:-1]] if decimal.endswith(")") else split_outside(text, ("\\approx",))
    if not 2 <= len(sides) <= MAX_SIDES:
        return None
    items = tuple(_read(side, depth + 1) for side in sides)
    return Answer("approximation", text, items[1:] if not sides[0] or names_one_thing(items[0]) else items)


def _read_label(text: str, depth: int) -> Answer | None:
    head, colon, value = text.partition(":")
    words = plain(head).strip()
    if (
        not colon
        or not words.replace(" ", "").isalpha()
        or not (TEXT_OPEN in head or (len(words) > 2 and not words.isupper()))
    ):
        return None
    if head.count(TEXT_OPEN) > head.count(TEXT_CLOSE):
        inside, closed, value = value.partition(TEXT_CLOSE)
        if inside.strip() or not closed:
            return None
    label = Answer("word", words.casefold())
    return Answer("labelled", text, (label, _read(value, depth + 1))) if value.strip() else None


def _read_ratio(text: str, depth: int) -> Answer | None:
    if ":" not in text or TEXT_OPEN in text:
        return None
    time = read_quantity(text)
    if time.unit != NONE or TIME.fullmatch(text):
        return time
    parts = split_outside(text, (":",))
    if len(parts) < 2 or not all(parts):
        return None
    return Answer("ratio", text, tuple(_read(part, depth + 1) for part in parts[:MAX_MEMBERS]))


def _collection(kind: str, members: list[str], text: str, depth: int, name: str = "") -> Answer:
    if len(members) > MAX_MEMBERS:
        return Answer("word", text)
    items: list[Answer] = []
    for member in members:
        variants = both_signs(member) if kind in ("set", "list") else []
        items.extend(_read(variant, depth + 1) for variant in variants or [member])
    return Answer(kind, text, tuple(items), name)


def _read_bracketed(text: str, depth: int) -> Answer | None:
    opener = next((token for token in ("\\{", "\\langle", "(", "[") if text.startswith(token)), None)
    place = closing(text) if opener else None
    if opener is None or place is None:
        return None
    closer = text[place:]
    if closer in _TRANSPOSED and opener in ("(", "["):
        column = _read_bracketed(text[: place + 1], depth)
        rows = tuple(Answer("row", item.text, (item,)) for item in column.items) if column else ()
        return Answer("matrix", text, rows, "matrix")
    if closer not in (")", "]", "\\}", "\\rangle"):
        return None
    content = text[len(opener) : place].strip()
    members = split_outside(content, (SEPARATOR, EITHER, ","))
    if opener == "\\{":
        described = _read_described(content, depth) if closer == "\\}" else None
        if described is not None:
            return described
        if closer != "\\}":
            return None
        return _collection("set", members, text, depth) if content else Answer("scalar", "\\emptyset")
    if len(members) > 1:
        return _collection("sequence", members, text, depth, opener + closer)
    return _read(content, depth + 1) if opener + closer in ("()", "[]") and content else None


def _read_described(content: str, depth: int) -> Answer | None:
    """Reads `x | -3<x<7`, in braces, as the interval, and a condition that is none of intervals not at all."""
    match = _DESCRIBED.match(content)
    if match is None:
        return None
    condition = _read(content[match.end() :], depth + 1)
    conditions = condition.items if condition.kind == "list" else (condition,)
    about = match[1]
    solved = all(one.kind == "relation" and one.name == "=" and one.items[0].text == about for one in conditions)
    is_real = all(
        free_names(one.text) == frozenset(about) if one.kind == "relation" else one.kind in ("sequence", "union")
        for one in conditions
    )
    return condition if solved or (is_real and all(about in free_names(one.text) for one in conditions)) else None


def _read_system(text: str, depth: int) -> Answer | None:
    """Reads equations under one another as a list of them."""
    match = _SYSTEM.fullmatch(text)
    lines = match["rows"].replace("&=", "=").replace("=&", "=") if match else ""
    rows = [row.strip(",.") for row in split_outside(lines, (ROW_END,)) if row]
    if len(rows) < 2 or "&" in lines:
        return None
    system = _collection("list", rows, text, depth)
    return system if all(item.kind == "relation" for item in system.items) else None


def _read_matrix(text: str, depth: int) -> Answer | None:
    match = _MATRIX.fullmatch(text)
    if match is None:
        return None
    rows = [row for row in split_outside(match["rows"], (ROW_END,)) if row]
    cells = [split_outside(row, ("&",)) for row in rows]
    if sum(len(row) for row in cells) > MAX_MEMBERS:
        return Answer("word", text)
    items = tuple(_collection("row", row, "&".join(row), depth + 1) for row in cells)
    return Answer("matrix", text, items, "determinant" if match["name"][0] in "vV" else "matrix")


def _read_relation(text: str, depth: int) -> Answer | None:
    if not any(sign in text for sign in ("=", "<", ">", "\\le", "\\ge", "\\ne", "\\in")):
        return None
    operators: list[str] = []
    sides: list[str] = []
    level = start = 0
    for match in SCAN.finditer(text):
        token = match[0]
        level += (token in OPENERS) - (token in CLOSERS)
        if level == 0 and token in _RELATIONS:
            sides.append(text[start : match.start()].strip())
            operators.append(_RELATIONS[token])
            start = match.end()
    sides.append(text[start:].strip())
    if not operators:
        return None
    if len(sides) > MAX_SIDES:
        return Answer("word", text)
    if not sides[0] and len(sides) == 2 and operators == ["="]:
        return _read(sides[1], depth + 1)
    if operators == ["in"] and re.fullmatch(r"[A-Za-z](?:_\{\w+\})?|\((?:[A-Za-z],)+[A-Za-z]\)", sides[0]):
        return _read(sides[1], depth + 1)
    relation = Answer(
        "relation", text, tuple(_read(side, depth + 1) for side in sides), " ".join(operators[:MAX_SIDES])
    )
    return read_interval(relation) or relation


def names_something(side: Answer) -> bool:
    """Tells whether the left side of an equation is a name or an unknown (`x`, `f(x)`, `x+y`) and no number."""
    if side.kind == "word" and any(character.isdigit() for character in side.text):
        # "6 because 2 + 3" names nothing.
        return False
    return side.value is None and _VARIABLE.search(_CONSTANTS.sub("", side.text)) is not None


def _read_scalar(text: str) -> Answer:
    if text.casefold() in _SHORT_WORDS:
        return _word(text)
    if _WORD.fullmatch(text) and (TEXT_OPEN in text or len(text) >= 4) and not _DIGIT.search(text):
        return _word(text)
    quantity = read_quantity(text)
    if TEXT_OPEN in quantity.text:
        return _word(text)
    return quantity


def _word(text: str) -> Answer:
    word = plain(text).strip(" .")
    inner = re.fullmatch(r"\(([A-Za-z])\)", word)
    if inner or len(word) == 1:
        return Answer("scalar", inner[1] if inner else word)
    if word in _INFINITE:
        return Answer("scalar", "\\infty")
    number = read_number(word)
    if number is not None:
        return Answer("scalar", word, value=number)
    return Answer("word", re.sub(r"[\s-]+", " ", word).casefold())
