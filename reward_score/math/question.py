r"""What a verifier takes from the prompt, where it is at hand: its words, its expressions, its options; and choices.

An expression that the prompt holds is no answer to it where the ground truth is another one of the same value; what the
prompt speaks of may stand behind a number; behind a choice, as in `\text{(C) Cube}`, only its own text may stand.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from reward_score.math.answer import Answer
from reward_score.math.expression import tree_of
from reward_score.math.latex import canonical, plain
from reward_score.math.spelling import FUNCTIONS
from reward_score.math.tree import Node, symbols
from reward_score.math.unit_words import NEVER_UNITS, RESERVED, TAKEN_BACK
from reward_score.verdict import ExtraInfo

MAX_CHARS = 8_000
MAX_CHOICE_CHARS = 200
MAX_RUNS = 100
MAX_RUN_CHARS = 300

_WORD = re.compile(r"[A-Za-z]{2,}")
_HOW_MANY = re.compile(r"how many ((?:[a-z]+ ){0,3}[a-z]+)")
_EXPAND = re.compile(r"\b(?:expand|multipl|simplif|distribut)", re.IGNORECASE)
# What parts two expressions in a text: signs of punctuation and of formulas, words, a text, an environment.
_PIECE = re.compile(
    r"\\(?:text|mbox|begin|end)\{[^{}]*\}|\\[A-Za-z]+|\\.|[A-Za-z]{2,}|\.\s|[^A-Za-z\\]|[A-Za-z]", re.DOTALL
)
_PARTING = frozenset(("$", "?", ":", ";", ",", "\n", "\\(", "\\)", "\\[", "\\]", "\\\\", "&", "\\", "!"))
_DELIMITERS = ("$", "\\(", "\\)", "\\[", "\\]")
_RELATION = re.compile(r"=|<|>|\\(?:le|ge|ne|approx)(?![A-Za-z])")
_OPTION = re.compile(r"\(([A-J])\)|(?<![A-Za-z0-9])([A-J])[.)](?=\s)")
_NOT_TEXT = re.compile(r"[^0-9a-z]")
_CHOICE = re.compile(
    r"\((?P<bracketed>[A-Ja-j])\)[.:]?(?P<text>.*)|(?P<marked>[A-J])[.:)](?P<behind>.*)"
    r"|(?:[Oo]ption|[Cc]hoice) ?\(?(?P<named>[A-J])\)?",
    re.DOTALL,
)
_SYMBOL = re.compile(r"\([A-Ja-j]\)|[A-Za-z0-9\\^_{=+*/'-]+(?: [a-z])?")
_LETTERS = frozenset("ABCDEFGH")
_LOWER_WORD = re.compile(r"[a-z]+")
_SAID_OF_IT = TAKEN_BACK | frozenset(
    ("is", "are", "was", "isn't", "answer", "option", "choice", "correct", "both", "also")
)


def question_of(extra_info: ExtraInfo) -> str:
    """Gives the end of a row's prompt: of `question`, the bare question, else of `prompt_text`, the last message."""
    for name in ("question", "prompt_text"):
        text = (extra_info or {}).get(name)
        if isinstance(text, str) and text:
            return text[-MAX_CHARS:]
    return ""


@lru_cache(maxsize=4096)
def unit_words(question: str) -> frozenset[str]:
    """Gives the words of a prompt that may stand behind a number, arithmetic ones if their number is asked for."""
    lower = question.lower()
    asked = {word for match in _HOW_MANY.finditer(lower) for word in match[1].split()}
    return (frozenset(_WORD.findall(lower)) - NEVER_UNITS - RESERVED) | (RESERVED & asked)


def stands_in(question: str, tree: Node) -> bool:
    """Tells whether a prompt holds an expression, whatever the order of its terms and factors."""
    return bool(question) and _sorted(tree) in _expressions(question)[0]


def is_asked_for(question: str, text: str) -> bool:
    """Tells whether an expression with variables stands alone in a prompt, as the `a+b` of "Find a+b"."""
    tree = tree_of(text) if question else None
    return tree is not None and bool(symbols(tree)) and _sorted(tree) in _expressions(question)[1]


def holds_equation(question: str, text: str) -> bool:
    """Tells whether a prompt holds an equation, by its canonical text."""
    return bool(question) and text.replace(" ", "") in _expressions(question)[2]


def asks_to_expand(question: str) -> bool:
    """Tells whether a prompt asks for products to be multiplied out."""
    return _EXPAND.search(question) is not None


@lru_cache(maxsize=1024)
def options(question: str) -> Mapping[str, str]:
    """Gives the options of a prompt: what stands behind (A), (B), ..., as `option_text` spells it."""
    marks = list(_OPTION.finditer(question))
    ends = [mark.start() for mark in marks[1:]] + [len(question)]
    return {
        mark[1] or mark[2]: option_text(question[mark.end() : min(end, mark.end() + MAX_RUN_CHARS)])
        for mark, end in zip(marks, ends, strict=False)
    }


def option_text(text: str) -> str:
    """Spells the text of an option so that equal ones are equal."""
    return _NOT_TEXT.sub("", canonical(text).lower())


@lru_cache(maxsize=1024)
def _expressions(question: str) -> tuple[frozenset[Node], frozenset[Node], frozenset[str]]:
    """The expressions of a prompt, those of them that stand in no relation, and the relations."""
    trees: list[Node] = []
    alone: list[Node] = []
    relations: list[str] = []
    for run in _runs(question):
        text = canonical(run)
        sides = _RELATION.split(text)
        found = [_sorted(tree) for side in sides if (tree := tree_of(side))]
        trees += found
        if len(sides) == 1:
            alone += found
        else:
            relations.append(text.replace(" ", ""))
    return frozenset(trees), frozenset(alone), frozenset(relations)


def _runs(question: str) -> Iterator[str]:
    run: list[str] = []
    in_formula = False
    count = 0
    for piece in (*(match[0] for match in _PIECE.finditer(question)), "$"):
        is_word = len(piece) > 1 and piece.isalpha() and not in_formula and piece not in FUNCTIONS
        if not (is_word or piece in _PARTING or (len(piece) > 1 and (piece[0] == "." or piece[-1] == "}"))):
            run.append(piece)
            continue
        if piece in _DELIMITERS:
            in_formula = piece in ("\\(", "\\[") or (piece == "$" and not in_formula)
        text = "".join(run).strip(" .")
        run = []
        if 1 < len(text) <= MAX_RUN_CHARS:
            yield text
            count += 1
        if count == MAX_RUNS:
            return


def _sorted(tree: Node) -> Node:
    """Gives a tree whose sums and products are flat and in one order."""
    parts = [_sorted(part) for part in tree.parts]
    if tree.kind in ("+", "*"):
        flat = [inner for part in parts for inner in (part.parts if part.kind == tree.kind else (part,))]
        parts = sorted(flat, key=repr)
    return Node(tree.kind, tuple(parts), tree.value, tree.name)


def read_choice(text: str) -> Answer | None:
    """Reads a choice; its `name` is its own text as `option_text` spells it, "" without one."""
    if len(text) > MAX_CHOICE_CHARS or ("(" not in text[:9] and text[:1] not in "ABCDEFGHIJCcOo\ue000"):
        return None
    shown = plain(text).strip(" .")
    match = _CHOICE.fullmatch(shown)
    if match is None:
        return None
    own = (match["text"] or match["behind"] or "").strip()
    letter = match["bracketed"] or match["marked"] or match["named"]
    return Answer("choice", letter, (Answer("word", own),) if own else (), option_text(own))


def equal_choices(gold: Answer, answer: Answer, question: str) -> bool:
    """Compares two answers, at least one of which is a choice: the letters, and its own text if there is any.

    That is the ground truth's or the prompt's; where neither is known, any that names no other choice and takes nothing
    back.
    """
    if gold.text.upper() != answer.text.upper() or len(gold.text) != 1:
        return False
    lower = gold if gold.text.islower() else answer
    if gold.text != answer.text and lower.kind != "choice" and gold.kind != "choice":
        return False  # d is no D, but (d) is
    if not answer.items:
        return not gold.items or _is_own_text(gold.items[0].text)
    own = gold.name or (options(question).get(answer.text.upper(), "") if question else "")
    if own:
        return answer.name == own
    return _is_own_text(answer.items[0].text)


def _is_own_text(text: str) -> bool:
    """Tells whether a text may be a choice's own: it names no other choice and takes nothing back."""
    # "A cube" begins with an article; 3A and A' are no choices.
    named = any(_LETTERS.issuperset(token) or token[0] == "(" for token in _SYMBOL.findall(text.replace("(", " (")))
    return not named and _SAID_OF_IT.isdisjoint(_LOWER_WORD.findall(text.lower()))
