"""Refusal of mistyped and missing keys: Hydra merges an overlay's unknown key without a word."""

import difflib
from collections.abc import Iterable, Sequence


def check_keys(given: Iterable[str], known: Sequence[str], *, section: str) -> None:
    """Refuses keys that a section of the configuration does not have, and the absence of one that it must have.

    Args:
        given: The keys found.
        known: All keys of the section, each of them required.
        section: Its name in full, for instance reward.reward_kwargs.

    Raises:
        ValueError: A key is unknown (the message names the nearest one) or missing.
    """
    found = list(given)
    for key in found:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"the keys are {', '.join(known)}."
            raise ValueError(f"{section} has no key {key!r}; {hint}")
    missing = [key for key in known if key not in found]
    if missing:
        raise ValueError(
            f"{section} must give {', '.join(known)}, but lacks {', '.join(missing)}; "
            "start from a configuration that builds on groupwise_trainer, which holds the defaults."
        )
