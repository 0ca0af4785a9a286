"""Splits that do not leak: records that share something stay on one side."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b


def group_by_shared(keys: Mapping[str, Iterable[int]]) -> dict[str, str]:
    """Puts records into groups so that two with a key in common, directly or through others, are in one.

    Takes the keys of each record by its id, and returns for each id the smallest id of its group.
    """
    leader: dict[str, str] = {}

    def find(identity: str) -> str:
        while leader[identity] != identity:
            leader[identity] = leader[leader[identity]]
            identity = leader[identity]
        return identity

    first_with: dict[int, str] = {}
    for identity, having in keys.items():
        leader[identity] = identity
        for key in having:
            one, other = sorted((find(identity), find(first_with.setdefault(key, identity))))
            leader[other] = one
    return {identity: find(identity) for identity in keys}


def is_held_out(group: str, share: float, seed: int) -> bool:
    """Says whether a group is among the share of groups, in [0, 1], for validation, whatever other groups there are."""
    return int.from_bytes(blake2b(f"{seed} {group}".encode(), digest_size=8).digest(), "big") < share * 2**64
