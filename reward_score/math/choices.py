r"""Reads a choice: its letter, and its own text where that stands behind it, as in `\text{(C) Cube}` and `C. Cube`."""

import re

from reward_score.math.answer import Answer
from reward_score.math.latex import plain
from reward_score.math.question import option_text, options
from reward_score.math.unit_words import TAKEN_BACK

MAX_CHARS = 200

_CHOICE = re.compile(
    r"\((?P<bracketed>[A-Ja-j])\)[.:]?(?P<text>.*)|(?P<marked>[A-J])[.:)](?P<behind>.*)"
    r"|(?:[Oo]ption|[Cc]hoice) ?\(?(?P<named>[A-J])\)?",
    re.DOTALL,
)
_TOKEN = re.compile(r"\([A-Ja-j]\)|[A-Za-z0-9\\^_{=+*/'-]+(?: [a-z])?")
_LETTERS = frozenset("ABCDEFGH")
_WORD = re.compile(r"[a-z]+")
_SAID_OF_IT = TAKEN_BACK | frozenset(
    ("is", "are", "was", "isn't", "answer", "option", "choice", "correct", "both", "also")
)


def read_choice(text: str) -> Answer | None:
    """Reads a choice; its `name` is its own text as `option_text` spells it, "" without one."""
    if len(text) > MAX_CHARS or ("(" not in text[:9] and text[:1] not in "ABCDEFGHIJCcOo\ue000"):
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
    named = any(_LETTERS.issuperset(token) or token[0] == "(" for token in _TOKEN.findall(text.replace("(", " (")))
    return not named and _SAID_OF_IT.isdisjoint(_WORD.findall(text.lower()))
