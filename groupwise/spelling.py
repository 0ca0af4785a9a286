"""What a mistyped name most likely stands for, and the words that say so; the standard library alone."""

import difflib
from collections.abc import Collection, Iterable, Sequence


def did_you_mean(name: object, known: Iterable[object], otherwise: str, *, cutoff: float = 0.5) -> str:
    """Ends a sentence that refuses a name: with the nearest of the known ones, in whatever case, or otherwise."""
    names = {str(other).lower(): str(other) for other in known}
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=cutoff)
    return f"did you mean {names[near[0]]!r}?" if near else otherwise


def check_keys(given: Iterable[str], known: Sequence[str], *, section: str, cure: str | None) -> None:
    """Refuses keys that a section does not have, and, where there is a cure for it, the absence of one that it has.

    Raises:
        ValueError: A key is unknown (the message names the nearest one) or missing.
    """
    found = list(given)
    for key in found:
        if key not in known:
            # Keys are few, and most that are not known are meant for one of them.
            near = did_you_mean(key, known, f"known are {', '.join(known) or 'none'}.", cutoff=0.4)
            raise ValueError(f"{section} has no key {key!r}; {near}")
    missing = [key for key in known if key not in found]
    if missing and cure is not None:
        raise ValueError(f"{section} must give {', '.join(known)}, but lacks {', '.join(missing)}; {cure}")


def nearest_key(key: str, known: Iterable[str], *, closed: Collection[str] = ()) -> str | None:
    """Finds the full name of the key that a mistyped one most likely stands for; None where none is similar.

    Its last part is most similar, and of several it is the one in the same section, or in the most similar one. What is
    mistyped in a closed section is a key of that section, whatever keys of other sections are called.
    """
    section, _, name = key.rpartition(".")
    if section in closed:
        known = [other for other in known if other.rpartition(".")[0] == section]
    matcher = difflib.SequenceMatcher(b=name.lower())
    best: tuple[float, float, str] | None = None
    for other in known:
        place, _, word = other.rpartition(".")
        matcher.set_seq1(word.lower())
        if matcher.quick_ratio() >= 0.65 and matcher.ratio() >= 0.65:
            score = matcher.ratio() + 0.2 * (place == section)
            found = (score, difflib.SequenceMatcher(a=place, b=section).ratio(), other)
            best = found if best is None else max(best, found)
    return None if best is None else best[2]
