"""Finds and changes the letters that are names in a canonical text."""

import re
from collections.abc import Mapping

from reward_score.math.spelling import TEXT_CLOSE, TEXT_OPEN, word_set

_TOKEN = re.compile(rf"\\([A-Za-z]+) ?|{TEXT_OPEN}[^{TEXT_CLOSE}]*{TEXT_CLOSE}?|([A-Za-z])")
GREEK = word_set("alpha beta gamma delta theta lambda mu nu xi rho sigma tau phi varphi psi omega ell")


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
