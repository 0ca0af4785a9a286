"""Reads an answer as it was found, in all the ways that it can be meant."""

from reward_score.answer import Answer
from reward_score.latex import canonical
from reward_score.quantifier import cut_quantifiers
from reward_score.structure import read_answer


def read_text(text: str) -> tuple[Answer, ...]:
    """Reads an answer.

    Args:
        text: The answer, without the box or marker around it.

    Returns:
        Its readings, the likeliest first; nothing if there is nothing in it.
    """
    spelled = canonical(text)
    if not spelled.strip():
        return ()
    cut = cut_quantifiers(text)
    if cut is None:
        return read_answer(spelled)
    names = tuple(Answer("scalar", name) for name in sorted(cut.names))
    domain = " ".join(sorted(cut.domain))
    inner = read_answer(canonical(cut.text))
    return *(Answer("quantified", spelled, (one, *names), domain) for one in inner), *read_answer(spelled)
