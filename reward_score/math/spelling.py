"""What LaTeX and Unicode write in several ways, and the one spelling that `math.latex` gives it."""

from unicodedata import decomposition, lookup

TEXT_OPEN, TEXT_CLOSE, SEPARATOR, ROW_END, EITHER = "\ue000", "\ue001", "\ue002", "\ue003", "\ue00f"
"""Private-use characters that mark, in a canonical text, the ends of what stood in `\\text{}`, the separator of a list,
the end of a matrix's row, and "or", which separates as well."""

CURRENCIES = {"\ue004": "dollar", "\ue005": "euro", "\ue006": "pound", "\ue007": "yen", "\ue008": "rupee"}
"""Private-use characters that stand for the signs of currencies in a canonical text, where `$` is no sign of money."""

DOLLAR = "\ue004"
NO_CURRENCIES = str.maketrans(dict.fromkeys(CURRENCIES))


def word_set(text: str) -> frozenset[str]:
    """Gives the words of a text, which reads better than a long list of strings."""
    return frozenset(text.split())


def first_words(table: str) -> dict[str, str]:
    """Gives the first word of its line for each word of a table."""
    lines = (line.split() for line in table.strip().splitlines())
    return {word: line[0] for line in lines for word in line}


ELEMENTARY_FUNCTIONS = word_set("sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh coth ln log lg exp")
"""Functions whose one argument may stand behind their name without brackets."""

FUNCTIONS = ELEMENTARY_FUNCTIONS | word_set("sqrt max min gcd lcm det")


GREEK_NAMES = word_set(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho
    sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi
    Omega hbar ell"""
)
"""Commands that are letters, without their backslash."""


def _decomposed(tag: str, *codes: int) -> dict[str, str]:
    """Gives those of some characters that Unicode knows as such a form of others, with these."""
    found = {chr(code): decomposition(chr(code)).split() for code in codes}
    return {sign: "".join(chr(int(part, 16)) for part in parts[1:]) for sign, parts in found.items() if tag in parts}


_RAISED = (0xB2, 0xB3, 0xB9, *range(0x2B0, 0x2B9), 0x2E3, *range(0x1D2C, 0x1D6B), *range(0x2070, 0x209D), 0x2C7C)
SUPERSCRIPTS = str.maketrans(_decomposed("<super>", *_RAISED))
SUBSCRIPTS = str.maketrans(_decomposed("<sub>", *_RAISED))
_FRACTIONS = _decomposed("<fraction>", 0xBC, 0xBD, 0xBE, *range(0x2150, 0x215F), 0x2189)
_CIRCLED = _decomposed("<circle>", *range(0x2460, 0x2474))
_OF_ANOTHER_FONT = {
    **_decomposed("<wide>", *range(0xFF01, 0xFF5F)),
    **_decomposed("<font>", *range(0x2100, 0x2150), *range(0x1D400, 0x1D800)),
}
_GREEK = {
    lookup(f"GREEK {size} LETTER {name.lower().replace('lambda', 'lamda').upper()}"): f"\\{name} "
    for size, names in {
        "SMALL": "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi"
        " chi psi omega",
        "CAPITAL": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
    }.items()
    for name in names.split()
}
_NAMED = {
    "\\infty ": "INFINITY",
    "\\sqrt ": "SQUARE ROOT",
    "\\sqrt[3]": "CUBE ROOT",
    "\\sqrt[4]": "FOURTH ROOT",
    "^{\\circ}": "DEGREE SIGN, MASCULINE ORDINAL INDICATOR, RING ABOVE",
    "\\cdot ": "MULTIPLICATION SIGN, MIDDLE DOT, DOT OPERATOR, ASTERISK OPERATOR",
    "/": "DIVISION SIGN, DIVISION SLASH, FRACTION SLASH",
    "\\pm ": "PLUS-MINUS SIGN",
    "\\mp ": "MINUS-OR-PLUS SIGN",
    "\\le ": "LESS-THAN OR EQUAL TO, LESS-THAN OR SLANTED EQUAL TO, LESS-THAN OVER EQUAL TO",
    "\\ge ": "GREATER-THAN OR EQUAL TO, GREATER-THAN OR SLANTED EQUAL TO, GREATER-THAN OVER EQUAL TO",
    "\\ne ": "NOT EQUAL TO",
    "\\approx ": "ALMOST EQUAL TO",
    ":": "RATIO",
    "\\forall ": "FOR ALL",
    "\\cup ": "UNION",
    "\\cap ": "INTERSECTION",
    "\\in ": "ELEMENT OF",
    "\\setminus ": "SET MINUS",
    "\\emptyset ": "EMPTY SET, LATIN CAPITAL LETTER O WITH STROKE",
    "'": "PRIME, LEFT SINGLE QUOTATION MARK, RIGHT SINGLE QUOTATION MARK",
    '"': "LEFT DOUBLE QUOTATION MARK, RIGHT DOUBLE QUOTATION MARK",
    "|": "DIVIDES",
    "\\angle ": "ANGLE",
    "\\triangle ": "WHITE UP-POINTING TRIANGLE",
    "\\phi ": "GREEK PHI SYMBOL",
    "\\epsilon ": "GREEK LUNATE EPSILON SYMBOL",
    "\\mu ": "MICRO SIGN",
    "\\Delta ": "INCREMENT",
    "\\ell ": "SCRIPT SMALL L",
    "\\langle ": "MATHEMATICAL LEFT ANGLE BRACKET",
    "\\rangle ": "MATHEMATICAL RIGHT ANGLE BRACKET",
    "\\lfloor ": "LEFT FLOOR",
    "\\rfloor ": "RIGHT FLOOR",
    "\\lceil ": "LEFT CEILING",
    "\\rceil ": "RIGHT CEILING",
    "\ue005": "EURO SIGN",
    "\ue006": "POUND SIGN",
    "\ue007": "YEN SIGN",
    "\ue008": "INDIAN RUPEE SIGN",
}

CHARACTERS = str.maketrans(
    dict.fromkeys("\u200b\u2060\ufeff\u200e\u200f\u00ad")
    | dict.fromkeys((TEXT_OPEN, TEXT_CLOSE, SEPARATOR, ROW_END, EITHER, *CURRENCIES))
    | dict.fromkeys("\u00a0\u202f\u2007\u2009\u200a\u2002\u2003\u3000\t\r\n", " ")
    | {sign: f"{SEPARATOR}{number}{SEPARATOR}" for sign, number in _CIRCLED.items()}
    | {sign: "\\frac{{{}}}{{{}}}".format(*parts.split("\u2044")) for sign, parts in _FRACTIONS.items()}
    | {sign: _GREEK.get(letter, letter) for sign, letter in _OF_ANOTHER_FONT.items()}
    | dict.fromkeys("\u2212\u2013\u2010\u2011\u2012\ufe63\uff0d", "-")
    | {"`": None}
    | _GREEK
    | {lookup(name): spelling for spelling, names in _NAMED.items() for name in names.split(", ")}
)

SYNONYMS = first_words(
    r"""
    frac dfrac tfrac cfrac
    binom dbinom tbinom
    le leq leqslant
    ge geq geqslant
    ne neq
    cdot times cdotp ast
    { lbrace
    } rbrace
    [ lbrack
    ] rbrack
    | vert lvert rvert mid
    < lt
    > gt
    emptyset varnothing
    infty infin
    ^{\circ} degree textdegree
    circ textcirc
    ' prime
    / div
    ldots dots cdots
    setminus smallsetminus backslash
    : colon
    approx simeq thickapprox
    """
) | {"land": "and", "lor": "or", "vee": "or"}
"""The command that stands for each, both without their backslash."""

INVISIBLE = word_set(
    """left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm displaystyle
    textstyle scriptstyle limits nolimits bf rm it sf tt cal boldsymbol mathbf mathbb mathcal mathit
    mathsf mathds mathscr mathfrak Bbb bm pmb hfill strut nobreak pounds quad qquad thinspace medspace thickspace
    enspace enskip hskip"""
)
"""Commands that print a space or nothing that counts; what stands on their two sides stays apart."""
