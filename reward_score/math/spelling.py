"""What LaTeX and Unicode write in several ways, and the one spelling that `math.latex` gives it."""

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


ELEMENTARY_FUNCTIONS = word_set("sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh coth ln log lg exp")
"""Functions whose one argument may stand behind their name without brackets."""

FUNCTIONS = ELEMENTARY_FUNCTIONS | word_set("sqrt max min gcd lcm det")

SUPERSCRIPTS = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b\u207f", "0123456789-n")
SUBSCRIPTS = str.maketrans("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089\u2099", "0123456789n")
_FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in (*range(0x30, 0x3A), *map(ord, "=<>+.:;!|{}[]"))}
_CIRCLED = {chr(0x2460 + number): f"{number + 1}" for number in range(20)}

CHARACTERS = str.maketrans(
    dict.fromkeys("\u200b\u2060\ufeff\u200e\u200f\u00ad")
    | dict.fromkeys((TEXT_OPEN, TEXT_CLOSE, SEPARATOR, ROW_END, EITHER, *CURRENCIES))
    | dict.fromkeys("\u00a0\u202f\u2007\u2009\u200a\u2002\u2003\u3000\t\r\n", " ")
    | {sign: f"{SEPARATOR}{number}{SEPARATOR}" for sign, number in _CIRCLED.items()}
    | _FULL_WIDTH
    | dict.fromkeys("\u2212\u2013\u2010\u2011\u2012\ufe63\uff0d", "-")
    | {
        "\N{GREEK SMALL LETTER PI}": "\\pi ",
        "\N{INFINITY}": "\\infty ",
        "\N{SQUARE ROOT}": "\\sqrt ",
        "\N{DEGREE SIGN}": "^{\\circ}",
        "\N{MULTIPLICATION SIGN}": "\\cdot ",
        "\N{MIDDLE DOT}": "\\cdot ",
        "\N{DOT OPERATOR}": "\\cdot ",
        "\N{ASTERISK OPERATOR}": "\\cdot ",
        "\N{DIVISION SIGN}": "/",
        "\N{DIVISION SLASH}": "/",
        "\N{FRACTION SLASH}": "/",
        "\N{PLUS-MINUS SIGN}": "\\pm ",
        "\N{MINUS-OR-PLUS SIGN}": "\\mp ",
        "\N{LESS-THAN OR EQUAL TO}": "\\le ",
        "\N{GREATER-THAN OR EQUAL TO}": "\\ge ",
        "\N{LESS-THAN OR SLANTED EQUAL TO}": "\\le ",
        "\N{GREATER-THAN OR SLANTED EQUAL TO}": "\\ge ",
        "\N{NOT EQUAL TO}": "\\ne ",
        "\N{ALMOST EQUAL TO}": "\\approx ",
        "\N{RATIO}": ":",
        "\N{MASCULINE ORDINAL INDICATOR}": "^{\\circ}",
        "\N{FOR ALL}": "\\forall ",
        "\N{UNION}": "\\cup ",
        "\N{INTERSECTION}": "\\cap ",
        "\N{ELEMENT OF}": "\\in ",
        "\N{DOUBLE-STRUCK CAPITAL R}": "R ",
        "\N{SET MINUS}": "\\setminus ",
        "\N{EMPTY SET}": "\\emptyset ",
        "\N{VULGAR FRACTION ONE HALF}": "\\frac{1}{2}",
        "\N{VULGAR FRACTION ONE QUARTER}": "\\frac{1}{4}",
        "\N{VULGAR FRACTION THREE QUARTERS}": "\\frac{3}{4}",
        "\N{VULGAR FRACTION ONE THIRD}": "\\frac{1}{3}",
        "\N{VULGAR FRACTION TWO THIRDS}": "\\frac{2}{3}",
        "\N{GREEK SMALL LETTER THETA}": "\\theta ",
        "\N{GREEK SMALL LETTER ALPHA}": "\\alpha ",
        "\N{GREEK SMALL LETTER BETA}": "\\beta ",
        "\N{GREEK SMALL LETTER GAMMA}": "\\gamma ",
        "\N{GREEK SMALL LETTER LAMDA}": "\\lambda ",
        "\N{GREEK SMALL LETTER OMEGA}": "\\omega ",
        "\N{GREEK SMALL LETTER PHI}": "\\phi ",
        "\N{PRIME}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{FULLWIDTH COMMA}": ",",
        "\N{FULLWIDTH LEFT PARENTHESIS}": "(",
        "\N{FULLWIDTH RIGHT PARENTHESIS}": ")",
        "\N{MATHEMATICAL LEFT ANGLE BRACKET}": "\\langle ",
        "\N{MATHEMATICAL RIGHT ANGLE BRACKET}": "\\rangle ",
        "\N{LEFT FLOOR}": "\\lfloor ",
        "\N{RIGHT FLOOR}": "\\rfloor ",
        "\N{LEFT CEILING}": "\\lceil ",
        "\N{RIGHT CEILING}": "\\rceil ",
        "\N{EURO SIGN}": "\ue005",
        "\N{POUND SIGN}": "\ue006",
        "\N{YEN SIGN}": "\ue007",
        "\N{INDIAN RUPEE SIGN}": "\ue008",
        "`": None,
    }
)

SYNONYMS = {
    "dfrac": "frac",
    "tfrac": "frac",
    "cfrac": "frac",
    "dbinom": "binom",
    "tbinom": "binom",
    "leq": "le",
    "leqslant": "le",
    "geq": "ge",
    "geqslant": "ge",
    "neq": "ne",
    "times": "cdot",
    "cdotp": "cdot",
    "ast": "cdot",
    "lbrace": "{",
    "rbrace": "}",
    "lbrack": "[",
    "rbrack": "]",
    "vert": "|",
    "lvert": "|",
    "rvert": "|",
    "mid": "|",
    "lt": "<",
    "gt": ">",
    "varnothing": "emptyset",
    "infin": "infty",
    "degree": "^{\\circ}",
    "textdegree": "^{\\circ}",
    "textcirc": "circ",
    "prime": "'",
    "div": "/",
    "dots": "ldots",
    "cdots": "ldots",
    "smallsetminus": "setminus",
    "backslash": "setminus",
    "colon": ":",
    "simeq": "approx",
    "thickapprox": "approx",
    "land": "and",
    "lor": "or",
    "vee": "or",
}
INVISIBLE = word_set(
    """left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm displaystyle
    textstyle scriptstyle limits nolimits bf rm it sf tt cal boldsymbol mathbf mathbb mathcal mathit
    mathsf bm pmb hfill strut nobreak pounds quad qquad thinspace medspace thickspace enspace enskip hskip"""
)
"""Commands that print a space or nothing that counts; what stands on their two sides stays apart."""
