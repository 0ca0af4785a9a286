r"""The letters of a canonical text, and the names that an equation may begin with so that its other side is the answer.

These stand alone, or are f(...) of one: `x = 5` says what x is; `x + 1 = 5` and `2x = 5` say something else, with the
same number at the end.
"""

import re
from collections.abc import Mapping

from reward_score.math.answer import Answer
from reward_score.math.brackets import closing
from reward_score.math.spelling import GREEK_NAMES, TEXT_CLOSE, TEXT_OPEN, word_set
from reward_score.math.unit_words import NEVER_UNITS, TAKEN_BACK

_TOKEN = re.compile(rf"\\([A-Za-z]+) ?|{TEXT_OPEN}[^{TEXT_CLOSE}]*{TEXT_CLOSE}?|([A-Za-z])")
GREEK = word_set("alpha beta gamma delta theta lambda mu nu xi rho sigma tau phi varphi psi omega ell")


_GREEK = rf"\\(?:{'|'.join(sorted(GREEK_NAMES))})(?![A-Za-z])"
_MARKS = r"(?:_\{[^{}]{1,40}\}|_[A-Za-z0-9]|'|\^\{\*\}|\^\*){0,3}"
_LETTER = rf"(?:\\Delta [A-Za-z]|[A-Za-z]|{_GREEK} ?){_MARKS}"
_FIGURE = rf"(?:\\(?:angle|measuredangle|triangle|odot|square) ?)?(?:[A-Z]{_MARKS}){{1,6}}"
_SHORT_WORDS = r"ans|sum|max|min|avg|gcd|lcm|det|deg|dim|[Vv]ar|Cov"
_WORD = rf"(?:{_SHORT_WORDS}|[A-Za-z]{{4,20}}){_MARKS}"
_CALLABLE = (
    rf"(?:{_LETTER}|{_WORD}|\((?:[A-Za-z]\\circ ?){{1,3}}[A-Za-z]\)|\\(?:gcd|lcm|max|min|det|deg|dim|Pr) ?)"
    r"(?:\^\{-1\}|\^\{\([0-9a-z]\)\})?"
)
_NAME = re.compile(
    rf"{_LETTER}|m?{_FIGURE}|m?\\angle ?(?:[0-9]|{_LETTER})|{_WORD}|\\?\|{_FIGURE}\\?\||\\\|{_LETTER}\\\|"
    rf"|\\frac\{{[A-Z]{{2}}\}}\{{[A-Z]{{2}}\}}|\\frac\{{d[A-Za-z]?\}}\{{d[A-Za-z]\}}(?:[A-Za-z])?"
    rf"|\\(?:max|min|gcd|lcm|(?:max|min|det|deg|dim|Pr|gcd|lcm) ?{_LETTER}) ?"
    rf"|\\(?:sin|cos|tan|cot|sec|csc) ?(?:{_FIGURE}|{_GREEK} ?)"
)
_CALL = re.compile(rf"({_CALLABLE}) ?(?=[(\[])")
# What begins so is a value, and no equation to be solved.
_BOUND = re.compile(r"\\(?:lim|sum|prod|int)(?![A-Za-z])")
_LENGTH = re.compile(r"\|\\(?:vec|overrightarrow|mathbf)\{?[A-Za-z]\}?\|")
_OF_SETS = re.compile(r"\\(?:cap|cup)(?![A-Za-z]) ?|[,']")
_ONE_LETTER = re.compile(r"(?<![A-Za-z_^}])\{([A-Za-z])\}")
_SUBSCRIPT = re.compile(r"(?:_\{[^{}]{1,40}\})?")
_ACCENT = re.compile(
    r"\\(?:overline|bar|hat|vec|tilde|widehat|widetilde|overrightarrow|underline|overarc|wideparen|dot|ddot)(?![A-Za-z])"
)
_QUANTITIES = word_set("answer answers sum difference product quotient remainder ratio least")
_UNKNOWNS = word_set("x y z k n m a b c d e i")


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Gives a canonical text with other names (letters, or Greek ones without their backslash), all changed at once."""

    def name(match: re.Match[str]) -> str:
        new = names.get(match[1] or match[2] or "")
        return match[0] if new is None else new if len(new) == 1 else f"\\{new} "

    return _TOKEN.sub(name, text)


def free_names(text: str) -> frozenset[str]:
    """Gives the letters and Greek letters in a canonical text, but for those of words, e and i."""
    found = {match[2] or (match[1] if match[1] in GREEK else None) for match in _TOKEN.finditer(text)}
    return frozenset(name for name in found if name) - {"e", "i"}


def names_one_thing(side: Answer) -> bool:
    r"""Tells whether one side of an equation is a name alone: `x`, `f(2)`, `\angle ABC`, `\text{the area}`."""
    if side.kind == "word":
        # "6 because 2 + 3" and "not x" name nothing.
        words = side.text.split()
        return side.text.replace(" ", "").isalpha() and TAKEN_BACK.isdisjoint(words)
    if side.kind == "ratio":
        return all(map(names_one_thing, side.items))
    if side.kind != "scalar" or side.value is not None:
        return False
    if _BOUND.match(side.text) or _LENGTH.fullmatch(side.text):
        return True
    text, accents = _ACCENT.subn("", _ONE_LETTER.sub(r"\1", side.text))
    text = text.replace("{", "").replace("}", "") if accents else text
    if _NAME.fullmatch(text.strip()):
        return True
    call = _CALL.match(text)
    end = closing(text[call.end() :]) if call else None
    if call is None or end is None or not _SUBSCRIPT.fullmatch(text, call.end() + end + 1):
        return False
    # x(2) is 2x: a letter that stands for a number is applied to names only.
    return call[1] not in _UNKNOWNS or _OF_SETS.sub("", text[call.end() + 1 : call.end() + end]).isalpha()


def labels_one_thing(words: str) -> bool:
    """Tells whether what stands before a colon says what the value is (`the minimum: 2`), and nothing about it."""
    return (NEVER_UNITS - _QUANTITIES).isdisjoint(words.split())
