r"""Restores LaTeX whose backslashes were read as escapes, or doubled, on the way into a data set.

A file that is read with escapes turns `\frac` into a form feed and `rac`, `\text` into a tab and `ext`; one that is
written with them doubles backslashes. What is restored is beyond doubt: the control character stands in no other text,
or what follows it is no word by itself but a command's rest.
"""

import re

from reward_score.math.spelling import word_set

_CONTROLS = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}

_BLANK_RESTS = {
    "\t": word_set(
        """ext extbf extit extrm extsf extnormal extcirc extdegree extstyle imes frac heta binom riangle
        herefore extonehalf"""
    ),
    "\n": word_set("eq exists leq geq less otin abla parallel rightarrow leftarrow"),
}
"""Rests behind a tab or the end of a line, which stand in texts for their own sake as well."""

_RESTS = {
    "\a": word_set("lpha ngle pprox rccos rcsin rctan rccot st rg rray symp leph mpersand"),
    "\b": word_set(
        """oxed inom egin eta ar ig igg igl igr igcup igcap Big mod pmod ullet ot ecause old oldsymbol f mathbf
        reve inary lacksquare"""
    ),
    "\f": word_set("rac orall box lat"),
    "\v": word_set("ec ert arphi arepsilon artheta arnothing dots ee arrho ertical phantom space"),
    "\r": word_set("ight ightarrow angle floor ceil brace brack vert ho m Vert"),
    **_BLANK_RESTS,
}
_DAMAGED = re.compile(r"([\a\b\t\n\v\f\r])([A-Za-z]+)")

_DOUBLED = re.compile(r"(?<!\\)\\\\(?=([A-Za-z]{2,}))")
_COMMANDS = word_set(
    """frac dfrac tfrac sqrt text textbf mathrm mathbf mathbb left right pi theta alpha beta gamma lambda mu phi omega
    cdot times div le leq ge geq ne neq in cup cap setminus infty pm mp circ sin cos tan cot sec csc ln log binom begin
    end big bigg Big Bigg quad mid approx overline angle triangle sum prod int forall langle rangle lfloor rfloor"""
)


def restore_escapes(text: str) -> str:
    r"""Puts back backslashes that were read as escapes: `\frac` for a form feed and `rac`, say."""
    if not any(control in text for control in _CONTROLS):
        return text

    def restored(match: re.Match[str]) -> str:
        control, rest = match.groups()
        return f"\\{_CONTROLS[control]}{rest}" if rest in _RESTS[control] else match[0]

    text = _DAMAGED.sub(restored, text)
    return text.rstrip().removesuffix("^")  # of ^\circ at a line's end the first half is left


def single_backslashes(text: str) -> str:
    r"""Takes `\\frac` for `\frac`: behind two backslashes, which end a row, no command's name stands.

    A text that holds an environment with rows stays as it is.
    """
    if "\\\\" not in text:
        return text
    if "\\\\begin{" in text and "\\" not in text.replace("\\\\", ""):
        return text.replace("\\\\", "\\")
    if "\\begin{" in text:
        return text
    return _DOUBLED.sub(lambda match: "\\" if match[1] in _COMMANDS else match[0], text)
