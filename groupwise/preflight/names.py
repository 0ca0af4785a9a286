"""What a mistyped name most likely stands for."""

import difflib
from collections.abc import Iterable


def suggest(name: object, known: Iterable[object]) -> str:
    """Words the end of a sentence that refuses a name.

    Args:
        name: What was given.
        known: All names that there are.
    """
    near = difflib.get_close_matches(str(name), [str(other) for other in known], n=1, cutoff=0.65)
    return f"did you mean {near[0]!r}?" if near else "leave it out."


def nearest(key: str, known: Iterable[str]) -> str | None:
    """Finds the key that a mistyped one most likely stands for.

    Args:
        key: Its full name.
        known: Full names of the keys that there are.

    Returns:
        The key whose last part is most similar, one of the same section before others; None where none is similar.
    """
    section, _, name = key.rpartition(".")
    matcher = difflib.SequenceMatcher(b=name.lower())
    best: tuple[float, float, str] | None = None
    for other in known:
        place, _, word = other.rpartition(".")
        matcher.set_seq1(word.lower())
        if matcher.quick_ratio() >= 0.65 and matcher.ratio() >= 0.65:
            score = matcher.ratio() + 0.2 * (place == section)
            # Of equals the one whose section is most like the one that was named.
            found = (score, difflib.SequenceMatcher(a=place, b=section).ratio(), other)
            best = found if best is None else max(best, found)
    return None if best is None else best[2]
