"""Whether an answer without a call says something, or is empty or gibberish.

An answer says something if it has letters; one may be all, as the answer to a question with choices. Nothing is said
where half of the words are Latin and cannot be pronounced in any language (no vowel, r or l, six consonants in a row, a
run along the keyboard), where one word is all there is, again and again, or where a quarter of the characters do not
print. What words mean is not judged. An empty list, `[]`, is an explicit "no calls".
"""

import re
from typing import Final

_WORD = re.compile(r"[^\W\d_]+")
_EMPTY_LIST = re.compile(r"(?:```[a-z]*\s*)?\[\s*\](?:\s*```)?")
_BROKEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff\ufffd]")

_LATIN = re.compile(r"[A-Za-z]+")
_SYLLABLE = re.compile(r"[aeiouywrl]")  # Welsh has w, Czech r and l
_KEYS: Final = "qwe|sdf|dfg|fgh|ghj|hjk|jkl|zxc|xcv|cvb|vbn|bnm"
_MASHED = re.compile(rf"[bcdfghjklmnpqrstvxz]{{6}}|{_KEYS}|q[bcdfghjklmnpqstvxz]|[jqvx][jqx]|(.)\1\1\1")

_LONGEST_WORD: Final = 60
_WORDS_READ: Final = 200
_FEW_WORDS: Final = 4
_REPETITION: Final = 20


def says_something(text: str) -> bool:
    """Says, in linear time, whether the text beside the calls is more than nothing or gibberish, or an empty list."""
    text = text.strip()
    if _EMPTY_LIST.fullmatch(text):
        return True
    if 4 * len(_BROKEN.findall(text)) > len(text):
        return False
    words = [match[0].lower() for match, _ in zip(_WORD.finditer(text), range(_WORDS_READ), strict=False)]
    different = set(words)
    if len(words) >= _FEW_WORDS and len(different) <= min(max(1, len(words) // _REPETITION), _FEW_WORDS):
        return False
    return 2 * sum(map(_is_gibberish, different)) < len(different)


def _is_gibberish(word: str) -> bool:
    if len(word) > 2 and len(set(word)) == 1:
        return True
    if not _LATIN.fullmatch(word):
        return False
    if len(word) > _LONGEST_WORD or _MASHED.search(word):
        return True
    return len(word) > 1 and not _SYLLABLE.search(word)
