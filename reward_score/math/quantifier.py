r"""Cuts off what only says for which values an answer holds: "for all real x", `k \in \mathbb{Z}`, "c any constant"."""

import re
import unicodedata
from dataclasses import dataclass

from reward_score.math.names import GREEK
from reward_score.math.spelling import word_set

MAX_CLAUSE_TOKENS = 60
"""Words and signs of a clause that are looked at: no place is looked at more often than that."""

_MAY_QUANTIFY = re.compile(r"\\in(?![A-Za-z])|\\forall|[∈∀]|\b(?:for|where|with)\b")
_WRAPPED = re.compile(r"\\(?:text|textrm|textit|textbf|mathrm|mbox|operatorname)\s?\{([^{}]*)\}")
_BLACKBOARD = re.compile(r"\\(?:mathbb|mathbf|Bbb|mathds)\s?(?:\{\s?([NZQRC])\s?\}|([NZQRC])(?![A-Za-z]))")
_BLANK = re.compile(r"\\[,;:! ]|~|\\q?quad(?![A-Za-z])|\\(?:left|right)(?![A-Za-z])|\$|\\[()]|\s")
_BLANKS = re.compile(r"\s\s+")
_TOKEN = re.compile(r"\\(?:[A-Za-z]+|[{}])|[A-Za-z]+|\S")

_ALL = word_set("all any every each some arbitrary \\forall ∀")
_GLUE = word_set(
    "for where with an a the is are be and number numbers value values element elements of , : \\in ∈ _ ^ { }"
)
_LETTERS = {letter: unicodedata.lookup(f"DOUBLE-STRUCK CAPITAL {letter}") for letter in "NZQRC"}
_MEANINGS = {
    word: meaning
    for meaning, words in {
        "integer": f"integer integers {_LETTERS['Z']}",
        "real": f"real reals {_LETTERS['R']}",
        "rational": f"rational rationals {_LETTERS['Q']}",
        "complex": f"complex {_LETTERS['C']}",
        "integer positive": f"natural naturals {_LETTERS['N']}",
        "positive": "positive +",
        "negative": "negative",
        "nonnegative": "nonnegative",
        "nonzero": "nonzero *",
        "non": "non",
        "": r"> \ne \neq \ge \geq \geqslant ≥ - 0 constant constants parameter parameters",
    }.items()
    for word in words.split()
}
_AT_LEAST = {"0": "nonnegative", "1": "positive"}
_BOUNDS = {
    ">": {"0": "positive"},
    "\\ne": {"0": "nonzero"},
    "\\neq": {"0": "nonzero"},
    **dict.fromkeys(("\\ge", "\\geq", "\\geqslant", "≥"), _AT_LEAST),
}
_COUNTING = word_set("i j k l m n")
_ENDS = word_set(r", ; . and or ) \}")


@dataclass(frozen=True)
class Quantified:
    """An answer without what it is quantified by.

    `names` stand for any value, or with "some" in `domain` for only some. `domain` is what is said of their values:
    "integer", "real", "positive" and so on.
    """

    text: str
    names: frozenset[str]
    domain: frozenset[str]


def cut_quantifiers(text: str) -> Quantified | None:
    """Cuts off the clauses that only quantify, in linear time; None where there are none.

    A clause that restricts ("if x > 0", "for x = 1, 2") stays.
    """
    if not _MAY_QUANTIFY.search(text):
        return None
    flat = _BLANKS.sub(" ", _BLANK.sub(" ", _WRAPPED.sub(r" \1 ", _BLACKBOARD.sub(_letter, text))))
    tokens = list(_TOKEN.finditer(flat))
    pieces: list[str] = []
    clauses: list[_Clause] = []
    place = kept = 0
    while place < len(tokens):
        clause = _Clause(tokens, place) if _may_start(tokens, place) else None
        if clause is None or not clause.quantifies:
            # What was read and is no clause is not read again, so that the time stays linear.
            place = max(place + 1, clause.reached if clause else 0)
            continue
        pieces.append(flat[kept : tokens[place].start()])
        kept = tokens[clause.end - 1].end()
        place = clause.end
        clauses.append(clause)
    left = "".join((*pieces, flat[kept:])).strip(" ,;.")
    if not clauses or not left:
        return None
    names = frozenset[str]().union(*(clause.names for clause in clauses))
    return Quantified(left, names, frozenset[str]().union(*(clause.domain for clause in clauses)))


def _letter(match: re.Match[str]) -> str:
    return f" {_LETTERS[match[1] or match[2]]} "


def _may_start(tokens: list[re.Match[str]], place: int) -> bool:
    token = tokens[place][0]
    if token in ("for", "where", "with", "\\forall", "∀"):
        return True
    following = [match[0] for match in tokens[place + 1 : place + 3]]
    return token in (",", "(", ";") and len(following) == 2 and _is_name(following[0]) and following[1] in ("\\in", "∈")


def _is_name(token: str) -> bool:
    return (len(token) == 1 and token.isalpha()) or (token[0] == "\\" and token[1:] in GREEK)


class _Clause:
    """What may be a clause from a place on: its end, the names in it, what it says of them, and whether that is all."""

    def __init__(self, tokens: list[re.Match[str]], place: int):
        self.names: set[str] = set()
        self.domain: set[str] = set()
        words: list[str] = []
        opener = tokens[place][0]
        self.end = place + (opener in ("(", ",", ";"))
        boundary = self.end
        most = min(len(tokens), place + MAX_CLAUSE_TOKENS)
        while self.end < most and self._takes(tokens[self.end][0], words):
            if tokens[self.end][0] in _ENDS:
                boundary = self.end
            self.end += 1
        self.reached = self.end
        if self.end < len(tokens) and tokens[self.end][0] not in _ENDS:
            # The last part of it was the beginning of something else.
            self._take_back(tokens, place, boundary)
            words = [token[0] for token in tokens[place : self.end]]
        if _LETTERS["N"] in words and "0" in words:
            self.domain = self.domain - {"positive"} | {"nonnegative"}
        if "some" in words:
            self.domain.add("some")
        said = bool(self.domain) or any(word in _MEANINGS for word in words)
        self.quantifies = self.end > place + 1 and bool(said or self.names) and (said or not _ALL.isdisjoint(words))
        if opener == "(":
            self.quantifies &= self.end < len(tokens) and tokens[self.end][0] == ")"
            self.end += 1
        bounded = not _BOUNDS.keys().isdisjoint(words)
        if bounded and self.names and self.names <= _COUNTING:
            self.domain.add("integer")
        if (
            bounded
            and _ALL.isdisjoint(words)
            and not any(word in _LETTERS.values() for word in words)
            and not self.names <= _COUNTING
        ):
            self.quantifies = False  # "for x > 0" restricts, and "for n > 0" says what n counts

    def _takes(self, token: str, words: list[str]) -> bool:
        if token in _LETTERS and words and words[-1] in ("\\in", "∈"):
            token = _LETTERS[token]
        before = words[-1] if words else ""
        words.append(token)
        if token.isdecimal() and before in _BOUNDS:
            self.domain.add(_BOUNDS[before].get(token, f"{before}{token}"))
        elif token in _MEANINGS:
            self.domain.update(_MEANINGS[token].split())
        elif token not in _ALL and token not in _GLUE:
            if not _is_name(token):
                return False
            self.names.add(token)
        return True

    def _take_back(self, tokens: list[re.Match[str]], place: int, boundary: int) -> None:
        self.end = boundary
        self.names, self.domain = set(), set()
        words: list[str] = []
        for token in tokens[place + (tokens[place][0] in ("(", ",", ";")) : boundary]:
            self._takes(token[0], words)
