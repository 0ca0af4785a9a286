"""Reads an answer as it was found, in all the ways that it can be meant."""

from reward_score.math.answer import Answer
from reward_score.math.latex import canonical
from reward_score.math.quantifier import cut_quantifiers
from reward_score.math.structure import read_answer, read_each_sign


def read_text(text: str, *, each_sign: bool = False) -> tuple[Answer, ...]:
    """Gives the readings of an answer, the likeliest first; none if there is nothing in it.

    With `each_sign` several signs `\\pm` may be independent as well as all upper or all lower: a ground truth is not
    read in two ways.
    """
    spelled = canonical(text)
    if not spelled.strip():
        return ()
    cut = cut_quantifiers(text)
    if cut is None:
        return read_answer(spelled) + (read_each_sign(spelled) if each_sign and "\\pm" in spelled else ())
    names = tuple(Answer("scalar", name) for name in sorted(cut.names))
    domain = " ".join(sorted(cut.domain))
    inner = read_answer(canonical(cut.text))
    return *(Answer("quantified", spelled, (one, *names), domain) for one in inner), *read_answer(spelled)
