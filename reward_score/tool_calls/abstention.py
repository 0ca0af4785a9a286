"""Whether an answer without a call that could be read abstains from calling: it attempts none, and says something.

An attempt is a call in a syntax that is not read, or in one that is spelled wrong. Told from text that only speaks of a
function are: the tokens and tags by which models and servers mark calls, tags within two letters of `tool_call`, JSON
with a function's name and its arguments, and a function that is offered with arguments in brackets, in a list or at the
end of its line. `f()` within a sentence, a function's schema and code that calls other functions are no attempt.

An answer says something if it has letters; one may be all, as the answer to a question with choices. Nothing is said
where half of the words are Latin and cannot be pronounced in any language (no vowel, r or l, six consonants in a row, a
run along the keyboard), where one word is all there is, again and again, or where a quarter of the characters do not
print. What words mean is not judged. An empty list, `[]`, is an explicit "no calls".
"""

import re
from collections.abc import Collection
from typing import Final

from reward_score.tool_calls.json import UnreadableError
from reward_score.tool_calls.parser import read_json, read_llama
from reward_score.tool_calls.python import ends_in_prose, read_python

MOST_LOOKED_AT: Final = 200
"""Different tags, and mentions of functions that are offered. An answer with more is no plain text."""

_MARK = re.compile(r"[<\[{|`\N{BLACK FLORETTE}>]|to=functions|Action\sInput", re.IGNORECASE)
# What begins a call in the template of some model: Mistral, Qwen-Agent, Phi-4, Llama 3, InternLM, Cohere, gpt-oss,
# Qwen3-Coder, Anthropic, LM Studio, ReAct; a tag's name beside half of its brackets.
_TOKEN = re.compile(
    r"""\[/?\s*TOOL[_ ]?(?:CALLS?|REQUEST|USE)|\[ARGS\]|\N{BLACK FLORETTE}[A-Z]|functools\s*\["""
    r"""|<\|?python_tag|<\|action_start|</?\s?tool\scalls?\b|<\|START_ACTION|\bto=functions\."""
    r"""|<\|?(?:functions?|invoke|parameter)\s*(?:=|\s[a-z]{1,20}=)"""
    r"""|```[^\S\n]*(?:tool|function)_?(?:calls?|code)|<tools?>\s*[\[{]|^[^\S\n]*\**Action[^\S\n]Input\**\s{0,4}:"""
    r"""|[<>\[\]{}|](?:/|\s)?(?:tool|function)[_-]?calls?\b|\b(?:tool|function)[_-]?calls?\s?[<>\[{}|]""",
    re.IGNORECASE | re.MULTILINE,
)
_TAG = re.compile(r"<[\s/|\N{FULLWIDTH VERTICAL LINE}]{0,4}([A-Za-z][\w:.\N{LOWER ONE EIGHTH BLOCK}-]{0,40})")
_TAG_WORDS: Final = ("toolcal", "functioncal", "tooluse", "toolcode", "toolrequest", "functioninv")
_TAG_NAME: Final = "toolcall"
_LETTERS = re.compile(r"[^a-z]+")

_KEY: Final = r"""[{{,]\s*\\?["']?(?:{})\\?["']?\s*:\s*"""
_NAME_KEY = re.compile(
    _KEY.format(r"name|function(?:_?name)?|tool(?:_?name)?|action|recipient_name|api(?:_?name)?") + r"""\\?["'{]"""
)
_NO_SCHEMA: Final = r"""(?!\{\s*\\?["'](?:properties\\?["']|type\\?["']\s*:\s*\\?["'](?:object|dict)))"""
_ARGUMENTS_KEY = re.compile(
    _KEY.format(r"arguments|parameters|args|kwargs|params|(?:action_|tool_)?input") + _NO_SCHEMA + r"""\\?["'{\[]"""
)
_ARGUMENTS_LINE = re.compile(
    r"^[*#>-]{0,4} ?(?:arguments|parameters|args|input)\**:\**\s{0,4}(?:```(?:json)?\s{0,4})?"
    + _NO_SCHEMA
    + r"\{\s*[\"']",
    re.IGNORECASE | re.MULTILINE,
)
_CALLS_KEY = re.compile(r"""["'](?:tool_calls|function_call)["']\s*:\s*(?:\[\s*)?[{"']""")

# Names are bounded, because each of their parts is looked up.
_CALL = re.compile(r"(?<![\w.])([^\W\d][\w.]{0,200})\s{0,2}\(\s*(?:\w+\s*(?:=(?!=)|:\s*[\"'\d])|[{\"'\[]|\)|\n)")
_CALLED_WITH_OBJECT = re.compile(r"""(?<![\w.])([^\W\d][\w.]{0,200})(?=["'`]?\s{0,2}:?\s{0,2}\{\s*["']\w+["']\s*:)""")


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


def find_attempt(answer: str, offered: Collection[str]) -> str:
    """Says what looks like an attempt to call in an answer in which no call was read; "" if nothing does.

    `offered` are the names of the functions that may be called, where they are known. Time is linear in the answer.
    """
    if _MARK.search(answer) and (_TOKEN.search(answer) or _has_tag(answer, offered)):
        return "a call in another syntax, or with a misspelt tag"
    if _CALLS_KEY.search(answer) or (_NAME_KEY.search(answer) and _ARGUMENTS_KEY.search(answer)):
        return "a call in another syntax: JSON with a name and arguments"
    if offered and ("(" in answer or "{" in answer) and _calls_offered(answer, frozenset(offered)):
        return "a call in another syntax: a function that is offered, with arguments"
    try:
        attempted = any(read(answer) is not None for read in (read_python, read_json, read_llama))
    except UnreadableError:
        attempted = True
    return "a call in another syntax" if attempted else ""


def _has_tag(answer: str, offered: Collection[str]) -> bool:
    names: set[str] = set(_TAG.findall(answer))
    if len(names) > MOST_LOOKED_AT or not names.isdisjoint(offered):
        return True
    bare = {_LETTERS.sub("", name.lower()) for name in names}
    near = (name for name in bare if abs(len(name) - len(_TAG_NAME)) <= 2 and _distance(name, _TAG_NAME) <= 2)
    return any(word in name for name in bare for word in _TAG_WORDS) or any(near)


def _distance(first: str, second: str) -> int:
    # Levenshtein's.
    row = list(range(len(second) + 1))
    for number, letter in enumerate(first, 1):
        previous, row[0] = row[0], number
        for place, other in enumerate(second, 1):
            change = previous + (letter != other)
            previous = row[place]
            row[place] = min(change, row[place] + 1, row[place - 1] + 1)
    return row[-1]


def _calls_offered(answer: str, offered: frozenset[str]) -> bool:
    mentions = 0
    for match in _CALL.finditer(answer):
        if not _is_offered(match[1], offered):
            continue
        mentions += 1
        if mentions > MOST_LOOKED_AT or _is_call(answer, match):
            return True
    if _ARGUMENTS_LINE.search(answer) and any(name in answer for name in offered):
        return True
    return any(_is_offered(match[1], offered) for match in _CALLED_WITH_OBJECT.finditer(answer))


def _is_call(answer: str, match: re.Match[str]) -> bool:
    line_start, line_end = answer.rfind("\n", 0, match.start()) + 1, answer.find("\n", match.start())
    line = answer[line_start : len(answer) if line_end < 0 else line_end]
    before = answer[max(line_start, match.start() - 100) : match.start()]
    if before.endswith(("def ", "function ")):
        return False
    bare = before.strip(" \t`'\"*-#>.[0123456789") == ""
    prose_follows = ends_in_prose(line)
    if match[0].endswith(")"):
        return bare and not prose_follows
    in_list = before.rstrip(" '\"`").endswith("[")
    is_quoted = before.endswith("`") and not bare and not before.rstrip(" `").endswith(":")
    return in_list or not (prose_follows or is_quoted)


def _is_offered(name: str, offered: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[start:]) in offered for start in range(len(parts) - 1, -1, -1))


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
