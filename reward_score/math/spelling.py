"""What LaTeX and Unicode write in several ways, and the one spelling that `math.latex` gives it."""

from unicodedata import lookup

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

SUPERSCRIPTS = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b\u207f", "0123456789-n")
SUBSCRIPTS = str.maketrans("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089\u2099", "0123456789n")
_FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in (*range(0x30, 0x3A), *map(ord, "=<>+.:;!|{}[]"))}
_CIRCLED = {chr(0x2460 + number): f"{number + 1}" for number in range(20)}

_GREEK = ("pi", "theta", "alpha", "beta", "gamma", "omega", "phi")
_NAMED = {
    "\\infty ": "INFINITY",
    "\\sqrt ": "SQUARE ROOT",
    "^{\\circ}": "DEGREE SIGN, MASCULINE ORDINAL INDICATOR",
    "\\cdot ": "MULTIPLICATION SIGN, MIDDLE DOT, DOT OPERATOR, ASTERISK OPERATOR",
    "/": "DIVISION SIGN, DIVISION SLASH, FRACTION SLASH",
    "\\pm ": "PLUS-MINUS SIGN",
    "\\mp ": "MINUS-OR-PLUS SIGN",
    "\\le ": "LESS-THAN OR EQUAL TO, LESS-THAN OR SLANTED EQUAL TO",
    "\\ge ": "GREATER-THAN OR EQUAL TO, GREATER-THAN OR SLANTED EQUAL TO",
    "\\ne ": "NOT EQUAL TO",
    "\\approx ": "ALMOST EQUAL TO",
    ":": "RATIO",
    "\\forall ": "FOR ALL",
    "\\cup ": "UNION",
    "\\cap ": "INTERSECTION",
    "\\in ": "ELEMENT OF",
    "R ": "DOUBLE-STRUCK CAPITAL R",
    "\\setminus ": "SET MINUS",
    "\\emptyset ": "EMPTY SET",
    "\\frac{1}{2}": "VULGAR FRACTION ONE HALF",
    "\\frac{1}{4}": "VULGAR FRACTION ONE QUARTER",
    "\\frac{3}{4}": "VULGAR FRACTION THREE QUARTERS",
    "\\frac{1}{3}": "VULGAR FRACTION ONE THIRD",
    "\\frac{2}{3}": "VULGAR FRACTION TWO THIRDS",
    "'": "PRIME, RIGHT SINGLE QUOTATION MARK",
    ",": "FULLWIDTH COMMA",
    "(": "FULLWIDTH LEFT PARENTHESIS",
    ")": "FULLWIDTH RIGHT PARENTHESIS",
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
    | _FULL_WIDTH
    | dict.fromkeys("\u2212\u2013\u2010\u2011\u2012\ufe63\uff0d", "-")
    | {"`": None, "\N{GREEK SMALL LETTER LAMDA}": "\\lambda "}
    | {lookup(f"GREEK SMALL LETTER {name.upper()}"): f"\\{name} " for name in _GREEK}
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
    mathsf bm pmb hfill strut nobreak pounds quad qquad thinspace medspace thickspace enspace enskip hskip"""
)
"""Commands that print a space or nothing that counts; what stands on their two sides stays apart."""
