r"""One canonical spelling for the many ways of writing the same answer in LaTeX or in plain text.

Nothing that carries meaning is deleted: `\text{ or }` becomes a separator and not a cut, and a space between two digits
stays. Hendrycks' `strip_string` (MATH) and the normalisation of Minerva (DAPO) do delete: `5\text{ or }6` is 5 to the
one, `3 4` is 34 to the other.
"""

import re
from typing import NamedTuple

from reward_score.math.brackets import closings
from reward_score.math.damage import single_backslashes
from reward_score.math.spelling import (
    CHARACTERS,
    CURRENCIES,
    DOLLAR,
    EITHER,
    FUNCTIONS,
    INVISIBLE,
    NO_CURRENCIES,
    ROW_END,
    SEPARATOR,
    SUBSCRIPTS,
    SUPERSCRIPTS,
    SYNONYMS,
    TEXT_CLOSE,
    TEXT_OPEN,
)

_TEXT = r"\\(?:text|textrm|textbf|textit|textnormal|textsf|mathrm|mbox|hbox|operatorname\*?|emph|mathop)"

_THOUSANDS = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!|\\!,)(?: ?\\!)* ?(?=[0-9]{3})|(?<=[0-9])\\,(?=[0-9]{3}(?![0-9]))")
_TEXT_GROUP = re.compile(rf"{_TEXT}\s*\{{([^{{}}]*)\}}")
_CONTROL_WORD = re.compile(r"\\([A-Za-z]+)")
_CONTROL_SPACE = re.compile(r"\\[!,;:> ]|~|\\hspace\*?\{[^{}]*\}|\\hskip[0-9.]+[a-z]{2}")
_ROW_END = re.compile(r"\\\\(?:\s*\[[0-9.]+[a-z]{2}\])?")
_GROUP = re.compile(r"\{([^{}]*)\}")
_OVER = re.compile(r"\\(over|choose)(?![A-Za-z])")
# From here on no two blanks stand beside each other, so that none of these is a choice between them.
_ORDINAL = re.compile(
    rf"(?<=[0-9])\s?\^?\{{?\s?(?:{TEXT_OPEN}\s?(?:st|nd|rd|th)\s?{TEXT_CLOSE}|(?:st|nd|rd|th))\s?\}}?(?![A-Za-z])"
)
_TEXT_SUBSCRIPT = re.compile(rf"_\s?\{{?\s?{TEXT_OPEN}\s?([A-Za-z]+)\s?{TEXT_CLOSE}\s?\}}?")
_DISJUNCTION = re.compile(
    rf"\s?[,;]?\s?{TEXT_OPEN}\s?[,;]?\s?(?:or|and)\s?{TEXT_CLOSE}\s?|\s?[,;]?\s(?:or|and)\s"
    rf"|(?<=[)\]}}0-9])(?:or|and)(?=[(\[\\{{0-9])|,\s|\s?;\s?|,(?=\s?[${''.join(CURRENCIES)}])|(?<=\$),"
)
_IN_PROPORTION = re.compile(rf"(?<=[0-9]) ?{TEXT_OPEN}? ?to ?{TEXT_CLOSE}? ?(?=[0-9])")
# Two counted things, as 3 \text{ hours } 20 \text{ minutes}.
_COUNTED = re.compile(rf"(?<=[0-9])( ?{TEXT_OPEN}[^{TEXT_OPEN}{TEXT_CLOSE}{SEPARATOR}]*{TEXT_CLOSE}) ?(?=[0-9])")
_SPACED = re.compile(r"[0-9] [0-9]{3}")
_RUN_OF_DIGITS = re.compile(r"[0-9 ]+")
_THOUSANDS_APART = re.compile(r" ?[0-9]{1,3}(?: [0-9]{3})+ ?")
_TOKEN = re.compile(r"\\[A-Za-z]+|[A-Za-z0-9]")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_SCRIPT = re.compile(rf"([\^_])\s*(-?[0-9]+|{_TOKEN.pattern})")
_FRACTION = re.compile(r"\\frac\s*")
_ROOT = re.compile(r"\\sqrt\s?(?:(\[[^\[\]]*\])\s?)?([0-9]+|[A-Za-z]|\\pi(?![A-Za-z]))")
# Behind a number, a slash or "per", min is minutes, unless it has arguments.
_MIN = r"min(?:(?= ?[({_])|(?<![0-9/]min)(?<![0-9/] min)(?<!per min))"
_NAMED = "|".join((*sorted(FUNCTIONS - {"min"}, key=len, reverse=True), "pi", _MIN))
_PLAIN_FUNCTION = re.compile(rf"(?<![A-Za-z\\{TEXT_OPEN}])(?<!{TEXT_OPEN} )({_NAMED})(?![A-Za-z])\s?")
_WHITE = re.compile(
    rf"(?P<prose>{TEXT_OPEN}[^{TEXT_CLOSE}]*{TEXT_CLOSE}?)|(?P<command>\\[A-Za-z]+)\s(?=[A-Za-z])"
    r"|(?P<kept>(?<=[0-9.])\s(?=[0-9.])|(?<=[0-9 ][A-Za-z])\s(?=(?:of|per)\s)|(?<=\sper)\s"
    r"|(?<=[A-Za-z][A-Za-z])\s(?=[A-Za-z]{2})|(?<=[0-9.}])\s(?=[A-Za-z]{2})"
    r"|(?<=[A-Za-z][A-Za-z])\sa\s(?=[A-Za-z]{2}))|\s"
)
_LONE_DOLLAR = re.compile(r"\\?\$(?=[ ]?[0-9.])|\\\$")
_BLANKS = re.compile(r"\s{2,}")
_PLAIN_POWER = re.compile(r"(?<=[A-Za-z0-9)])\*\*(?=[A-Za-z0-9(-])")
_ASCII_RELATION = re.compile(r"<=|>=|(?<=\s)!=")
_ASCII_RELATIONS = {"<=": "\\le ", ">=": "\\ge ", "!=": "\\ne "}
_SETS = frozenset("CNQRZ")
_SCRIPT_TAG = re.compile(r"<su([pb])>([^<>]*)</su[pb]>")
_SUPERSCRIPT = re.compile(f"[{''.join(map(chr, SUPERSCRIPTS))}]+")
_SUBSCRIPT = re.compile(f"[{''.join(map(chr, SUBSCRIPTS))}]+")
_TEXT_MARKED = re.compile(rf"{TEXT_OPEN}[^{TEXT_OPEN}{TEXT_CLOSE}]*{TEXT_CLOSE}")
_SEPARATORS = re.compile(rf",?{SEPARATOR}[{SEPARATOR},]*")
_TEX_QUOTED = re.compile(r"``([^`]*?)''")
# What a prime stands behind is no place for a quotation to begin.
_QUOTED = re.compile(r"\"([^\"]*)\"|(?<![A-Za-z0-9)}\]'])'([^']*)'")
_MARKDOWN = re.compile(r"\*\*|__(?=\S)|(?<=\S)__")


def canonical(text: str) -> str:
    """Brings an answer, without the box or marker around it, into canonical spelling.

    SEPARATOR or EITHER stands between the members of a list where that is beyond doubt, TEXT_OPEN and TEXT_CLOSE around
    what stood in `\\text{}`. Time is linear in the text, up to the nesting of braces.
    """
    bare = text.lstrip(" $").rstrip(" $.")
    if bare.isdecimal() and bare.isascii() and text.count("$") != 1:
        return bare  # what most answers are
    text = single_backslashes(text)
    # Runs of blanks are joined first and again where commands leave some: the patterns below allow for one at a place.
    text = _BLANKS.sub(" ", _MARKDOWN.sub("", _PLAIN_POWER.sub("^", _signs(text))))
    text = _SCRIPT_TAG.sub(
        lambda match: f"{'^' if match[1] == 'p' else '_'}{{{match[2]}}}",
        _ASCII_RELATION.sub(lambda match: _ASCII_RELATIONS[match[0]], text),
    )
    text = _LONE_DOLLAR.sub(DOLLAR, text) if text.count("$") == 1 else text.replace("\\$", DOLLAR)
    text = text.replace("\\%", "%").replace("\\#", "#")
    text = _ROW_END.sub(ROW_END, _THOUSANDS.sub(",", text))
    text = _CONTROL_SPACE.sub(" ", text)
    text = text.replace("\\(", " ").replace("\\)", " ").replace("\\[", " ").replace("\\]", " ").replace("\\-", "")
    for _ in range(3):
        text, count = _TEXT_GROUP.subn(_text_group, text)
        if not count:
            break
    text = _BLANKS.sub(" ", _CONTROL_WORD.sub(_control_word, text))
    text = _TEXT_SUBSCRIPT.sub(r"_{\1}", _ORDINAL.sub("", text))
    text = _IN_PROPORTION.sub(":", text) if "to" in text else text
    text = _DISJUNCTION.sub(lambda match: EITHER if "or" in match[0] else SEPARATOR, text)
    text = _COUNTED.sub(rf"\1{SEPARATOR}", text)
    text = _BLANKS.sub(" ", text.replace("$", " "))
    text = _RUN_OF_DIGITS.sub(_with_commas, text) if _SPACED.search(text) else text
    text = _PLAIN_FUNCTION.sub(r"\\\1 ", text)
    text = _GROUP.sub(_over, text) if _OVER.search(text) else text
    text = _fractions(_ROOT.sub(r"\\sqrt\1{\2}", _SCRIPT.sub(r"\1{\2}", text)))
    text = _WHITE.sub(_white, text).replace("\\sqrt[2]{", "\\sqrt{").replace("^{'}", "'")
    text = text.replace("}.]", "}]").replace("}.)", "})")
    text = _SEPARATORS.sub(SEPARATOR, _TEXT_MARKED.sub(_cut, text) if SEPARATOR in text or EITHER in text else text)
    return text.lstrip(" ,:" + SEPARATOR + EITHER).rstrip(" .,:" + SEPARATOR + EITHER + ROW_END)


def _signs(text: str) -> str:
    """Spells signs of Unicode as LaTeX, and takes quotation marks off."""
    if not text.isascii():
        text = _SUPERSCRIPT.sub(lambda match: f"^{{{match[0].translate(SUPERSCRIPTS)}}}", text)
        text = _SUBSCRIPT.sub(lambda match: f"_{{{match[0].translate(SUBSCRIPTS)}}}", text)
    text = (_TEX_QUOTED.sub(r"\1", text) if "``" in text else text).translate(CHARACTERS)
    return _QUOTED.sub(lambda match: match[1] or match[2] or "", text) if "'" in text or '"' in text else text


def plain(text: str) -> str:
    """Takes the markers out of a canonical text, for comparing it as text and for showing it."""
    text = text.translate(NO_CURRENCIES).replace(TEXT_OPEN, "").replace(TEXT_CLOSE, "")
    return text.replace(SEPARATOR, ", ").replace(EITHER, " or ").replace(ROW_END, "\\\\")


def _cut(match: re.Match[str]) -> str:
    """Gives each member of a list inside one text a text of its own."""
    cut = match[0]
    for separator in (SEPARATOR, EITHER):
        cut = cut.replace(separator, f"{TEXT_CLOSE}{separator}{TEXT_OPEN}")
    return cut.replace(f"{TEXT_OPEN}{TEXT_CLOSE}", "")


def _text_group(match: re.Match[str]) -> str:
    content = match[1]
    word = content.strip()
    before = match.string[max(0, match.start() - 3) : match.start()].rstrip()
    if word in FUNCTIONS and not (word == "min" and before[-1:].isdigit()):  # 120 min are minutes
        return f"\\{word} "
    if word in ("degree", "degrees") and before[-1:] and (before[-1].isdigit() or before[-1] in "})i"):
        return "^{\\circ}"
    if word.removeprefix("or ").rstrip(".") in ("approximately", "approx"):
        return "\\approx "
    # An upright i, e or d is a mathematical constant or operator; all else is prose or a unit.
    if word in ("i", "e", "d", "\\pi"):
        return f" {word} "
    return f"{TEXT_OPEN}{content}{TEXT_CLOSE}"


def _control_word(match: re.Match[str]) -> str:
    word = match[1]
    if word in INVISIBLE:
        return " "
    if word.startswith(("quad", "qquad")):
        return f" {word.lstrip('q').removeprefix('uad')}"  # the space and what was typed on to it
    if word in _SETS:
        return f"{word} "
    synonym = SYNONYMS.get(word)
    if synonym is None:
        return match[0]
    if synonym in ("{", "}"):
        return f"\\{synonym}"
    return f"\\{synonym}" if synonym.isalpha() and synonym not in ("and", "or") else f" {synonym} "


def _over(match: re.Match[str]) -> str:
    bars = list(_OVER.finditer(match[1]))
    if not bars:
        return match[0]
    bar = bars[-1]
    name = "frac" if bar[1] == "over" else "binom"
    return f"\\{name}{{{match[1][: bar.start()]}}}{{{match[1][bar.end() :]}}}"


def _with_commas(match: re.Match[str]) -> str:
    """Spells 1 000 000 with commas, unless it is a part of a mixed number, of a decimal or of a list."""
    before, after = match.string[max(0, match.start() - 1) : match.start()], match.string[match.end() : match.end() + 1]
    if before in (".", ",") or after == "/" or not _THOUSANDS_APART.fullmatch(match[0]):
        return match[0]
    return re.sub(r"(?<=[0-9]) (?=[0-9])", ",", match[0])


def _white(match: re.Match[str]) -> str:
    if match["prose"]:
        return f"{TEXT_OPEN}{' '.join(match['prose'][1:].removesuffix(TEXT_CLOSE).split())}{TEXT_CLOSE}"
    if match["command"]:
        return f"{match['command']} "
    return match["kept"] or ""


def _fractions(text: str) -> str:
    r"""Gives each \frac its two braced arguments, as TeX reads them: one token each."""
    if "\\frac" not in text:
        return text
    closing = closings(text, _BRACE, "{", "}")
    edits: list[tuple[int, int, str]] = []
    taken: set[int] = set()
    for match in _FRACTION.finditer(text):
        # A \frac may itself be the token that another one takes.
        first = _argument(text, match.end(), closing) if match.start() not in taken else None
        second = _argument(text, first.end, closing) if first else None
        if first is None or second is None:
            continue
        edits += (
            (match.start(), first.inner[0], "\\frac{"),
            (first.inner[1], second.inner[0], "}{"),
            (second.inner[1], second.end, "}"),
        )
        taken.update(argument.inner[0] for argument in (first, second) if not argument.braced)
    pieces: list[str] = []
    place = 0
    for start, end, piece in sorted(edits):  # none overlap
        pieces += (text[place:start], piece)
        place = end
    return "".join(pieces) + text[place:]


class _Argument(NamedTuple):
    """What a command takes: where it stands, braces left out, and where it ends, braces counted in."""

    inner: tuple[int, int]
    end: int
    braced: bool


def _argument(text: str, start: int, closing: dict[int, int]) -> _Argument | None:
    while text.startswith(" ", start):
        start += 1
    if text.startswith("{", start):
        end = closing.get(start)
        return None if end is None else _Argument((start + 1, end), end + 1, braced=True)
    token = _TOKEN.match(text, start)
    return None if token is None else _Argument(token.span(), token.end(), braced=False)


def matching_brace(text: str, start: int, limit: int = 10_000) -> int | None:
    r"""Finds the brace that closes the one at `start`, within `limit` characters; `\{` and `\}` do not count."""
    depth = 0
    for match in _BRACE.finditer(text, start, start + limit):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None
